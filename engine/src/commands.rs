//! What `relativenas-engine` does besides runs, in the terminal of the command that started it.

mod evaluate;
mod pack;
mod throughput;

pub use evaluate::{EvaluateArguments, evaluate};
pub use pack::{PackArguments, pack};
pub use throughput::{ThroughputArguments, throughput};
