//! A table of values from 0 to 1 that are drawn as shades, each with a text on it.

use ratatui::{buffer::Buffer, layout::Rect, widgets::Widget};

use super::{pen::Pen, text};
use crate::{glyphs::Glyphs, theme::Palette};

/// A column of the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Columns of the screen for the text of its cells.
    pub width: u16,
    /// Blank columns before it, which set groups apart.
    pub gap: u16,
}

/// A heading over the columns from `first` on, up to the next heading.
#[derive(Clone, Copy, Debug)]
pub struct Heading<'a> {
    pub first: usize,
    pub text: &'a str,
}

/// One value of a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeatCell {
    /// The value that is drawn as a shade: from 0 to 1, or NaN, which is drawn as a gap.
    pub value: f64,
    pub text: String,
}

/// A row: the text before its cells, the cells, and the text behind them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeatRow {
    pub before: String,
    pub cells: Vec<HeatCell>,
    pub behind: String,
    /// The former cells of the row, as many as `cells`. Cells whose text differs from the former one are underlined,
    /// and the former texts stand dim in a row below.
    pub ghost: Option<Vec<HeatCell>>,
}

/// A table of shades with headings of several levels.
///
/// With colours, the shade is the background of the text. Without colours only the text is drawn, and columns
/// that have no room for it show shade characters. A map too wide for its area is drawn with columns
/// of one character; what still does not fit is cut off, and an ellipsis says so.
#[derive(Clone, Debug)]
pub struct HeatMap<'a> {
    columns: &'a [Column],
    headings: &'a [&'a [Heading<'a>]],
    rows: &'a [HeatRow],
    first: usize,
    selected: Option<usize>,
    glyphs: &'a Glyphs,
    palette: &'a Palette,
}

impl<'a> HeatMap<'a> {
    pub fn new(columns: &'a [Column], rows: &'a [HeatRow], glyphs: &'a Glyphs, palette: &'a Palette) -> Self {
        Self { columns, headings: &[], rows, first: 0, selected: None, glyphs, palette }
    }

    /// Lines of headings, top to bottom.
    pub fn headings(mut self, headings: &'a [&'a [Heading<'a>]]) -> Self {
        self.headings = headings;
        self
    }

    /// The index of the selected row, which has a mark and the style of selections.
    pub fn selected(mut self, row: Option<usize>) -> Self {
        self.selected = row;
        self
    }

    /// The index of the row at the top; see [`scroll`].
    pub fn first(mut self, row: usize) -> Self {
        self.first = row;
        self
    }

    /// Lines that the headings take.
    fn heading_lines(&self, height: usize) -> usize {
        // At least two lines are left for the rows.
        self.headings.len().min(height.saturating_sub(2))
    }

    fn layout(&self, width: usize) -> Layout {
        let longest =
            |part: fn(&HeatRow) -> &String| self.rows.iter().map(|r| text::width(part(r))).max().unwrap_or(0);
        let before = longest(|row| &row.before);
        let behind = longest(|row| &row.behind);
        let start = (MARK + before + 2).min(width / 2);
        let place = |narrow: bool| {
            let mut x = start;
            let mut places = Vec::with_capacity(self.columns.len());
            for (index, column) in self.columns.iter().enumerate() {
                let (gap, wide) = match narrow {
                    true => (usize::from(column.gap > 1 && index > 0), 1),
                    false => (column.gap.into(), usize::from(column.width)),
                };
                x += if index == 0 { 0 } else { gap };
                places.push((x, wide));
                x += wide;
            }
            (places, x)
        };
        let (places, end) = place(false);
        let (places, end, narrow) = match end <= width {
            true => (places, end, false),
            false => {
                let (places, end) = place(true);
                (places, end, true)
            }
        };
        let behind = (end + 2 + behind <= width || end + 6 <= width).then_some(end + 2);
        Layout { before: start.saturating_sub(MARK + 2), places, behind, narrow }
    }

    fn draw_headings(&self, layout: &Layout, lines: usize, pen: &mut Pen<'_>) {
        let skipped = self.headings.len() - lines;
        for (y, line) in self.headings.iter().skip(skipped).enumerate() {
            for (index, heading) in line.iter().enumerate() {
                let at = |first: usize| layout.places.get(first).map(|(x, _)| *x);
                let Some(x) = at(heading.first) else { continue };
                let next = line.get(index + 1).and_then(|next| at(next.first));
                let room = next.map_or(pen.width(), |next| next.saturating_sub(1)).saturating_sub(x);
                let shown = text::truncate(heading.text, room, self.glyphs);
                // A heading cut to its ellipsis says nothing.
                if text::width(&shown) > 1 || heading.text.len() <= 1 {
                    pen.text(x, y, &shown, self.palette.dim);
                }
            }
        }
    }

    fn draw_row(&self, index: usize, y: usize, layout: &Layout, pen: &mut Pen<'_>) {
        let row = &self.rows[index];
        let selected = self.selected == Some(index);
        let style = if selected { self.palette.selected } else { self.palette.text };
        if selected {
            for x in 0..pen.width() {
                pen.glyph(x, y, ' ', style);
            }
            pen.glyph(0, y, '>', style);
        }
        pen.text(MARK, y, &text::truncate(&row.before, layout.before, self.glyphs), style);
        for (column, (cell, &(x, width))) in row.cells.iter().zip(&layout.places).enumerate() {
            let changed = row.ghost.as_ref().and_then(|g| g.get(column)).is_some_and(|g| g.text != cell.text);
            self.draw_cell(cell, (x, y), width, (layout.narrow, selected, changed), pen);
        }
        if layout.places.last().is_some_and(|(x, width)| x + width > pen.width()) {
            pen.glyph(pen.width() - 1, y, self.glyphs.ellipsis, self.palette.dim);
        } else if let Some(x) = layout.behind {
            let shown = text::truncate(&row.behind, pen.width().saturating_sub(x), self.glyphs);
            pen.text(x, y, &shown, style);
        }
    }

    fn draw_cell(
        &self,
        cell: &HeatCell,
        (x, y): (usize, usize),
        width: usize,
        (narrow, selected, changed): (bool, bool, bool),
        pen: &mut Pen<'_>,
    ) {
        let ground = self.palette.heat(cell.value).filter(|_| cell.value.is_finite());
        let plain = if selected { self.palette.selected } else { self.palette.text };
        let style = ground.unwrap_or(plain);
        let style = if changed { style.underlined().bold() } else { style };
        let has_text = !narrow && !cell.text.is_empty() && text::width(&cell.text) <= width;
        let shown = match () {
            () if has_text => text::left(&cell.text, width, self.glyphs),
            () if !cell.value.is_finite() => text::left(&self.glyphs.never.to_string(), width, self.glyphs),
            () if ground.is_some() => " ".repeat(width),
            () => shade(cell.value, self.glyphs).to_string().repeat(width),
        };
        pen.text(x, y, &shown, style);
    }

    /// Writes the former texts of the cells that have changed.
    fn draw_ghost(&self, row: &HeatRow, y: usize, layout: &Layout, pen: &mut Pen<'_>) {
        let was = if layout.before >= 4 { "was" } else { "" };
        pen.text(MARK + layout.before.saturating_sub(was.len()), y, was, self.palette.dim);
        let ghosts = row.ghost.iter().flatten();
        for ((cell, ghost), &(x, width)) in row.cells.iter().zip(ghosts).zip(&layout.places) {
            if cell.text != ghost.text {
                pen.text(x, y, &text::left(&ghost.text, width, self.glyphs), self.palette.dim);
            }
        }
    }
}

impl Widget for HeatMap<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let mut pen = Pen::new(area, buffer);
        if pen.width() == 0 {
            return;
        }
        let layout = self.layout(pen.width());
        let mut y = self.heading_lines(pen.height());
        self.draw_headings(&layout, y, &mut pen);
        for index in self.first..self.rows.len() {
            if y >= pen.height() {
                break;
            }
            self.draw_row(index, y, &layout, &mut pen);
            y += 1;
            let row = &self.rows[index];
            if !layout.narrow && has_ghost(row) && y < pen.height() {
                self.draw_ghost(row, y, &layout, &mut pen);
                y += 1;
            }
        }
    }
}

/// `> ` before the selected row.
const MARK: usize = 2;

/// Columns of everything in a map.
struct Layout {
    /// Room for the text before the cells.
    before: usize,
    /// Start and width of each column.
    places: Vec<(usize, usize)>,
    /// The column of the text behind, where there is room for it.
    behind: Option<usize>,
    narrow: bool,
}

fn has_ghost(row: &HeatRow) -> bool {
    let ghosts = row.ghost.iter().flatten();
    row.cells.iter().zip(ghosts).any(|(cell, ghost)| cell.text != ghost.text)
}

/// The index of the row to be shown at the top, so that the selected row is visible. It is as near to `first`, the
/// row at the top until now, as possible. `lines` is the number of lines below the headings.
pub fn scroll(first: usize, selected: usize, rows: &[HeatRow], lines: usize) -> usize {
    let mut first = first.min(selected);
    let taken =
        |first: usize| -> usize { rows.get(first..=selected).unwrap_or(&[]).iter().map(lines_of).sum() };
    while first < selected && taken(first) > lines {
        first += 1;
    }
    first
}

/// Lines that a row takes: one more where its ghost stands below it.
pub fn lines_of(row: &HeatRow) -> usize {
    1 + usize::from(has_ghost(row))
}

/// How many rows, from `first` on, are visible in so many lines.
pub fn seen(first: usize, rows: &[HeatRow], lines: usize) -> usize {
    let mut taken = 0;
    let fits = |row: &&HeatRow| {
        taken += lines_of(row);
        taken <= lines
    };
    rows.iter().skip(first).take_while(fits).count()
}

/// A character for a value from 0 to 1, finer in ASCII than [`Glyphs::shade`] is.
pub fn shade(value: f64, glyphs: &Glyphs) -> char {
    const ASCII: [char; 10] = [' ', '.', ':', '-', '=', '+', '*', '#', '%', '@'];
    if value.is_nan() {
        glyphs.never
    } else if glyphs.is_ascii() {
        ASCII[(value.clamp(0.0, 1.0) * 9.0).round() as usize]
    } else {
        glyphs.shade(value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use relativenas_core::config::Theme;

    use super::*;
    use crate::{
        draw::tests::{EVERY_FINENESS, sheet},
        glyphs::Fineness,
        theme::Depth,
    };

    const OPERATIONS: [&str; 7] = ["mx", "av", "id", "s3", "s5", "d3", "d5"];

    /// Columns for a cell: input and operation side by side, two a node, nodes apart.
    fn columns(cells: usize) -> Vec<Column> {
        let gap = |gene: usize| match gene {
            g if g % 2 == 1 => 0,
            g if g % 16 == 0 => 4,
            g if g % 4 == 0 => 3,
            _ => 1,
        };
        (0..16 * cells).map(|g| Column { width: 1 + (g % 2) as u16, gap: gap(g) }).collect()
    }

    fn row(seed: usize, columns: usize) -> HeatRow {
        let cell = |gene: usize| {
            let random = (seed * 7919 + gene * 104_729 + 13) % 997;
            let value = random as f64 / 997.0;
            let text = match gene % 2 {
                0 => (random % (gene % 16 / 4 + 2)).to_string(),
                _ => OPERATIONS[random % 7].to_owned(),
            };
            HeatCell { value, text }
        };
        HeatRow {
            before: format!("{seed:02}  {:.3}", 1.0 + seed as f64 / 40.0),
            cells: (0..columns).map(cell).collect(),
            ..HeatRow::default()
        }
    }

    fn population() -> Vec<HeatRow> {
        let mut rows: Vec<_> = (3..8).map(|seed| row(seed, 32)).collect();
        let mut ghost = rows[2].cells.clone();
        ghost[1].text = "mx".into();
        ghost[18].text = "1".into();
        rows[2] = HeatRow { ghost: Some(ghost), behind: "2 genes".into(), ..rows[2].clone() };
        rows[3].cells[5] = HeatCell { value: f64::NAN, text: String::new() };
        rows
    }

    #[test]
    fn a_population_with_one_that_moved() {
        let (rows, columns) = (population(), columns(2));
        let palette = Palette::new(Theme::Dark, Depth::None);
        let cells =
            [Heading { first: 0, text: "normal cell" }, Heading { first: 16, text: "reduction cell" }];
        let nodes: Vec<_> =
            (0..8).map(|n| Heading { first: 4 * n, text: ["n0", "n1", "n2", "n3"][n % 4] }).collect();
        let headings: [&[Heading<'_>]; 2] = [&cells, &nodes];
        for fineness in EVERY_FINENESS {
            let glyphs = Glyphs::new(fineness);
            let map = HeatMap::new(&columns, &rows, &glyphs, &palette).headings(&headings).selected(Some(1));
            let drawn = sheet(&[(120, 9), (60, 8), (30, 4), (12, 2)], |area, buffer| {
                map.clone().render(area, buffer)
            });
            insta::assert_snapshot!(format!("population_{fineness:?}"), drawn);
        }
    }

    #[test]
    fn the_view_moves_no_further_than_it_must() {
        let rows = population();
        let check = |first, selected, lines, expected| {
            assert_eq!(scroll(first, selected, &rows, lines), expected, "{first} {selected} {lines}");
        };
        check(0, 1, 3, 0);
        check(2, 1, 3, 1);
        // Row 2 takes two lines, for its ghost.
        check(0, 3, 4, 1);
        check(0, 4, 1, 4);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(
            values in prop::collection::vec((any::<f64>(), ".{0,3}"), 0..40),
            size in (0u16..120, 0u16..12),
            counts in (0usize..6, 0usize..3),
            colours: bool,
            fineness in prop::sample::select(EVERY_FINENESS.to_vec()),
        ) {
            let glyphs = Glyphs::new(fineness);
            let palette = Palette::new(Theme::Dark, if colours { Depth::Truecolor } else { Depth::None });
            let cells: Vec<_> =
                values.into_iter().map(|(value, text)| HeatCell { value, text }).collect();
            let row = HeatRow { before: "01  1.0".into(), ghost: Some(cells.iter().rev().cloned().collect()), behind: "x".into(), cells };
            let rows = vec![row; counts.0];
            let columns = columns(counts.1);
            let heading = [Heading { first: 3, text: "somewhere" }];
            let headings: [&[Heading<'_>]; 1] = [&heading];
            let map = HeatMap::new(&columns, &rows, &glyphs, &palette).headings(&headings).selected(Some(1)).first(1);
            sheet(&[size], |area, buffer| map.clone().render(area, buffer));
        }
    }

    #[test]
    fn shades_need_no_colour() {
        let shades = |fineness| {
            let glyphs = Glyphs::new(fineness);
            [0.0, 0.25, 0.5, 0.75, 1.0, 7.0, f64::NAN].map(|v| shade(v, &glyphs)).iter().collect::<String>()
        };
        assert_eq!(shades(Fineness::Block), " ░▒▓██·");
        assert_eq!(shades(Fineness::Ascii), " :+#@@.");
    }
}
