//! The two programs together, as a person or a script uses them.
//!
//! Every test has a home directory of its own and tiny settings. No test relies on a fixed time of sleeping.

mod clients;
mod durability;
mod gpu_check;
mod mistakes;
mod probe;
mod ranks;
mod ranks_of_a_search;
mod search;
mod stage;
mod study;
mod table;
mod task;
mod terminal;
mod training;
