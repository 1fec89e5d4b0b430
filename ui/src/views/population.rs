//! All architecture vectors: each gene as a shade and in words, which individuals moved, and how far they agree.

mod detail;
mod table;

use ratatui::widgets::Widget;
use relativenas_core::{
    config::Theme,
    describe::gene_changes,
    population::IndividualId,
    space::GeneIndex,
    space::Space,
    tabular,
    view::{IndividualView, SearchView},
};

use self::{detail::Genes, table::Table};
use crate::{
    canvas::Canvas,
    draw::{
        bars,
        heat_map::{Column, Heading, HeatCell, HeatMap, HeatRow, lines_of, scroll, seen},
        text,
    },
    glyphs::Glyphs,
    layout::Layout,
    lists::{self, Order},
    scene::{Pace, Scene},
    state::State,
    theme::{Depth, Palette},
    words::individual,
};

/// The cursor and switches of the view of the population.
#[derive(Clone, Copy, Debug, Default)]
pub struct PopulationPlace {
    pub order: Order,
    /// Whether all individuals that moved show where they were, not only the selected one.
    pub ghosts: bool,
    /// Whether further numbers of each individual stand in place of its genes.
    pub numbers: bool,
}

/// The population on the left, or above; where there is room, the selected individual beside or below.
pub fn draw(
    canvas: &mut Canvas<'_>,
    scene: &Scene<'_>,
    place: &PopulationPlace,
    state: &State,
    search: &SearchView,
) {
    let (width, height) = (canvas.width(), canvas.height());
    let Some(number) = state.individual() else {
        return master(canvas, scene, place, state, search);
    };
    let beside = match () {
        () if height < Layout::DETAIL_BESIDE_ROWS => 0,
        () if width >= Layout::DETAIL_BESIDE => (width - Layout::DETAIL_BESIDE / 4 * 3).min(72),
        () if place.numbers && width >= Layout::MOVES_IN_WORDS => width - 56,
        () => 0,
    };
    if beside > 0 {
        let left = width - beside;
        master(&mut canvas.part(0, 0, left - 1, height), scene, place, state, search);
        let rule = canvas.look.glyphs.vertical.to_string();
        for y in 0..height {
            canvas.text(left - 1, y, &rule, canvas.look.palette.rule);
        }
        return detail::draw(&mut canvas.part(left + 1, 0, beside - 1, height), search, number, Genes::Named);
    }
    // Rows are reserved for the former positions of those that moved, so that nothing jumps.
    let moved = if place.ghosts { search.population.len() } else { 1 };
    let master_rows = search.population.len() + moved + HEAD + 2 + FOOT;
    if height >= master_rows + Layout::DETAIL_BELOW {
        master(&mut canvas.part(0, 0, width, master_rows), scene, place, state, search);
        let room = height - master_rows - 1;
        let genes = if place.numbers { Genes::Named } else { Genes::StandAbove };
        detail::draw(&mut canvas.part(0, master_rows + 1, width, room), search, number, genes);
    } else {
        master(canvas, scene, place, state, search);
    }
}

/// Rows of the heading, and of the agreement below.
const HEAD: usize = 2;
const FOOT: usize = 3;

/// Columns of `11 genes, towards 08`, and of `11 genes`.
const TOWARDS: usize = 20;
const GENES: usize = 8;

/// Columns of the numbers beside the genes on a slow link: number, loss and change.
const SLOW_TABLE: usize = 18;

/// Columns before a row's number: the mark of the selected one, and that of a marked one.
const MARK: usize = 2;

/// Draws all individuals: their numbers, and their genes unless more numbers are wanted.
fn master(
    canvas: &mut Canvas<'_>,
    scene: &Scene<'_>,
    place: &PopulationPlace,
    state: &State,
    search: &SearchView,
) {
    let (width, height) = (canvas.width(), canvas.height());
    let look = canvas.look;
    let top = if height >= Layout::POPULATION_APART { HEAD } else { 1 };
    // The agreement stands below, in the same columns.
    let foot = if height >= Layout::POPULATION_AGREEMENT && !place.numbers { FOOT } else { 0 };
    let order = lists::population(search, place.order);
    let selected = scene.selected.and_then(|number| order.iter().position(|i| *i == number));
    let columns = if place.numbers { Vec::new() } else { columns(search.settings.space, width) };
    let map_width: usize = columns.iter().map(|column| usize::from(column.width + column.gap)).sum();
    let room = if place.numbers { width.saturating_sub(4) } else { width.saturating_sub(map_width + 6) };
    // Shades, and numbers that `v` shows too, are half of the bytes of this view.
    let (palette, room) = match scene.pace {
        Pace::Slow if !place.numbers => (look.palette.without_shades(), room.min(SLOW_TABLE)),
        _ => (look.palette.clone(), room),
    };
    let table = Table::of(search, room);
    let behind = match width {
        Layout::MOVES_IN_WORDS.. => width.saturating_sub(MARK + table.width() + 2 + map_width + 2),
        _ => 0,
    };
    let mut rows: Vec<HeatRow> =
        order.iter().map(|&number| row(scene, place, search, number, behind)).collect();
    for row in &mut rows {
        row.before = " ".repeat(table.width());
        row.cells.truncate(columns.len());
        row.ghost = row.ghost.take().filter(|_| !place.numbers);
    }
    let numbers: Vec<String> = (0..8).map(|i| format!("n{}", i % 4)).collect();
    let cells = [Heading { first: 0, text: "normal cell" }, Heading { first: 16, text: "reduction cell" }];
    let nodes: Vec<Heading<'_>> =
        numbers.iter().enumerate().map(|(i, name)| Heading { first: 4 * i, text: name }).collect();
    let both: [&[Heading<'_>]; 2] = [&cells, &nodes];
    // On narrow screens only the numbers of the nodes are written.
    let name = |edge| match tabular::ends(edge) {
        (from, to) if width < Layout::EDGE_NAMES => format!("{from}-{to}"),
        _ => tabular::edge_name(edge).to_owned(),
    };
    let names: Vec<String> = (0..tabular::EDGES).map(name).collect();
    let edges: Vec<Heading<'_>> =
        names.iter().enumerate().map(|(edge, name)| Heading { first: edge, text: name }).collect();
    let one: [&[Heading<'_>]; 1] = [&edges];
    let headings = match search.settings.space {
        Space::Cells if !place.numbers => &both[..],
        _ => &one,
    };
    let room = height.saturating_sub(top + foot);
    let head_rows = headings.len().min(room.saturating_sub(2));
    let first = scroll(0, selected.unwrap_or(0), &rows, room.saturating_sub(headings.len()));
    let seen = seen(first, &rows, room.saturating_sub(headings.len()));
    head(canvas, place, search, &text::part_of(first, seen, rows.len()));
    let area = canvas.part(0, top, width, room).area;
    HeatMap::new(&columns, &rows, &look.glyphs, &palette)
        .headings(headings)
        .selected(selected)
        .first(first)
        .render(area, canvas.buffer);
    if head_rows > 0 {
        table.heads(canvas, MARK, top + head_rows - 1, place.order);
    }
    let mut y = top + head_rows;
    for (index, &number) in order.iter().enumerate().skip(first) {
        if y >= top + room {
            break;
        }
        let over = (selected == Some(index)).then_some(look.palette.selected);
        table.row(canvas, MARK, y, (search, number), over);
        if state.marked.contains(&number) {
            canvas.text(1, y, &look.glyphs.tick.to_string(), over.unwrap_or(look.palette.key));
        }
        y += lines_of(&rows[index]);
    }
    if foot > 0 {
        let agreement = [entropy_row(&look.glyphs, search, &rows)];
        let area = canvas.part(0, height - foot + 1, width, 2).area;
        // Bars are drawn without colours, so that their characters are visible.
        let plain = Palette::new(Theme::Dark, Depth::None);
        HeatMap::new(&columns, &agreement, &look.glyphs, &plain).render(area, canvas.buffer);
        let agreement = "a bar is low where all agree   (loss): estimated before the last move";
        let legend = match search.settings.space {
            Space::Cells => "shade: where in its interval; s sep_conv, d dil_conv, mx av pools, id skip",
            Space::NasBench201 => "shade: where in its interval",
        };
        let words = format!("{agreement}   {legend}");
        let words = if text::width(&words) + 3 <= width { words } else { agreement.to_owned() };
        canvas.text(2, height - 1, &text::truncate(&words, width - 2, &look.glyphs), look.palette.dim);
    }
}

/// Draws the heading: which individuals are visible, how they are sorted, and the diversity with a note on how to
/// read it.
fn head(canvas: &mut Canvas<'_>, place: &PopulationPlace, search: &SearchView, seen: &str) {
    let look = canvas.look;
    let (dim, strong) = (look.palette.dim, look.palette.strong);
    let sorted = match place.order {
        Order::Loss if !search.ranking.is_empty() => "by the final ranking",
        Order::Loss => "by loss",
        Order::Number => "by number",
        Order::Change => "by change",
        Order::Accuracy => "by accuracy",
        Order::Parameters => "by parameters",
        Order::MultiplyAdds => "by multiply-adds",
        Order::Latency => "by latency",
        Order::Lessons => "by times slow",
    };
    let mut x = canvas.heading(1, 0, "POPULATION");
    x = canvas.text(x + 2, 0, &format!("{seen} {sorted}"), dim) + 2;
    x = canvas.text(x, 0, "diversity ", dim);
    x = canvas.text(x, 0, &text::number(search.diversity(), 5, 2), strong) + 1;
    let history: Vec<f64> = search.generations.iter().map(|g| g.diversity).collect();
    // The caution has priority over the curve of the diversity.
    let room = canvas.width().saturating_sub(x + 1);
    let columns = room.saturating_sub(24).clamp(6, 24).min(room);
    x = canvas.text(x, 0, &bars::sparkline(&history, columns, &look.glyphs), look.palette.text) + 2;
    let words = "it falls with random losses too: it measures agreement, not progress";
    let room = canvas.width().saturating_sub(x + 1);
    if room >= text::width(words) {
        canvas.text(x, 0, words, dim);
    } else if room >= 20 {
        canvas.text(x, 0, "falls by chance too", dim);
    }
}

/// The columns of the heat map: one for each gene. Input and operation stand together, nodes a little apart, cells
/// farther.
///
/// On narrow screens they stand closer, so that there is room for their text.
fn columns(space: Space, width: usize) -> Vec<Column> {
    let (node, cell) = if width < Layout::TWO_COLUMNS { (1, 2) } else { (2, 4) };
    let edge =
        if width < Layout::EDGE_NAMES { Column { width: 3, gap: 1 } } else { Column { width: 6, gap: 2 } };
    (0..space.genes())
        .map(|gene| match (space, gene) {
            (Space::NasBench201, _) => edge,
            (_, gene) if gene % 2 == 1 => Column { width: 2, gap: 0 },
            (_, 16) => Column { width: 1, gap: cell },
            (_, gene) if gene % 4 == 0 => Column { width: 1, gap: node },
            _ => Column { width: 1, gap: 1 },
        })
        .collect()
}

fn cells(space: Space, position: &[f64]) -> Vec<HeatCell> {
    let cell = |(gene, &value): (GeneIndex, &f64)| HeatCell {
        value: value / space.upper(gene),
        text: space.label(gene, space.decode_gene(gene, value)),
    };
    space.gene_indices().zip(position).map(cell).collect()
}

fn row(
    scene: &Scene<'_>,
    place: &PopulationPlace,
    search: &SearchView,
    number: IndividualId,
    columns: usize,
) -> HeatRow {
    let space = search.settings.space;
    let vector = &search.population[number];
    let shows_ghost = place.ghosts || scene.selected == Some(number);
    HeatRow {
        before: String::new(),
        cells: cells(space, &vector.position),
        behind: moved(search, vector, columns),
        ghost: vector.moved_from.as_ref().filter(|_| shows_ghost).map(|from| cells(space, from)),
    }
}

/// How many genes decode to another value since the last move and, if there are columns for it, towards which
/// individual it moved.
fn moved(search: &SearchView, place: &IndividualView, columns: usize) -> String {
    if let (Some(generation), None) = (place.injected, &place.learner) {
        return format!("injected in {generation}");
    }
    let Some(from) = &place.moved_from else { return String::new() };
    let genes = gene_changes(search.settings.space, from, &place.position).len();
    let teacher =
        place.lessons.last().filter(|_| columns >= TOWARDS).map(|&(_, fast)| individual(search, fast));
    let genes = match genes {
        genes if columns < GENES => format!("{genes}g"),
        1 => "1 gene".to_owned(),
        genes => format!("{genes} genes"),
    };
    match teacher {
        Some(teacher) => format!("{genes}, towards {teacher}"),
        None => genes,
    }
}

/// The row of entropies of the decoded genes, as shares of the highest possible entropy.
fn entropy_row(glyphs: &Glyphs, search: &SearchView, rows: &[HeatRow]) -> HeatRow {
    let space = search.settings.space;
    let entropies = entropies(search);
    let cell = |(gene, &value): (usize, &f64)| {
        let width = if gene % 2 == 0 { 1 } else { 2 };
        let width = if space == Space::Cells { width } else { 3 };
        HeatCell { value, text: glyphs.height(value).to_string().repeat(width) }
    };
    let width = rows.iter().map(|row| text::width(&row.before)).max().unwrap_or(0);
    let behind = rows.iter().map(|row| text::width(&row.behind)).max().unwrap_or(0);
    let mean = entropies.iter().sum::<f64>() / entropies.len().max(1) as f64;
    HeatRow {
        before: format!("{:<width$}", "entropy"),
        cells: entropies.iter().enumerate().map(cell).collect(),
        // The text is as wide as those of the other rows, so that the columns are aligned.
        behind: format!("{:<behind$}", format!("{:.0} % left", 100.0 * mean)),
        ghost: None,
    }
}

/// The entropy of each gene over the population, from 0 (all agree) to 1 (every choice is as
/// frequent as any other).
fn entropies(search: &SearchView) -> Vec<f64> {
    let space = search.settings.space;
    let count = search.population.len() as f64;
    space
        .gene_indices()
        .map(|gene| {
            let mut counts = vec![0_usize; space.choices(gene)];
            for place in &search.population {
                counts[space.decode_gene(gene, place.position[gene])] += 1;
            }
            let shares = counts.iter().filter(|&&n| n > 0).map(|&n| n as f64 / count);
            let entropy: f64 = shares.map(|share| -share * share.ln()).sum();
            // There cannot be more different values than individuals.
            let most = (space.choices(gene) as f64).min(count).ln();
            if most > 0.0 { entropy / most } else { 0.0 }
        })
        .collect()
}
