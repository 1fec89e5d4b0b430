//! Curves over generations: those of a single run in full, those of several runs by searcher.

use relativenas_core::view::{GenerationSummary, SearchView};

use super::{
    Run,
    document::{Block, Chart, Curve, Ink, Point, Section, Table, number},
    figures::{UNKNOWN, fixed, loss, or_unknown, percent},
    statistics::Spread,
    study::{Group, Study},
};

const ANY: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);
const FROM_ZERO: (f64, f64) = (0.0, f64::INFINITY);
const PER_CENT: (f64, f64) = (0.0, 100.0);

const DIVERSITY_NOTE: &str = "Diversity falls with random losses too: every slow learner moves towards another one, even \
                              when the verdict is drawn by lot. It measures agreement, not progress; only a \
                              difference from the coin flip says something.";

type Value = fn(&GenerationSummary) -> f64;

/// A curve of a single run, and its ink in a chart with other curves.
struct Measure {
    name: &'static str,
    ink: Ink,
    value: Value,
}

/// Curves that are drawn in the same chart.
struct Panel {
    title: &'static str,
    unit: &'static str,
    bounds: (f64, f64),
    measures: &'static [Measure],
}

const fn measure(name: &'static str, ink: Ink, value: Value) -> Measure {
    Measure { name, ink, value }
}

const PANELS: [Panel; 6] = [
    Panel {
        title: "Loss of estimates",
        unit: "",
        bounds: ANY,
        measures: &[
            measure("slow learners", Ink::Orange, |g| g.slow),
            measure("all", Ink::Gray, |g| g.mean),
            measure("fast learners", Ink::Blue, |g| g.fast),
            measure("best", Ink::Green, |g| g.best),
        ],
    },
    Panel {
        title: "Validation accuracy",
        unit: " %",
        bounds: PER_CENT,
        measures: &[
            measure("best", Ink::Green, |g| g.best_accuracy),
            measure("all", Ink::Gray, |g| g.accuracy),
        ],
    },
    Panel {
        title: "Training loss",
        unit: "",
        bounds: ANY,
        measures: &[measure("all", Ink::Gray, |g| g.train)],
    },
    Panel {
        title: "Diversity",
        unit: "",
        bounds: FROM_ZERO,
        measures: &[measure("before moving", Ink::Purple, |g| g.diversity)],
    },
    Panel {
        title: "Hit rate",
        unit: " %",
        bounds: PER_CENT,
        measures: &[measure("inherited operations that were trained", Ink::Blue, hit_rate)],
    },
    Panel {
        title: "Learning rate",
        unit: "",
        bounds: FROM_ZERO,
        measures: &[measure("cosine over generations", Ink::Gray, |g| g.learning_rate)],
    },
];

fn hit_rate(generation: &GenerationSummary) -> f64 {
    generation.hits.rate().unwrap_or(f64::NAN)
}

pub fn section(study: &Study) -> Option<Section> {
    let searches: Vec<_> = study.searches().filter_map(|r| Some((r, r.view.search.as_ref()?))).collect();
    if searches.iter().all(|(_, s)| s.generations.is_empty()) {
        return None;
    }
    let mut blocks = match &searches[..] {
        [(_, only)] => vec![Block::Charts(PANELS.iter().filter_map(|p| of_one(p, only).known()).collect())],
        _ => vec![
            Block::Text(
                "A line is the mean over the runs of a searcher that count, one a seed; the band around it reaches \
                 from the lowest to the highest of them."
                    .to_owned(),
            ),
            Block::Charts(of_groups(study)),
        ],
    };
    blocks.push(Block::Note(DIVERSITY_NOTE.to_owned()));
    Some(Section::new("Curves", blocks))
}

fn of_one(panel: &Panel, search: &SearchView) -> Chart {
    let curve = |m: &Measure| {
        let point =
            |g: &GenerationSummary| Point { x: f64::from(g.generation), y: (m.value)(g), range: None };
        Curve { name: m.name.to_owned(), ink: m.ink, points: search.generations.iter().map(point).collect() }
    };
    Chart {
        title: panel.title,
        over: "generation",
        unit: panel.unit,
        bounds: panel.bounds,
        curves: panel.measures.iter().map(curve).collect(),
    }
}

/// One chart a measure, one curve a group.
fn of_groups(study: &Study) -> Vec<Chart> {
    let charts: [(&str, &str, (f64, f64), Value); 8] = [
        ("Best loss of a generation", "", ANY, |g| g.best),
        ("Mean loss of all learners", "", ANY, |g| g.mean),
        ("Loss of fast learners", "", ANY, |g| g.fast),
        ("Loss of slow learners", "", ANY, |g| g.slow),
        ("Mean accuracy", " %", PER_CENT, |g| g.accuracy),
        ("Diversity", "", FROM_ZERO, |g| g.diversity),
        ("Hit rate", " %", PER_CENT, hit_rate),
        ("Learning rate", "", FROM_ZERO, |g| g.learning_rate),
    ];
    let chart = |(title, unit, bounds, value): (&'static str, &'static str, (f64, f64), Value)| Chart {
        title,
        over: "generation",
        unit,
        bounds,
        curves: study
            .groups
            .iter()
            .map(|group| Curve {
                name: study.label(group),
                ink: study.ink(group),
                points: band(group, value),
            })
            .collect(),
    };
    charts.into_iter().filter_map(|described| chart(described).known()).collect()
}

/// Mean, lowest and highest over the runs that have a value, generation by generation.
fn band(group: &Group, value: Value) -> Vec<Point> {
    let runs = group.repetitions();
    let searches = || runs.iter().filter_map(|r| r.view.search.as_ref());
    let length = searches().map(|s| s.generations.len()).max().unwrap_or(0);
    (0..length)
        .map(|generation| {
            let spread = Spread::of(searches().filter_map(|s| s.generations.get(generation)).map(value));
            Point {
                x: generation as f64,
                y: spread.map_or(f64::NAN, |s| s.mean),
                range: spread.filter(|s| s.count > 1).map(|s| (s.low, s.high)),
            }
        })
        .collect()
}

/// A table of the figures of every generation.
pub fn generations(run: &Run) -> Option<Section> {
    let search = run.view.search.as_ref().filter(|s| !s.generations.is_empty())?;
    let columns = [
        number("Generation"),
        number("Fast"),
        number("Slow"),
        number("All"),
        number("Best"),
        number("Training"),
        number("Accuracy"),
        number("Diversity"),
        number("Hit rate"),
        number("Learning rate"),
        number("No number"),
    ];
    let row = |g: &GenerationSummary| {
        vec![
            match g.generation < search.settings.warm_up {
                true => format!("{} (warm-up)", g.generation),
                false => g.generation.to_string(),
            },
            loss(g.fast),
            loss(g.slow),
            loss(g.mean),
            loss(g.best),
            loss(g.train),
            percent(g.accuracy),
            fixed(g.diversity, 3),
            or_unknown(g.hits.rate(), percent),
            fixed(g.learning_rate, 4),
            if g.not_numbers == 0 { UNKNOWN.to_owned() } else { g.not_numbers.to_string() },
        ]
    };
    let rows = search.generations.iter().map(row).collect();
    Some(Section::new("Every generation", vec![Table::block(&columns, rows)]).folded())
}
