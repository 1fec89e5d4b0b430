//! What a paper must say about its runs: programs, devices, data, seeds and every setting.

use std::collections::BTreeMap;

use relativenas_core::manifest::{EngineFacts, Job, Manifest};

use super::{
    Run, digest,
    document::{Block, Column, Section, Table, code, words},
    figures::{UNKNOWN, listed, moment, or_unknown},
    hands::{self, interference},
    study::Study,
};
use crate::compare;

pub fn sections(study: &Study) -> Vec<Section> {
    let mut blocks = vec![facts(study.runs)];
    let touched: Vec<_> = study.runs.iter().filter_map(touched).collect();
    if !touched.is_empty() {
        blocks.push(Block::List(touched));
    }
    if study.runs.iter().any(|r| digest::seed(r) != digest::seed(&study.runs[0])) {
        let text = "The split is drawn with a run's seed: with another seed, the fingerprint of the split and the \
                    protocol hash differ although the protocol is the same.";
        blocks.push(Block::Text(text.to_owned()));
    }
    vec![Section::new("Origin", blocks), settings(study)]
}

/// A sentence about the interventions in a run.
fn touched(run: &Run) -> Option<String> {
    let done = interference(run)?;
    let placed = hands::placed(run);
    let places = if placed.is_empty() { String::new() } else { format!(" ({})", listed(&placed)) };
    Some(format!("{} was {done}{places}.", run.name))
}

type Fact = (&'static str, fn(&Run) -> String);

/// A row for each fact: the value that all runs share, or every value with the runs that have it.
fn facts(runs: &[Run]) -> Block {
    fn engine(run: &Run, fact: impl FnOnce(&EngineFacts) -> String) -> String {
        or_unknown(run.manifest.engine.as_ref(), fact)
    }
    let facts: [Fact; 12] = [
        ("job", |r| if r.manifest.job == Job::Search { "search" } else { "train" }.to_owned()),
        ("seed", |r| digest::seed(r).to_string()),
        ("program", |r| r.manifest.build.clone()),
        ("engine", |r| engine(r, |e| e.build.clone())),
        ("libtorch", |r| engine(r, |e| e.libtorch.clone())),
        ("device", |r| engine(r, |e| e.device.clone())),
        ("threads", |r| engine(r, |e| e.threads.to_string())),
        ("random numbers", |r| format!("version {}", r.manifest.randomness)),
        ("data", |r| engine(r, |e| e.data.clone())),
        ("data fingerprint", |r| engine(r, |e| e.data_fingerprint.clone())),
        ("split fingerprint", |r| engine(r, |e| e.split_fingerprint.clone())),
        ("protocol hash", |r| engine(r, |e| e.protocol_hash.clone())),
    ];
    let begun = vec!["begun".to_owned(), begun(runs)];
    let rows = facts.iter().map(|(name, fact)| {
        let values: Vec<_> = runs.iter().map(fact).collect();
        vec![(*name).to_owned(), grouped(runs, &values)]
    });
    Table::block(&[words("Fact"), code("Value")], std::iter::once(begun).chain(rows).collect())
}

/// When the runs were made, the first and the last of them.
fn begun(runs: &[Run]) -> String {
    let moments = || runs.iter().map(|r| r.manifest.created);
    match (moments().min(), moments().max()) {
        (Some(first), Some(last)) if moment(first) != moment(last) => {
            format!("{} to {}", moment(first), moment(last))
        }
        (first, _) => or_unknown(first, moment),
    }
}

/// The value that all runs share, or every value with the runs that have it.
fn grouped(runs: &[Run], values: &[String]) -> String {
    let mut holders: Vec<(&String, Vec<&str>)> = Vec::new();
    for (run, value) in runs.iter().zip(values) {
        match holders.iter_mut().find(|(known, _)| *known == value) {
            Some((_, names)) => names.push(&run.name),
            None => holders.push((value, vec![&run.name])),
        }
    }
    match &holders[..] {
        [] => UNKNOWN.to_owned(),
        [(value, _)] => (*value).clone(),
        several => {
            let each: Vec<_> =
                several.iter().map(|(value, names)| format!("{value} ({})", names.join(", "))).collect();
            each.join("; ")
        }
    }
}

/// Every setting with its value and origin.
fn settings(study: &Study) -> Section {
    let flat: Vec<BTreeMap<String, String>> =
        study.runs.iter().map(|r| compare::settings(&r.manifest)).collect();
    let keys: std::collections::BTreeSet<&String> = flat.iter().flat_map(BTreeMap::keys).collect();
    let all: Vec<_> = keys
        .iter()
        .map(|key| {
            let values: Vec<_> = flat.iter().map(|f| f.get(*key).cloned().unwrap_or_default()).collect();
            let origins: Vec<_> = study.runs.iter().map(|r| origin(&r.manifest, key)).collect();
            vec![(*key).clone(), grouped(study.runs, &values), grouped(study.runs, &origins)]
        })
        .collect();
    let changed: Vec<_> = all.iter().filter(|row| row[2] != BUILT_IN).cloned().collect();
    let columns: [Column; 3] = [code("Setting"), code("Value"), words("From")];
    let mut blocks = Vec::new();
    if !changed.is_empty() {
        blocks.push(Block::Heading(format!("Not the defaults ({})", changed.len())));
        blocks.push(Table::block(&columns, changed));
    }
    blocks.push(Block::Heading(format!("All ({})", all.len())));
    blocks.push(Table::block(&columns, all));
    Section::new("Settings", blocks).folded()
}

const BUILT_IN: &str = "built in";

fn origin(manifest: &Manifest, key: &str) -> String {
    manifest.origins.get(key).cloned().unwrap_or_else(|| BUILT_IN.to_owned())
}
