//! The engine, as the command sees it: a program to find and start, a lock that says whether it
//! lives, and a socket to talk over.

pub mod connection;
pub mod launcher;
pub mod program;
pub mod start;

/// Whether an engine lives on a run, and where.
pub mod liveness {
    pub use relativenas_run::{
        address::address,
        host::this_host,
        lock::{Liveness, hold, holder, liveness},
    };
}
