//! Drawing: widgets that put numbers and cells onto a buffer, and the text forms they share.
//!
//! Everything here is a function of its arguments. A widget accepts any values and any area from 0×0 up; what
//! does not fit is left out, the least important first. Colours are given as styles by the caller, and each
//! widget can be read without any colour.

pub mod bars;
pub mod cell_graph;
pub mod edge_graph;
pub mod heat_map;
pub mod line_chart;
mod pen;
pub mod plane;
mod raster;
pub mod side;
pub mod text;
pub mod weights_map;

#[cfg(test)]
mod tests;
