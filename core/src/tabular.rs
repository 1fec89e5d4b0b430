//! NAS-Bench-201.

use crate::operation::Operation;

/// Edges of a cell.
pub const EDGES: usize = 6;

/// The operations of an edge, in the order in which a gene counts them.
pub const OPERATIONS: [Operation; 5] = [Operation::None; 5];
