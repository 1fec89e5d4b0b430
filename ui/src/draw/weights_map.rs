//! How often, and how long ago, each candidate operation of a cell was trained.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::Widget,
};
use relativenas_core::{
    operation::{CellKind, Operation},
    weight_set::{CANDIDATES, EDGES, Trained, WeightKey, WeightSet},
};

use super::{cell_graph::input_name, heat_map::shade, pen::Pen, text};
use crate::{glyphs::Glyphs, theme::Palette};

const OPERATIONS: usize = Operation::SEARCHED.len();

/// One cell of the network: its edges as rows, operations as columns.
///
/// Each entry shows its number of updates on a first shade, and the number of generations since the last
/// update on a second one. A dot stands for an operation that was never trained; an operation without weights
/// is blank.
#[derive(Clone, Debug)]
pub struct WeightsMap<'a, T> {
    weights: &'a WeightSet<T>,
    cell: usize,
    kind: CellKind,
    generation: u32,
    selected: Option<usize>,
    glyphs: &'a Glyphs,
    palette: &'a Palette,
}

impl<'a, T: Clone> WeightsMap<'a, T> {
    /// The map of the cell with index `cell`; ages are counted up to this generation.
    pub fn new(
        weights: &'a WeightSet<T>,
        (cell, kind): (usize, CellKind),
        generation: u32,
        glyphs: &'a Glyphs,
        palette: &'a Palette,
    ) -> Self {
        Self { weights, cell, kind, generation, selected: None, glyphs, palette }
    }

    /// The candidate (as in [`WeightKey::Operation`]) that is shown reversed.
    pub fn selected(mut self, candidate: Option<usize>) -> Self {
        self.selected = candidate;
        self
    }

    fn trained(&self, candidate: usize) -> Option<Trained> {
        let key = WeightKey::Operation { cell: self.cell, candidate };
        self.weights.get(key).map(|entry| entry.trained)
    }

    /// The most updates that an operation of any cell has, so that the maps of cells can be compared.
    fn most_updates(&self) -> u32 {
        let operations = self.weights.entries().filter(|(key, _)| key.is_operation());
        operations.map(|(_, entry)| entry.trained.updates).max().unwrap_or(0)
    }

    fn draw_entry(&self, candidate: usize, (x, y): (usize, usize), sizes: &Sizes, pen: &mut Pen<'_>) {
        let (_, input, operation) = WeightKey::describe_candidate(candidate);
        let selected = self.selected == Some(candidate);
        let reverse = |style: Style| if selected { style.reversed() } else { style };
        let stride = if self.kind == CellKind::Reduction && input < 2 { 2 } else { 1 };
        let Some(trained) = self.trained(candidate) else {
            let mark = if operation.has_parameters(stride) { self.glyphs.never } else { ' ' };
            let shown = text::right(&mark.to_string(), sizes.count, self.glyphs);
            pen.text(x, y, &shown, reverse(self.palette.dim));
            return;
        };
        // By the logarithm: the first updates matter most.
        let often = f64::from(trained.updates).ln_1p() / f64::from(sizes.most).ln_1p();
        let ground = self.palette.heat(often);
        let count = match sizes.count {
            1 if ground.is_none() => shade(often.max(0.2), self.glyphs).to_string(),
            1 => " ".to_owned(),
            columns => text::number(trained.updates.into(), columns, 0),
        };
        pen.text(x, y, &count, reverse(ground.unwrap_or(self.palette.text)));
        let long_ago = f64::from(self.generation.saturating_sub(trained.generation));
        let long_ago = long_ago / f64::from(self.generation.max(1));
        let (mark, style) = match self.palette.age(long_ago) {
            Some(style) => (' ', style),
            None => (shade(0.25 + 0.75 * long_ago, self.glyphs), self.palette.text),
        };
        for x in (x + sizes.count)..(x + sizes.count + sizes.age) {
            pen.glyph(x, y, mark, style);
        }
    }
}

impl<T: Clone> Widget for WeightsMap<'_, T> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let mut pen = Pen::new(area, buffer);
        let sizes = Sizes::of(pen.width(), pen.height(), self.most_updates());
        for (column, operation) in Operation::SEARCHED.iter().enumerate() {
            // The name stands above the last digit of the count.
            let x = (sizes.column(column) + sizes.count).saturating_sub(2);
            if sizes.heading {
                pen.text(x, 0, operation.short_name(), self.palette.dim);
            }
        }
        let mut y = usize::from(sizes.heading);
        let mut last_node = 0;
        for edge in 0..EDGES {
            let (node, input, _) = WeightKey::describe_candidate(edge * OPERATIONS);
            y += usize::from(sizes.apart && node != last_node);
            if y >= pen.height() {
                break;
            }
            let arrow = self.glyphs.arrow_left;
            let label = match sizes.label {
                0 => String::new(),
                columns if columns >= LONG_LABEL => {
                    let node = if input == 0 || y == 1 { format!("node {node}") } else { String::new() };
                    format!("{node:<6} {arrow} {}", input_name(input))
                }
                _ => format!("{node}{arrow}{input}"),
            };
            pen.text(0, y, &label, self.palette.dim);
            for operation in 0..OPERATIONS {
                self.draw_entry(
                    edge * OPERATIONS + operation,
                    (sizes.column(operation), y),
                    &sizes,
                    &mut pen,
                );
            }
            last_node = node;
            y += 1;
        }
    }
}

const LONG_LABEL: usize = 16;

/// Columns of everything in a map, and whether there are rows to spare.
struct Sizes {
    label: usize,
    /// Columns of the count (1: a shade only), of the age, and between operations.
    count: usize,
    age: usize,
    gap: usize,
    heading: bool,
    /// Whether a blank row separates the nodes.
    apart: bool,
    /// The number of updates with the full shade.
    most: u32,
}

impl Sizes {
    fn of(width: usize, height: usize, most: u32) -> Self {
        let count = (most.max(1).ilog10() as usize + 1).clamp(2, 6) + 1;
        // The choices of columns, from the widest to the narrowest.
        let ways = [
            (LONG_LABEL, count, 2, 2),
            (LONG_LABEL, count, 1, 1),
            (4, count, 1, 1),
            (4, 1, 1, 1),
            (4, 1, 0, 1),
            (0, 1, 0, 0),
        ];
        let fits =
            |way: &&(usize, usize, usize, usize)| way.0 + OPERATIONS * (way.1 + way.2 + way.3) <= width;
        let &(label, count, age, gap) = ways.iter().find(fits).unwrap_or(&ways[ways.len() - 1]);
        let nodes = WeightKey::describe_candidate(CANDIDATES - 1).0 + 1;
        Self {
            label,
            count,
            age,
            gap,
            heading: height > 2 && gap > 0 && count + age + gap > 2,
            apart: height > EDGES + nodes - 1,
            most: most.max(1),
        }
    }

    fn column(&self, operation: usize) -> usize {
        self.label + operation * (self.count + self.age + self.gap)
    }
}

/// The legend of the shades: `updates 1 ░▒▓█ 41   age 0 ░▒▓█ 12 generations   · never trained`. `most` is the number
/// of updates with the full shade.
pub fn legend(most: u32, generation: u32, glyphs: &Glyphs, palette: &Palette) -> Line<'static> {
    let steps = [0.25, 0.5, 0.75, 1.0];
    let ramp = |shades: fn(&Palette, f64) -> Option<Style>| {
        steps.map(|share| match shades(palette, share) {
            Some(style) => Span::styled(" ", style),
            None => Span::styled(shade(share, glyphs).to_string(), palette.text),
        })
    };
    let mut spans = vec![Span::styled("updates 1 ", palette.dim)];
    spans.extend(ramp(Palette::heat));
    spans.push(Span::styled(format!(" {most}   age 0 "), palette.dim));
    spans.extend(ramp(Palette::age));
    spans.push(Span::styled(
        format!(" {generation} generations   {} never trained", glyphs.never),
        palette.dim,
    ));
    Line::from(spans)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use relativenas_core::{config::Theme, weight_set::WeightEntry};

    use relativenas_core::population::IndividualId;

    use super::*;
    use crate::{
        draw::tests::{EVERY_FINENESS, sheet},
        glyphs::Fineness,
        theme::Depth,
    };

    /// Every third candidate was trained, the later ones less often and longer ago.
    fn weights(cell: usize) -> WeightSet<()> {
        let mut weights = WeightSet::default();
        for candidate in (0..CANDIDATES).filter(|c| c % 3 != 1) {
            let (_, _, operation) = WeightKey::describe_candidate(candidate);
            if operation.has_parameters(1) {
                let left = (CANDIDATES - candidate) as u32;
                let trained = Trained {
                    generation: left / 9,
                    individual: IndividualId(3),
                    updates: left * left / 80 + 1,
                };
                weights.restore(WeightKey::Operation { cell, candidate }, WeightEntry { value: (), trained });
            }
        }
        weights
    }

    #[test]
    fn a_cell_at_several_sizes() {
        let (weights, palette) = (weights(2), Palette::new(Theme::Dark, Depth::None));
        for fineness in [Fineness::Braille, Fineness::Ascii] {
            let glyphs = Glyphs::new(fineness);
            let map = WeightsMap::new(&weights, (2, CellKind::Reduction), 12, &glyphs, &palette);
            let drawn =
                sheet(&[(76, 18), (48, 15), (20, 8)], |area, buffer| map.clone().render(area, buffer));
            let legend = legend(map.most_updates(), 12, &glyphs, &palette);
            insta::assert_snapshot!(format!("cell_{fineness:?}"), format!("{legend}\n{drawn}"));
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(
            size in (0u16..120, 0u16..24),
            generation: u32,
            updates: u32,
            cell in 0usize..4,
            candidate in prop::option::of(any::<usize>()),
            fineness in prop::sample::select(EVERY_FINENESS.to_vec()),
        ) {
            let mut weights = weights(1);
            let trained = Trained { generation: 7, individual: IndividualId(1), updates };
            weights.restore(WeightKey::Operation { cell: 1, candidate: 3 }, WeightEntry { value: (), trained });
            let (glyphs, palette) = (Glyphs::new(fineness), Palette::new(Theme::Light, Depth::Indexed));
            let map = WeightsMap::new(&weights, (cell, CellKind::Normal), generation, &glyphs, &palette)
                .selected(candidate);
            sheet(&[size], |area, buffer| map.clone().render(area, buffer));
        }
    }
}
