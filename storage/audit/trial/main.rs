//! The trial of the two verifiers against each other.

#[cfg(test)]
mod independent;
