//! A chart of the view of curves, before it is drawn.

use ratatui::style::Style;

use crate::draw::line_chart::{Series, Stroke};

/// One of the charts of the view: its title and its curves.
pub struct Panel {
    pub title: &'static str,
    pub curves: Vec<Curve>,
    /// Whether it shows losses, for which a logarithmic axis makes sense.
    pub is_loss: bool,
    pub names: Names,
}

/// Where the names of a panel's curves stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// The names stand beside the title.
    Beside,
    /// The names stand in rows of their own, because they are long.
    Below,
    /// The names stand at another panel that has the same curves.
    Elsewhere,
}

impl Panel {
    pub fn new(title: &'static str, curves: Vec<Curve>) -> Self {
        Self { title, curves, is_loss: false, names: Names::Beside }
    }
}

/// One curve of a chart; [`Series`] says what its fields mean.
pub struct Curve {
    pub name: String,
    pub values: Vec<f64>,
    /// For each value, the lowest and the highest value of the runs of which it is the mean.
    pub band: Option<Vec<(f64, f64)>>,
    pub stroke: Stroke,
    pub style: Style,
}

impl Curve {
    pub fn new(name: impl Into<String>, values: Vec<f64>, stroke: Stroke, style: Style) -> Self {
        Self { name: name.into(), values, band: None, stroke, style }
    }

    pub fn series(&self) -> Series<'_> {
        let series = Series::new(&self.name, &self.values, self.stroke, self.style);
        Series { band: self.band.as_deref(), ..series }
    }
}
