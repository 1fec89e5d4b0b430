//! Curves over generations or epochs.

mod axis;

use std::ops::RangeInclusive;

pub use axis::Scale;
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Modifier, Style},
    text::{Line, Span},
    widgets::Widget,
};

use self::axis::{Axis, whole_ticks};
use super::{
    pen::Pen,
    raster::{Point, Raster},
    text,
};
use crate::glyphs::{Fineness, Glyphs};

/// Columns from one dot of the grid to the next: near enough to be seen as a line, and few bytes on a slow link.
const GRID: usize = 18;

/// The pattern of a curve's line, which tells curves apart where there is no colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stroke {
    Solid,
    Dotted,
    Dashed,
    DashDotted,
    /// A mark at every value, and no line.
    Mark(char),
}

/// One curve. A value that is not a finite number breaks the line and is marked at the bottom.
#[derive(Clone, Copy, Debug)]
pub struct Series<'a> {
    pub name: &'a str,
    /// A value for each step along x, from the start of the chart's range on.
    pub values: &'a [f64],
    /// For each value the lowest and the highest of the values that it summarises, such as those of several runs;
    /// they are shown as a faint band.
    pub band: Option<&'a [(f64, f64)]>,
    pub stroke: Stroke,
    pub style: Style,
}

impl<'a> Series<'a> {
    pub fn new(name: &'a str, values: &'a [f64], stroke: Stroke, style: Style) -> Self {
        Self { name, values, band: None, stroke, style }
    }

    /// The style of what must stand out from the faint bands that it crosses.
    fn bright(&self) -> Style {
        self.style.remove_modifier(Modifier::DIM)
    }
}

/// A chart of several curves; later ones are drawn over earlier ones.
///
/// The y axis runs between round numbers, so that it stays as it is until a value leaves it and
/// moves in steps then. Space goes, in this order, to the curves, the numbers on the left, and
/// those below.
#[derive(Clone, Debug)]
pub struct LineChart<'a> {
    series: &'a [Series<'a>],
    x: RangeInclusive<u32>,
    scale: Scale,
    limits: Option<(f64, f64)>,
    robust: bool,
    cursor: Option<u32>,
    glyphs: &'a Glyphs,
    /// Numbers and grid.
    dim: Style,
    rule: Style,
}

impl<'a> LineChart<'a> {
    /// `x` is the whole range of the axis, which includes steps that are still to come. `dim` is the style of
    /// numbers, `rule` that of the grid.
    pub fn new(
        series: &'a [Series<'a>],
        x: RangeInclusive<u32>,
        glyphs: &'a Glyphs,
        [dim, rule]: [Style; 2],
    ) -> Self {
        Self { series, x, scale: Scale::Linear, limits: None, robust: false, cursor: None, glyphs, dim, rule }
    }

    /// Sets the scale of the y axis. On a logarithmic one, values that are not above 0 are treated as missing.
    pub fn scale(mut self, scale: Scale) -> Self {
        self.scale = scale;
        self
    }

    /// Fixes the ends of the y axis, so that several charts can be compared; lines are cut where they leave it.
    pub fn limits(mut self, low: f64, high: f64) -> Self {
        self.limits = Some((low, high));
        self
    }

    /// Keeps values far above most others from stretching the y axis; an arrow at the top shows where such a value
    /// is.
    pub fn robust(mut self) -> Self {
        self.robust = true;
        self
    }

    /// Draws a vertical line at this x; [`legend`] shows the values there.
    pub fn cursor(mut self, x: Option<u32>) -> Self {
        self.cursor = x;
        self
    }

    /// The x of a column of the screen, if the chart fills `area`; `None` outside of the curves.
    pub fn x_at(&self, area: Rect, column: u16) -> Option<u32> {
        let plot = self.layout(area.width.into(), area.height.into());
        let column = usize::from(column.checked_sub(area.x)?).checked_sub(plot.left)?;
        let share = column as f64 / plot.columns.saturating_sub(1).max(1) as f64;
        (column < plot.columns).then(|| self.x.start() + (share * self.steps()).round() as u32)
    }

    fn steps(&self) -> f64 {
        f64::from(self.x.end().saturating_sub(*self.x.start()).max(1))
    }

    fn layout(&self, width: usize, height: usize) -> Plot {
        let below = usize::from(height >= 4);
        let rows = height - below;
        let most = if self.robust { self.most() } else { f64::INFINITY };
        let axis = Axis::new(self.all_values().filter(|&v| v <= most), self.scale, self.limits, rows);
        let label = axis.ticks.iter().map(|(_, label)| text::width(label)).max().unwrap_or(0);
        // Numbers beside the axis are drawn only if most of the columns are left for the curve.
        let left = if label + 2 + 8 <= width { label + 2 } else { 0 };
        Plot { left, columns: width - left, rows, below: below == 1, axis }
    }

    fn all_values(&self) -> impl Iterator<Item = f64> {
        self.series.iter().flat_map(|series| {
            let band = series.band.unwrap_or(&[]).iter().flat_map(|&(low, high)| [low, high]);
            series.values.iter().copied().chain(band)
        })
    }

    /// The limit above which values count as outliers: three times as far from the lowest value as the 85th
    /// percentile is. With fewer than 20 values it is the 70th percentile.
    fn most(&self) -> f64 {
        let mut values: Vec<_> = self.all_values().filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        // With few values, each outlier is a larger share of them.
        let share = if values.len() < 20 { 70 } else { 85 };
        match values.get(values.len() * share / 100) {
            // With fewer than five values, no value can be called usual.
            Some(&high) if values.len() >= 5 && high > values[0] => values[0] + 3.0 * (high - values[0]),
            _ => f64::INFINITY,
        }
    }

    fn draw_axes(&self, plot: &Plot, pen: &mut Pen<'_>) {
        for (value, label) in plot.axis.ticks.iter().filter(|_| plot.left > 0) {
            let row = plot.row(*value);
            pen.text(plot.left - 2 - text::width(label), row, label, self.dim);
            if !self.glyphs.is_ascii() {
                for x in (plot.left..plot.left + plot.columns).step_by(GRID) {
                    pen.glyph(x, row, self.glyphs.never, self.rule);
                }
            }
        }
        if !plot.below {
            return;
        }
        let mut free = 0;
        for x in whole_ticks(*self.x.start(), *self.x.end(), plot.columns) {
            let label = x.to_string();
            let column = plot.left + plot.column(self.share(x));
            let start = column
                .saturating_sub(label.len() / 2)
                .min((plot.left + plot.columns).saturating_sub(label.len()));
            if start >= free && start + label.len() <= pen.width() {
                free = pen.text(start, plot.rows, &label, self.dim) + 1;
            }
        }
    }

    fn share(&self, x: u32) -> f64 {
        f64::from(x.saturating_sub(*self.x.start())) / self.steps()
    }

    fn draw_band(&self, series: &Series<'_>, plot: &Plot, raster: &mut Raster) {
        let (across, down) = Raster::dots_per_cell(self.glyphs.fineness);
        let at = |(index, &(low, high)): (usize, &(f64, f64))| {
            let low = self.point(index, low, plot, raster)?;
            let high = self.point(index, high, plot, raster)?;
            Some((low, high.1))
        };
        let edges: Vec<_> = series.band.unwrap_or(&[]).iter().enumerate().filter_map(at).collect();
        // Faint, and of its curve's colour: bands of several curves overlap.
        let style = series.style.add_modifier(Modifier::DIM);
        for pair in edges.windows(2) {
            let [((x0, low0), high0), ((x1, low1), high1)] = pair else { continue };
            for x in x0.max(0.0).round() as usize..=(x1.max(0.0).round() as usize).min(raster.width()) {
                let share = if x1 > x0 { (x as f64 - x0) / (x1 - x0) } else { 0.0 };
                let top = (high0 + (high1 - high0) * share).max(0.0).round() as usize;
                let bottom = (low0 + (low1 - low0) * share).max(0.0).round() as usize;
                for y in top..=bottom.min(raster.height()) {
                    // One dot in every other character, so that the curve stands out from its band.
                    let every_other = (x / across + y / down).is_multiple_of(2)
                        || self.glyphs.fineness != Fineness::Braille;
                    if x % across == 0 && y % down == down / 2 && every_other {
                        raster.dot(x, y, style);
                    }
                }
            }
        }
    }

    fn draw_curve(&self, series: &Series<'_>, plot: &Plot, raster: &mut Raster) {
        let fine = self.glyphs.fineness;
        let pattern = |along: usize| match (series.stroke, fine) {
            (Stroke::Solid, _) => true,
            (Stroke::Dotted, Fineness::Ascii) => along.is_multiple_of(2),
            (Stroke::Dotted, _) => along.is_multiple_of(3),
            (Stroke::Dashed, Fineness::Ascii) => along % 4 < 3,
            (Stroke::Dashed, _) => along % 8 < 5,
            (Stroke::DashDotted, Fineness::Ascii) => along % 6 < 3 || along % 6 == 4,
            (Stroke::DashDotted, _) => along % 10 < 5 || along % 10 == 7,
            (Stroke::Mark(_), _) => false,
        };
        let mut last: Option<Point> = None;
        for (index, &value) in series.values.iter().enumerate() {
            let point = self.point(index, value, plot, raster);
            if let Some(to) = point {
                // A value between two gaps is a line to itself.
                raster.line(last.unwrap_or(to), to, series.bright(), pattern);
            }
            last = point;
        }
    }

    /// The position of a value, in dots of the raster.
    fn point(&self, index: usize, value: f64, plot: &Plot, raster: &Raster) -> Option<Point> {
        let x = index as f64 / self.steps() * raster.width().saturating_sub(1) as f64;
        let y = plot.axis.share(value)?;
        Some((x, (1.0 - y) * raster.height().saturating_sub(1) as f64))
    }

    fn draw_marks(&self, series: &Series<'_>, plot: &Plot, pen: &mut Pen<'_>) {
        for (index, &value) in series.values.iter().enumerate() {
            let share = index as f64 / self.steps();
            if share > 1.0 {
                break;
            }
            let x = plot.left + plot.column(share);
            match (plot.axis.share(value), series.stroke) {
                (Some(y), Stroke::Mark(mark)) if (0.0..=1.0).contains(&y) => {
                    pen.glyph(x, plot.row(value), mark, series.bright());
                }
                (Some(y), _) if self.robust && y > 1.0 => {
                    pen.glyph(x, 0, self.glyphs.arrow_up, series.style);
                }
                (None, _) => pen.glyph(x, plot.rows.saturating_sub(1), self.glyphs.gap, series.style),
                _ => {}
            }
        }
    }

    fn draw_cursor(&self, x: u32, plot: &Plot, pen: &mut Pen<'_>) {
        let column = plot.left + plot.column(self.share(x));
        for row in 0..plot.rows {
            pen.glyph(column, row, self.glyphs.vertical, self.dim);
        }
        for series in self.series {
            let Some(&value) = series.values.get(x.saturating_sub(*self.x.start()) as usize) else {
                continue;
            };
            if plot.axis.share(value).is_some_and(|y| (0.0..=1.0).contains(&y)) {
                let mark = if let Stroke::Mark(mark) = series.stroke { mark } else { self.glyphs.marks[0] };
                pen.glyph(column, plot.row(value), mark, series.bright());
            }
        }
    }
}

impl Widget for LineChart<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let mut pen = Pen::new(area, buffer);
        if pen.width() == 0 || pen.height() == 0 {
            return;
        }
        let plot = self.layout(pen.width(), pen.height());
        self.draw_axes(&plot, &mut pen);
        let raster = || Raster::new(plot.columns, plot.rows, self.glyphs.fineness);
        // Bands have a raster of their own, so that their dots never merge with those of a curve.
        let (mut bands, mut curves) = (raster(), raster());
        for series in self.series {
            self.draw_band(series, &plot, &mut bands);
            self.draw_curve(series, &plot, &mut curves);
        }
        // Coarse dots would be taken for a curve: there a band is a shade.
        match self.glyphs.fineness {
            Fineness::Braille => bands.draw(&mut pen, plot.left, 0),
            Fineness::Block => bands.draw_wash(&mut pen, plot.left, 0, self.glyphs.shades[1]),
            Fineness::Ascii => bands.draw_wash(&mut pen, plot.left, 0, self.glyphs.shades[2]),
        }
        curves.draw(&mut pen, plot.left, 0);
        for series in self.series {
            self.draw_marks(series, &plot, &mut pen);
        }
        if let Some(x) = self.cursor.filter(|x| self.x.contains(x)) {
            self.draw_cursor(x, &plot, &mut pen);
        }
    }
}

/// The part of a chart's area that holds the curves, and its axes.
struct Plot {
    left: usize,
    columns: usize,
    rows: usize,
    /// Whether there is a row of numbers below the curves.
    below: bool,
    axis: Axis,
}

impl Plot {
    fn column(&self, share: f64) -> usize {
        (share * self.columns.saturating_sub(1) as f64).round() as usize
    }

    fn row(&self, value: f64) -> usize {
        let share = self.axis.share(value).unwrap_or(0.0).clamp(0.0, 1.0);
        ((1.0 - share) * self.rows.saturating_sub(1) as f64).round() as usize
    }
}

/// Names and strokes of the curves on one line. `cursor` is an index into the `values` of each series, whose value
/// is added.
pub fn legend(series: &[Series<'_>], cursor: Option<usize>, glyphs: &Glyphs) -> Line<'static> {
    let mut spans = Vec::new();
    for (index, series) in series.iter().enumerate() {
        if index > 0 {
            spans.push(Span::raw("   "));
        }
        let (line, dot) = if glyphs.is_ascii() { ("---", "' '") } else { ("──", "··") };
        let stroke = match series.stroke {
            Stroke::Solid => line.to_owned(),
            Stroke::Dotted => dot.to_owned(),
            Stroke::Dashed => (if glyphs.is_ascii() { "- -" } else { "╌╌" }).to_owned(),
            Stroke::DashDotted => (if glyphs.is_ascii() { "-.-" } else { "─·" }).to_owned(),
            Stroke::Mark(mark) => mark.to_string(),
        };
        spans.push(Span::styled(format!("{stroke} {}", series.name), series.style));
        if let Some(cursor) = cursor {
            let value = series.values.get(cursor).copied();
            let read = value.map_or_else(|| format!("{:>7}", glyphs.never), |v| text::number(v, 7, 3));
            spans.push(Span::styled(read, series.style));
        }
    }
    Line::from(spans)
}

#[cfg(test)]
mod tests;
