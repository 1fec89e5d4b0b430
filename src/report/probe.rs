//! Whether the comparison of pairs is any good: what `search --probe` found.

use relativenas_core::probe::Probe;

use super::{
    document::{Block, Section, Table, number, words},
    figures::{counted, fixed},
    study::Study,
};

pub fn section(study: &Study) -> Option<Section> {
    let rows: Vec<_> = study
        .searches()
        .filter_map(|run| Some((run, run.probe.as_ref()?)))
        .map(|(run, probe)| row(&run.name, probe))
        .collect();
    if rows.is_empty() {
        return None;
    }
    let columns = [
        words("Run"),
        number("Pairs again"),
        number("Flips"),
        number("Flip rate"),
        number("95 %"),
        number("From scratch"),
        number("Kendall's τ"),
        number("95 %"),
    ];
    let text = "Some pairs were estimated again with other seeds: a flip is a pair whose fast and slow learner \
                changed places. A verdict drawn by lot flips in half of all cases. The last population was also \
                trained from scratch for a short while; Kendall's τ says how well that ranking agrees with the one \
                by shared weights: 1 is the same order, 0 none in common.";
    let blocks = vec![Block::Text(text.to_owned()), Table::block(&columns, rows)];
    Some(Section::new("Is the comparison any good?", blocks))
}

fn row(name: &str, probe: &Probe) -> Vec<String> {
    let rate = 100.0 * probe.flip_rate().unwrap_or(f64::NAN);
    let interval = |range: Option<(f64, f64)>, scale: f64, decimals: usize| {
        super::figures::or_unknown(range, |(low, high)| {
            format!("{:.decimals$} to {:.decimals$}", scale * low, scale * high).replace('-', "−")
        })
    };
    vec![
        name.to_owned(),
        probe.pairs.to_string(),
        probe.flips.to_string(),
        super::figures::percent(rate),
        interval(probe.flip_interval(), 100.0, 1),
        format!("{}, {}", counted(probe.individuals, "individual"), counted(probe.epochs as usize, "epoch")),
        fixed(probe.tau.unwrap_or(f64::NAN), 2),
        interval(probe.tau_interval, 1.0, 2),
    ]
}
