//! Panels: what is drawn around every view, and the parts that views are made of.
//!
//! Each draws into the canvas that it is given, from the run or the search that it is handed.

pub mod best;
pub mod diversity;
pub mod finals;
pub mod footer;
pub mod individual;
pub mod log;
pub mod losses;
pub mod notice;
pub mod now;
pub mod probe;
pub mod ranking;
pub mod scrubber;
pub mod sign;
pub mod status_line;
pub mod this_generation;
pub mod title;
pub mod training;
pub mod warm_up;
pub mod weight_set;
