//! The losses of slow and fast learners, and how the operations of the weight set were trained and inherited.

use std::collections::BTreeMap;

use relativenas_core::{
    network::NetworkShape,
    operation::{CellKind, Operation},
    view::SearchView,
    weight_set::{CANDIDATES, WeightKey},
};

use super::{
    Run,
    document::{Block, Section, Table, number, words},
    figures::{UNKNOWN, counted, fixed, or_unknown, percent},
    statistics::Spread,
};
use crate::written::thousands;

pub fn section(run: &Run) -> Option<Section> {
    let search = run.view.search.as_ref()?;
    Some(Section::new("Pairs and weight set", blocks(search)))
}

pub fn blocks(search: &SearchView) -> Vec<Block> {
    let mut blocks = pairs(search);
    match search.network {
        Some(shape) if shape.check().is_ok() => blocks.extend(weight_set(search, &shape)),
        _ => blocks.push(Block::Text("A table answered; there were no weights to share.".to_owned())),
    }
    blocks
}

/// The gap between slow and fast learners at the beginning, in the middle and at the end.
fn pairs(search: &SearchView) -> Vec<Block> {
    let all = &search.generations;
    if all.is_empty() {
        return vec![Block::Text("No generation is finished yet.".to_owned())];
    }
    let third = all.len().div_ceil(3);
    let parts = if all.len() < 3 {
        vec![("all", &all[..])]
    } else {
        vec![
            ("first", &all[..third]),
            ("middle", &all[third..all.len() - third]),
            ("last", &all[all.len() - third..]),
        ]
    };
    let rows = parts
        .into_iter()
        .filter(|(_, part)| !part.is_empty())
        .map(|(name, part)| {
            let spread = |value: fn(&relativenas_core::view::GenerationSummary) -> f64| {
                or_unknown(Spread::of(part.iter().map(value)), |s| fixed(s.mean, 4))
            };
            vec![
                format!("{name}, {}", counted(part.len(), "generation")),
                spread(|g| g.fast),
                spread(|g| g.slow),
                spread(|g| g.slow - g.fast),
                or_unknown(Spread::of(part.iter().filter_map(|g| g.hits.rate())), |s| percent(s.mean)),
            ]
        })
        .collect();
    let columns = [
        words("Third of the search"),
        number("Fast learners' loss"),
        number("Slow learners' loss"),
        number("Gap"),
        number("Hit rate"),
    ];
    let text = "The gap is the slow learners' mean loss less the fast learners'. Where the lower loss decides it is \
                never negative, signal or not; a gap as small as the noise of an estimate means that verdicts come \
                near to chance. A hit is an operation that was already trained when a \
                learner inherited it.";
    vec![Block::Text(text.to_owned()), Table::block(&columns, rows)]
}

#[derive(Clone, Copy, Default)]
struct Count {
    candidates: usize,
    trained: usize,
    updates: u64,
    most: u32,
}

/// How many candidates of every operation were ever trained, and how often.
fn weight_set(search: &SearchView, shape: &NetworkShape) -> Vec<Block> {
    let mut counts: BTreeMap<(CellKind, Operation), Count> = BTreeMap::new();
    for cell in 0..shape.cells {
        let kind = shape.cell_kind(cell);
        for candidate in 0..CANDIDATES {
            let (_, input, operation) = WeightKey::describe_candidate(candidate);
            let stride = if kind == CellKind::Reduction && input < 2 { 2 } else { 1 };
            if !operation.has_parameters(stride) {
                continue;
            }
            let count = counts.entry((kind, operation)).or_default();
            count.candidates += 1;
            if let Some(entry) = search.weights.get(WeightKey::Operation { cell, candidate }) {
                count.trained += 1;
                count.updates += u64::from(entry.trained.updates);
                count.most = count.most.max(entry.trained.updates);
            }
        }
    }
    let total = counts.values().fold((0, 0), |(c, t), count| (c + count.candidates, t + count.trained));
    let text = if total.1 == total.0 {
        format!(
            "All {} candidate operations with weights were trained at least once.",
            thousands(total.0 as u64)
        )
    } else {
        format!(
            "{} of {} candidate operations with weights were ever trained. The others are starved: no learner \
             that wrote to the weight set had them.",
            thousands(total.1 as u64),
            thousands(total.0 as u64)
        )
    };
    let rows = counts
        .iter()
        .map(|((kind, operation), count)| {
            let mean = count.updates as f64 / count.trained as f64;
            vec![
                kind.to_string(),
                operation.to_string(),
                count.candidates.to_string(),
                count.trained.to_string(),
                percent(100.0 * count.trained as f64 / count.candidates as f64),
                thousands(count.updates),
                fixed(mean, 1),
                if count.most == 0 { UNKNOWN.to_owned() } else { count.most.to_string() },
            ]
        })
        .collect();
    let columns = [
        words("Cell"),
        words("Operation"),
        number("Candidates"),
        number("Trained"),
        number("Share"),
        number("Updates"),
        number("Mean of the trained"),
        number("Most"),
    ];
    vec![Block::Text(text), Table::block(&columns, rows)]
}
