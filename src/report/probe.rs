//! How reliable the comparison of pairs is, as probes of the searches found.

use relativenas_core::probe::{Agreement, ArchitectureSource, Probe};

use super::{
    document::{Block, Section, Table, number, words},
    figures::{counted, fixed, or_unknown, percent},
    study::Study,
};

pub fn section(study: &Study) -> Option<Section> {
    let probed: Vec<_> =
        study.searches().filter_map(|run| Some((run.name.as_str(), run.probe.as_ref()?))).collect();
    if probed.is_empty() {
        return None;
    }
    let blocks = [verdicts(&probed), rankings(&probed)].concat();
    Some(Section::new("Is the comparison any good?", blocks))
}

/// How often the verdict on a pair changes.
fn verdicts(probed: &[(&str, &Probe)]) -> Vec<Block> {
    let text = "Some pairs were estimated again with other seeds: a flip is a pair whose fast and slow learner \
                changed places. A verdict drawn by lot flips in half of all cases.";
    let columns = [words("Run"), number("Pairs again"), number("Flips"), number("Flip rate"), number("95 %")];
    let row = |&(name, probe): &(&str, &Probe)| {
        vec![
            name.to_owned(),
            probe.pairs.to_string(),
            probe.flips.to_string(),
            percent(100.0 * probe.flip_rate().unwrap_or(f64::NAN)),
            interval(probe.flip_interval(), 100.0, 1),
        ]
    };
    vec![Block::Text(text.to_owned()), Table::block(&columns, probed.iter().map(row).collect())]
}

/// How well the search's own losses rank, and how well sizes do.
fn rankings(probed: &[(&str, &Probe)]) -> Vec<Block> {
    let text = "Some architectures were also trained from scratch for a short while: the last population, or as many as \
                stand here, drawn from all that the search has had. Kendall's τ says how well a ranking agrees with \
                that one: 1 is the same order, 0 none in common. Beside the search's own ranking stand those by \
                parameters and by multiply-adds, the largest network first: these need no search, so its losses are \
                worth their cost only if they rank better.";
    let columns = [
        words("Run"),
        words("From scratch"),
        number("For"),
        number("τ of the search"),
        number("95 %"),
        number("τ of parameters"),
        number("95 %"),
        number("τ of multiply-adds"),
        number("95 %"),
    ];
    let row = |&(name, probe): &(&str, &Probe)| {
        let ranked = match probe.from {
            ArchitectureSource::Population => counted(probe.individuals, "individual"),
            ArchitectureSource::Search { distinct } => {
                format!("{} of {} of the search", probe.individuals, counted(distinct, "architecture"))
            }
        };
        let shared = Agreement { tau: probe.tau, interval: probe.tau_interval };
        let agreements = [shared, probe.by_parameters, probe.by_multiply_adds];
        let start = [name.to_owned(), ranked, counted(probe.epochs as usize, "epoch")];
        start.into_iter().chain(agreements.into_iter().flat_map(cells)).collect()
    };
    vec![Block::Text(text.to_owned()), Table::block(&columns, probed.iter().map(row).collect())]
}

fn cells(agreement: Agreement) -> [String; 2] {
    let tau = or_unknown(agreement.tau, |tau| fixed(tau, 2).replace('-', "−"));
    [tau, interval(agreement.interval, 1.0, 2)]
}

fn interval(range: Option<(f64, f64)>, scale: f64, decimals: usize) -> String {
    or_unknown(range, |(low, high)| {
        format!("{:.decimals$} to {:.decimals$}", scale * low, scale * high).replace('-', "−")
    })
}
