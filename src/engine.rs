//! The engine, as the command sees it: a program to find and start, a lock that says whether it
//! lives, and a socket to talk over.

pub mod connection;
pub mod liveness;
pub mod program;
pub mod start;
