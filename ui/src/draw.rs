//! Drawing: widgets that put numbers and cells onto a buffer, and the text forms they share.
//!
//! Everything here is a function of its arguments. A widget draws something sensible, or nothing,
//! in every area from 0×0 up, whatever the values are; what does not fit is left out from the
//! least to the most important. Colours come as styles from the caller, and nothing is told by
//! colour alone: each widget reads the same without any.

pub mod bars;
pub mod cell_graph;
pub mod edge_graph;
pub mod heat_map;
pub mod line_chart;
mod pen;
pub mod plane;
mod raster;
pub mod text;
pub mod weights_map;

#[cfg(test)]
mod tests;
