//! What the tests of all widgets share.

use ratatui::{buffer::Buffer, layout::Rect, style::Style, widgets::Widget};
use relativenas_core::{
    config::Theme,
    genotype::{Cell, Gene},
    operation::{CellKind, Operation},
    weight_set::WeightSet,
};

use super::{
    cell_graph::CellGraph,
    edge_graph::EdgeGraph,
    heat_map::{Column, Heading, HeatCell, HeatMap, HeatRow},
    line_chart::{LineChart, Series, Stroke},
    weights_map::WeightsMap,
};
use crate::{
    glyphs::{Fineness, Glyphs},
    theme::{Depth, Palette},
};

pub const EVERY_FINENESS: [Fineness; 3] = [Fineness::Braille, Fineness::Block, Fineness::Ascii];

/// What a widget draws at each size, as text, with its size above.
pub fn sheet(sizes: &[(u16, u16)], mut draw: impl FnMut(Rect, &mut Buffer)) -> String {
    let mut sheet = String::new();
    for &(width, height) in sizes {
        // The area lies within a larger buffer, so that writing outside of it shows.
        let mut buffer = Buffer::empty(Rect::new(0, 0, width + 2, height + 2));
        draw(Rect::new(1, 1, width, height), &mut buffer);
        sheet += &format!("{width}x{height}\n");
        for y in 0..height + 2 {
            let row: String = (0..width + 2).map(|x| buffer[(x, y)].symbol()).collect();
            let border = y == 0 || y == height + 1 || row.starts_with(|c| c != ' ');
            assert!(!border || row.trim().is_empty(), "{width}x{height}: drawn outside, row {y}: {row}");
            assert!(row.ends_with(' '), "{width}x{height}: drawn outside, row {y}: {row}");
            if (1..=height).contains(&y) {
                sheet += row.trim_end();
                sheet.push('\n');
            }
        }
    }
    sheet
}

#[test]
fn every_widget_draws_in_every_area() {
    let palette = Palette::new(Theme::Dark, Depth::None);
    let values = [1.0, f64::NAN, 3.0, f64::INFINITY];
    let cell = HeatCell { value: 0.5, text: "s3".into() };
    let row = HeatRow { before: "01".into(), cells: vec![cell; 4], behind: "moved".into(), ghost: None };
    let (rows, columns) = (vec![row; 3], [Column { width: 2, gap: 1 }; 4]);
    let heading = [Heading { first: 0, text: "normal" }];
    let headings: [&[Heading<'_>]; 1] = [&heading];
    let gene = Gene { operation: Operation::SepConv3x3, input: 1 };
    let cell = Cell { genes: vec![gene; 8], concat: vec![2, 3, 4, 5] };
    let weights = WeightSet::<()>::default();
    let small = (0..=24).flat_map(|width| (0..=8).map(move |height| (width, height)));
    let sizes: Vec<_> = small.chain([(300, 1), (1, 100), (300, 100)]).collect();
    for glyphs in EVERY_FINENESS.map(Glyphs::new) {
        sheet(&sizes, |area, buffer| {
            let series = [Series::new("loss", &values, Stroke::Solid, Style::new())];
            LineChart::new(&series, 0..=9, &glyphs, [Style::new(); 2]).cursor(Some(1)).render(area, buffer);
            HeatMap::new(&columns, &rows, &glyphs, &palette)
                .headings(&headings)
                .selected(Some(0))
                .render(area, buffer);
            CellGraph::new(&cell, &glyphs, &palette).render(area, buffer);
            EdgeGraph::new([3, 0, 1, 4, 2, 3], &glyphs, &palette).marked(&[0, 3]).render(area, buffer);
            WeightsMap::new(&weights, (0, CellKind::Normal), 3, &glyphs, &palette).render(area, buffer);
        });
    }
}
