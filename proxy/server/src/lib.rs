//! Bauta: a privacy-preserving verification proxy.
