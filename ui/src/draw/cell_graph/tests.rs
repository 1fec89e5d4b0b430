use proptest::prelude::*;
use relativenas_core::config::Theme;

use super::*;
use crate::{
    draw::tests::{EVERY_FINENESS, sheet},
    glyphs::Fineness,
    theme::Depth,
};

fn cell(genes: &[(Operation, usize)], concat: &[usize]) -> Cell {
    Cell { genes: genes.iter().map(|&g| Gene::from(g)).collect(), concat: concat.to_vec() }
}

/// Four nodes that read near and far, one twice the same way.
fn mixed() -> Cell {
    use Operation as O;
    cell(
        &[
            (O::SepConv3x3, 0),
            (O::DilConv5x5, 1),
            (O::SepConv5x5, 1),
            (O::SepConv5x5, 1),
            (O::MaxPool3x3, 0),
            (O::SepConv3x3, 3),
            (O::SkipConnect, 2),
            (O::AvgPool3x3, 4),
        ],
        &[2, 3, 4, 5],
    )
}

/// Five nodes, of which some are read and not put out, as in NASNet's cells.
fn five_nodes() -> Cell {
    use Operation as O;
    cell(
        &[
            (O::SepConv5x5, 1),
            (O::SepConv7x7, 0),
            (O::MaxPool3x3, 1),
            (O::SepConv7x7, 0),
            (O::AvgPool3x3, 1),
            (O::SepConv5x5, 0),
            (O::SkipConnect, 3),
            (O::AvgPool3x3, 2),
            (O::SepConv3x3, 2),
            (O::MaxPool3x3, 1),
        ],
        &[4, 5, 6],
    )
}

/// A chain that never reads the older input.
fn chain() -> Cell {
    use Operation as O;
    cell(
        &[
            (O::SepConv3x3, 1),
            (O::SkipConnect, 1),
            (O::SepConv3x3, 2),
            (O::SepConv3x3, 1),
            (O::DilConv3x3, 3),
            (O::SepConv3x3, 2),
            (O::DilConv5x5, 4),
            (O::SepConv3x3, 3),
        ],
        &[2, 3, 4, 5],
    )
}

fn drawn(cell: &Cell, fineness: Fineness, sizes: &[(u16, u16)]) -> String {
    let (glyphs, palette) = (Glyphs::new(fineness), Palette::new(Theme::Dark, Depth::None));
    sheet(sizes, |area, buffer| CellGraph::new(cell, &glyphs, &palette).render(area, buffer))
}

#[test]
fn a_cell_is_drawn_at_every_size() {
    let sizes = [(76, 17), (68, 16), (60, 12), (40, 10), (40, 5)];
    insta::assert_snapshot!("mixed", drawn(&mixed(), Fineness::Braille, &sizes));
    insta::assert_snapshot!("mixed_ascii", drawn(&mixed(), Fineness::Ascii, &sizes));
}

#[test]
fn depth_shows_as_a_staircase() {
    insta::assert_snapshot!("chain", drawn(&chain(), Fineness::Braille, &[(68, 16), (60, 12), (40, 10)]));
}

#[test]
fn an_edge_says_what_it_was_in_the_cell_that_is_compared() {
    let (before, after) = (mixed(), chain());
    let marked: Vec<_> = (0..8).filter(|&gene| before.genes[gene] != after.genes[gene]).collect();
    let drawn = |fineness, sizes: &[(u16, u16)]| {
        let (glyphs, palette) = (Glyphs::new(fineness), Palette::new(Theme::Dark, Depth::None));
        sheet(sizes, |area, buffer| {
            let graph =
                CellGraph::new(&after, &glyphs, &palette).marked(&marked).compared_with(&before, Side::After);
            graph.render(area, buffer);
        })
    };
    let graph = drawn(Fineness::Braille, &[(80, 13)]);
    for label in ["d5→id", "s5→s3", "mx→d3", "id→d5", "av→s3"] {
        assert!(graph.contains(label), "{label} is missing:\n{graph}");
    }
    insta::assert_snapshot!("compared", drawn(Fineness::Braille, &[(80, 13), (66, 13), (40, 10)]));
    insta::assert_snapshot!("compared_ascii", drawn(Fineness::Ascii, &[(80, 13), (66, 7)]));
}

/// The column and row of every letter that both sheets have in the same place.
fn shared(left: &str, right: &str) -> Vec<(usize, usize, char)> {
    let rows = left.lines().zip(right.lines()).enumerate();
    rows.flat_map(|(y, (left, right))| {
        let letters = left.chars().zip(right.chars()).enumerate();
        letters
            .filter(|(_, (left, right))| left == right && *left != ' ')
            .map(move |(x, (letter, _))| (x, y, letter))
    })
    .collect()
}

#[test]
fn both_sides_of_a_comparison_have_nodes_and_equal_edges_in_the_same_place() {
    use Operation as O;
    let before = mixed();
    let mut after = mixed();
    // One edge has another operation, one reads another wire, and a double edge is double no longer.
    after.genes[0].operation = O::DilConv3x3;
    after.genes[5].input = 1;
    after.genes[3].operation = O::SkipConnect;
    let marked: Vec<_> = (0..8).filter(|&gene| before.genes[gene] != after.genes[gene]).collect();
    assert_eq!(marked, [0, 3, 5]);
    let palette = Palette::new(Theme::Dark, Depth::None);
    for fineness in EVERY_FINENESS {
        let glyphs = Glyphs::new(fineness);
        for size in [(90, 13), (67, 13), (67, 7), (57, 6), (40, 6)] {
            let side = |cell: &Cell, other: &Cell, side| {
                let graph =
                    CellGraph::new(cell, &glyphs, &palette).marked(&marked).compared_with(other, side);
                sheet(&[size], |area, buffer| graph.clone().render(area, buffer))
            };
            let (left, right) = (side(&before, &after, Side::Before), side(&after, &before, Side::After));
            let shared = shared(&left, &right);
            for node in '0'..='3' {
                assert!(
                    shared.iter().any(|(_, _, letter)| *letter == node),
                    "{node} moved:\n{left}\n{right}"
                );
            }
            // Every edge that is equal is named in the same place: d5, s5, mx, id and av.
            for name in ["d5", "s5", "mx", "id", "av"] {
                let letters: Vec<char> = name.chars().collect();
                let named = shared.windows(2).any(|pair| {
                    (pair[0].2, pair[1].2) == (letters[0], letters[1]) && pair[0].0 + 1 == pair[1].0
                });
                assert!(named, "{name} moved:\n{left}\n{right}");
            }
            if size.0 >= 67 {
                let arrow = glyphs.arrow_right;
                for change in [format!("s3{arrow}d3"), format!("s5{arrow}id")] {
                    assert!(right.contains(&change) && !left.contains(&change), "{change}:\n{left}\n{right}");
                }
            }
        }
    }
}

#[test]
fn what_changed_is_bold_and_the_rest_recedes() {
    let (before, mut after) = (mixed(), mixed());
    after.genes[0].operation = Operation::DilConv3x3;
    let glyphs = Glyphs::new(Fineness::Braille);
    let palette = Palette::new(Theme::Dark, Depth::Truecolor);
    let area = Rect::new(0, 0, 70, 13);
    for (cell, other, side) in [(&before, &after, Side::Before), (&after, &before, Side::After)] {
        let mut buffer = Buffer::empty(area);
        CellGraph::new(cell, &glyphs, &palette)
            .marked(&[0])
            .compared_with(other, side)
            .render(area, &mut buffer);
        let bold = buffer.content().iter().filter(|cell| cell.modifier.contains(Modifier::BOLD));
        let bold: String = bold.map(|cell| cell.symbol()).filter(|symbol| symbol.is_ascii()).collect();
        let expected = if side == Side::Before { "s3" } else { "s3d3" };
        assert!(bold.contains(expected) && !bold.contains("mx"), "{bold}");
        let recedes = |name: char| {
            let cells = buffer.content().iter().filter(|cell| cell.symbol().starts_with(name));
            cells.map(|cell| cell.fg).all(|fg| Some(fg) == palette.dim.fg)
        };
        assert!(recedes('m') && recedes('a'), "equal edges recede");
    }
}

#[test]
fn cells_of_other_families_are_drawn_too() {
    insta::assert_snapshot!("five_nodes", drawn(&five_nodes(), Fineness::Braille, &[(90, 18), (60, 12)]));
}

#[test]
fn the_legend_spells_out_what_occurs() {
    let palette = Palette::new(Theme::Dark, Depth::None);
    assert_eq!(
        legend(&[&mixed()], &palette).to_string().trim_end(),
        "mx max_pool_3x3   av avg_pool_3x3   id skip_connect   s3 sep_conv_3x3   s5 sep_conv_5x5   d5 dil_conv_5x5"
    );
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(
        genes in prop::collection::vec((0usize..7, 0usize..30), 0..24),
        other in prop::collection::vec((0usize..7, 0usize..30), 0..24),
        concat in prop::collection::vec(0usize..30, 0..6),
        size in (0u16..150, 0u16..40),
        fineness in prop::sample::select(EVERY_FINENESS.to_vec()),
    ) {
        let genes: Vec<_> = genes.into_iter().map(|(o, i)| (Operation::SEARCHED[o], i)).collect();
        drawn(&cell(&genes, &concat), fineness, &[size]);
        let other: Vec<_> = other.into_iter().map(|(o, i)| (Operation::SEARCHED[o], i)).collect();
        let (one, other) = (cell(&genes, &concat), cell(&other, &concat));
        let (glyphs, palette) = (Glyphs::new(fineness), Palette::new(Theme::Dark, Depth::None));
        for side in [Side::Before, Side::After] {
            let graph = CellGraph::new(&one, &glyphs, &palette).marked(&[0, 3]).compared_with(&other, side);
            sheet(&[size], |area, buffer| graph.clone().render(area, buffer));
        }
    }

    /// Whatever a cell reads, each of its operations can be found in the drawing.
    #[test]
    fn every_operation_is_named(seed in prop::collection::vec((0usize..7, 0usize..30), 8)) {
        let gene = |(index, (operation, input)): (usize, &(usize, usize))| {
            (Operation::SEARCHED[*operation], input % (Cell::node_of(index) + 2))
        };
        let genes: Vec<_> = seed.iter().enumerate().map(gene).collect();
        let cell = cell(&genes, &[2, 3, 4, 5]);
        for size in [(68, 16), (60, 12), (40, 10)] {
            let graph = drawn(&cell, Fineness::Braille, &[size]);
            prop_assert!(graph.contains("▶out"), "no graph but sentences:\n{}", graph);
            for pair in genes.chunks(2) {
                let mut names = vec![pair[0].0.short_name()];
                if pair[0] != pair[1] {
                    names.push(pair[1].0.short_name());
                }
                for name in names {
                    prop_assert!(graph.contains(name), "{} is missing:\n{}", name, graph);
                }
            }
        }
    }
}
