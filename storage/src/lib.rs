//! Opens one backend per plane by URL scheme: two handles, never one.
