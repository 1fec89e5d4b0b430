//! The engine from the command's side: finding and starting the program, asking its lock whether it lives,
//! talking to it over a socket, and following what its run says.

pub mod connection;
pub mod launcher;
pub mod program;
pub mod start;
pub mod stream;

/// Whether an engine lives on a run, and where.
pub mod liveness {
    pub use relativenas_run::{
        address::address,
        host::this_host,
        lock::{Liveness, hold, holder, liveness},
    };
}
