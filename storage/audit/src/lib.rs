//! Logs that cannot be edited unnoticed: Merkle trees, proofs, signed notes and export bundles.
//!
//! Pure: no database, no clock, no network. What is verified here needs only the file.

pub mod canonical;
pub mod export;
pub mod note;
pub mod proof;
pub mod store;
pub mod tile;
pub mod tree;

/// The value of a future that never waits, as those over a log in memory are.
#[cfg(test)]
fn ready<F: Future>(future: F) -> F::Output {
    use std::task::{Context, Poll, Waker};

    let mut future = std::pin::pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future waits for something"),
    }
}
