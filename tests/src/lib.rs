//! The harness, and one test binary.
