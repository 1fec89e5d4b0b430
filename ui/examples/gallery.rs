//! Prints every widget to the terminal, to look at a theme or a glyph set without a run.
//!
//! `cargo run --release -p relativenas-ui --example gallery [braille|block|ascii] [dark|light|contrast] [truecolor|256|16|none]`

use std::io;

use crossterm::style::{Attribute, Print, ResetColor, SetAttribute, SetColors};
use ratatui::{
    backend::IntoCrossterm, buffer::Buffer, layout::Rect, style::Modifier, text::Line, widgets::Widget,
};
use relativenas_core::{
    config::Theme,
    genotype::Genotype,
    operation::CellKind,
    population::IndividualId,
    weight_set::{CANDIDATES, Trained, WeightEntry, WeightKey, WeightSet},
};
use relativenas_ui::{
    draw::{
        bars,
        cell_graph::{self, CellGraph},
        heat_map::{Column, Heading, HeatCell, HeatMap, HeatRow},
        line_chart::{self, LineChart, Scale, Series, Stroke},
        text,
        weights_map::{self, WeightsMap},
    },
    glyphs::{Fineness, Glyphs},
    theme::{Depth, Palette},
};

fn main() -> io::Result<()> {
    let named = |name: &str| std::env::args().any(|argument| argument == name);
    let fineness = match () {
        () if named("ascii") => Fineness::Ascii,
        () if named("block") => Fineness::Block,
        () => Fineness::Braille,
    };
    let theme = match () {
        () if named("light") => Theme::Light,
        () if named("contrast") => Theme::Contrast,
        () => Theme::Dark,
    };
    let depth = match () {
        () if named("none") => Depth::None,
        () if named("16") => Depth::Ansi,
        () if named("256") => Depth::Indexed,
        () => Depth::Truecolor,
    };
    let (glyphs, palette) = (Glyphs::new(fineness), Palette::new(theme, depth));
    for (heading, picture) in [
        ("curves", curves(&glyphs, &palette)),
        ("bars", bars(&glyphs, &palette)),
        ("cells", cells(&glyphs, &palette)),
        ("population", population(&glyphs, &palette)),
        ("weights", weights(&glyphs, &palette)),
    ] {
        println!("\n {}\n", heading.to_uppercase());
        print(&picture)?;
    }
    Ok(())
}

fn picture(width: u16, height: u16) -> Buffer {
    Buffer::empty(Rect::new(0, 0, width, height))
}

fn curves(glyphs: &Glyphs, palette: &Palette) -> Buffer {
    let fall = |from: f64, to: f64, rough: f64| -> Vec<f64> {
        (0..37)
            .map(|g| to + (from - to) * (-0.1 * f64::from(g)).exp() + rough * f64::from(g * 7 % 5))
            .collect()
    };
    let (mut fast, slow, best) = (fall(2.2, 0.95, 0.03), fall(2.4, 1.1, 0.04), fall(2.1, 0.9, 0.0));
    fast[24] = f64::NAN;
    let band: Vec<_> = slow.iter().map(|v| (v * 0.88, v * 1.12)).collect();
    let mark = Stroke::Mark(glyphs.marks[2]);
    let series = [
        Series { band: Some(&band), ..Series::new("slow", &slow, Stroke::Dotted, palette.slow) },
        Series::new("fast", &fast, Stroke::Solid, palette.fast),
        Series::new("best", &best[..12], mark, palette.best),
    ];
    let styles = [palette.dim, palette.rule];
    let mut buffer = picture(120, 18);
    line_chart::legend(&series, Some(30), glyphs).render(Rect::new(6, 0, 70, 1), &mut buffer);
    let chart = LineChart::new(&series, 0..=50, glyphs, styles);
    chart.clone().cursor(Some(30)).render(Rect::new(0, 1, 76, 17), &mut buffer);
    chart.scale(Scale::Logarithmic).render(Rect::new(80, 1, 40, 8), &mut buffer);
    LineChart::new(&series[1..2], 0..=50, glyphs, styles).render(Rect::new(80, 10, 40, 7), &mut buffer);
    buffer
}

fn bars(glyphs: &Glyphs, palette: &Palette) -> Buffer {
    let mut buffer = picture(120, 8);
    let mut line = |y: u16, line: Line<'_>| line.render(Rect::new(1, y, 118, 1), &mut buffer);
    for (y, share) in [(0, 0.83), (1, 0.415), (2, 0.02)] {
        line(y, bars::progress(share, 48, glyphs, palette.fast, palette.rule));
    }
    let values = [0.1, 0.3, 0.5, f64::NAN, 0.7, 0.8, 0.9, 0.95];
    line(3, format!("hits {} %  {}", text::number(94.1, 5, 1), bars::sparkline(&values, 20, glyphs)).into());
    for (y, gap, pull) in [(4, 0.107, 0.8), (5, 0.204, -0.35), (6, 0.0, 0.0), (7, f64::NAN, f64::NAN)] {
        let (arrow, pull) = (bars::arrow(gap, 0.204, 24, glyphs), bars::pull(pull, 25, glyphs));
        line(
            y,
            format!("03 {} {arrow} 11 {}      {pull}", text::number(1.214, 6, 3), text::number(1.107, 6, 3))
                .into(),
        );
    }
    buffer
}

const GENOTYPE: &str = "Genotype(normal=[('sep_conv_3x3', 0), ('dil_conv_5x5', 1), ('sep_conv_5x5', 1), \
    ('sep_conv_5x5', 1), ('max_pool_3x3', 0), ('sep_conv_3x3', 3), ('skip_connect', 2), ('avg_pool_3x3', 4)], \
    normal_concat=range(2, 6), reduce=[('avg_pool_3x3', 1), ('max_pool_3x3', 1), ('dil_conv_5x5', 1), \
    ('sep_conv_3x3', 2), ('dil_conv_3x3', 3), ('skip_connect', 1), ('sep_conv_5x5', 4), ('sep_conv_3x3', 3)], \
    reduce_concat=range(2, 6))";

fn cells(glyphs: &Glyphs, palette: &Palette) -> Buffer {
    let mut buffer = picture(144, 32);
    let Ok(genotype) = Genotype::parse(GENOTYPE) else { return buffer };
    let Genotype { normal, reduction } = &genotype;
    let graph = |cell| CellGraph::new(cell, glyphs, palette);
    graph(normal).marked(&[1]).render(Rect::new(0, 0, 72, 15), &mut buffer);
    graph(reduction).render(Rect::new(74, 0, 68, 12), &mut buffer);
    cell_graph::legend(&[normal, reduction], palette).render(Rect::new(0, 15, 144, 1), &mut buffer);
    graph(normal).render(Rect::new(0, 17, 60, 12), &mut buffer);
    graph(reduction).render(Rect::new(62, 17, 40, 7), &mut buffer);
    graph(reduction).render(Rect::new(104, 17, 40, 5), &mut buffer);
    buffer
}

fn population(glyphs: &Glyphs, palette: &Palette) -> Buffer {
    let mut buffer = picture(120, 19);
    let names = ["mx", "av", "id", "s3", "s5", "d3", "d5"];
    let cell = |row: usize, gene: usize| {
        let random = (row * row * 31 + gene * gene * 17 + row * gene * 7) % 97;
        let text = if gene.is_multiple_of(2) {
            (random % (gene % 16 / 4 + 2)).to_string()
        } else {
            names[random % 7].into()
        };
        HeatCell { value: random as f64 / 96.0, text }
    };
    let mut rows: Vec<HeatRow> = (0..8)
        .map(|row| HeatRow {
            before: format!("{row:02}  {}", text::number(1.08 + row as f64 * 0.021, 5, 3)),
            cells: (0..32).map(|gene| cell(row, gene)).collect(),
            ..HeatRow::default()
        })
        .collect();
    let mut ghost = rows[4].cells.clone();
    ghost[3].text = "id".into();
    ghost[22].text = "1".into();
    rows[4] = HeatRow { ghost: Some(ghost), behind: "2 genes".into(), ..rows[4].clone() };
    let gap = |gene: u16| {
        if gene % 2 == 1 {
            0
        } else if gene.is_multiple_of(16) {
            4
        } else if gene.is_multiple_of(4) {
            3
        } else {
            1
        }
    };
    let columns: Vec<_> = (0..32).map(|gene| Column { width: 1 + gene % 2, gap: gap(gene) }).collect();
    let kinds = [Heading { first: 0, text: "normal cell" }, Heading { first: 16, text: "reduction cell" }];
    let nodes: Vec<_> =
        (0..8).map(|n| Heading { first: 4 * n, text: ["n0", "n1", "n2", "n3"][n % 4] }).collect();
    let headings: [&[Heading<'_>]; 2] = [&kinds, &nodes];
    let map = HeatMap::new(&columns, &rows, glyphs, palette).headings(&headings).selected(Some(2));
    map.clone().render(Rect::new(0, 0, 120, 11), &mut buffer);
    map.render(Rect::new(0, 12, 60, 7), &mut buffer);
    buffer
}

fn weights(glyphs: &Glyphs, palette: &Palette) -> Buffer {
    let mut buffer = picture(132, 20);
    let mut weights = WeightSet::default();
    for candidate in (0..CANDIDATES).filter(|c| c * c % 7 != 1) {
        let (_, _, operation) = WeightKey::describe_candidate(candidate);
        if operation.has_parameters(1) {
            let updates = (candidate * 37 % 53 + 1) as u32;
            let trained =
                Trained { generation: candidate as u32 * 11 % 13, individual: IndividualId(3), updates };
            weights.restore(WeightKey::Operation { cell: 0, candidate }, WeightEntry { value: (), trained });
        }
    }
    weights_map::legend(53, 12, glyphs, palette).render(Rect::new(0, 0, 80, 1), &mut buffer);
    let map = WeightsMap::new(&weights, (0, CellKind::Normal), 12, glyphs, palette).selected(Some(5));
    map.clone().render(Rect::new(0, 2, 76, 18), &mut buffer);
    map.clone().render(Rect::new(80, 2, 28, 15), &mut buffer);
    map.render(Rect::new(112, 2, 20, 15), &mut buffer);
    buffer
}

fn print(picture: &Buffer) -> io::Result<()> {
    let mut out = io::stdout();
    for y in 0..picture.area.height {
        for x in 0..picture.area.width {
            let cell = &picture[(x, y)];
            let colors = crossterm::style::Colors::new(cell.fg.into_crossterm(), cell.bg.into_crossterm());
            crossterm::queue!(out, SetAttribute(Attribute::Reset), SetColors(colors))?;
            for (modifier, attribute) in [
                (Modifier::BOLD, Attribute::Bold),
                (Modifier::UNDERLINED, Attribute::Underlined),
                (Modifier::REVERSED, Attribute::Reverse),
            ] {
                if cell.modifier.contains(modifier) {
                    crossterm::queue!(out, SetAttribute(attribute))?;
                }
            }
            crossterm::queue!(out, Print(cell.symbol()))?;
        }
        crossterm::queue!(out, SetAttribute(Attribute::Reset), ResetColor, Print("\n"))?;
    }
    Ok(())
}
