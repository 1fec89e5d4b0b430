//! Runs in groups: those of one searcher and one protocol are repetitions of each other.

use std::cmp::Reverse;

use relativenas_core::{manifest::Job, searcher::SearcherKind, view::Phase};

use super::{Run, digest::seed, document::Ink, hands::interference};
use crate::compare::comparable;

/// All runs of a report.
pub struct Study<'a> {
    pub runs: &'a [Run],
    /// The groups of searches: those of the first run's protocol come first, and within a protocol slow-fast does.
    pub groups: Vec<Group<'a>>,
    /// How many protocols the searches followed.
    pub protocols: usize,
}

/// Searches that differ in nothing but their seed.
pub struct Group<'a> {
    pub searcher: SearcherKind,
    /// The number of the group's protocol, in the order in which protocols occur, from 0.
    pub protocol: usize,
    pub runs: Vec<&'a Run>,
}

impl<'a> Group<'a> {
    /// The runs from which means, ranges and tests are computed: one for each seed, without runs that were
    /// intervened in. A finished run has priority over an unfinished one with the same seed.
    pub fn repetitions(&self) -> Vec<&'a Run> {
        let mut alone: Vec<_> =
            self.runs.iter().copied().filter(|run| interference(run).is_none()).enumerate().collect();
        alone.sort_by_key(|(place, run)| (seed(run), Reverse(run.view.phase() == Phase::Finished), *place));
        alone.dedup_by_key(|(_, run)| seed(run));
        alone.sort_by_key(|(place, _)| *place);
        alone.into_iter().map(|(_, run)| run).collect()
    }

    /// Runs without intervention that have the same seed as another run.
    pub fn doubles(&self) -> Vec<&'a Run> {
        let counted = self.repetitions();
        let is_counted = |run: &&Run| counted.iter().any(|other| std::ptr::eq(*other, *run));
        let alone = self.runs.iter().copied().filter(|run| interference(run).is_none());
        alone.filter(|run| !is_counted(run)).collect()
    }
}

impl<'a> Study<'a> {
    pub fn new(runs: &'a [Run]) -> Self {
        let mut first_of: Vec<&Run> = Vec::new();
        let mut groups: Vec<Group> = Vec::new();
        for run in runs.iter().filter(|r| r.manifest.job == Job::Search) {
            let known = first_of.iter().position(|first| comparable(&first.manifest, &run.manifest));
            let protocol = known.unwrap_or(first_of.len());
            if known.is_none() {
                first_of.push(run);
            }
            let searcher = run.manifest.config.search.searcher;
            match groups.iter_mut().find(|g| (g.searcher, g.protocol) == (searcher, protocol)) {
                Some(group) => group.runs.push(run),
                None => groups.push(Group { searcher, protocol, runs: vec![run] }),
            }
        }
        groups.sort_by_key(|g| (g.protocol, SearcherKind::ALL.iter().position(|s| *s == g.searcher)));
        Self { runs, groups, protocols: first_of.len() }
    }

    /// Every search, in the order of the groups.
    pub fn searches(&self) -> impl Iterator<Item = &'a Run> {
        self.groups.iter().flat_map(|g| g.runs.iter().copied())
    }

    pub fn trainings(&self) -> impl Iterator<Item = &'a Run> {
        self.runs.iter().filter(|r| r.manifest.job == Job::Train)
    }

    /// The label of a group: its searcher, and its protocol if there are several.
    pub fn label(&self, group: &Group) -> String {
        if self.protocols == 1 {
            return group.searcher.name().to_owned();
        }
        format!("{} · protocol {}", group.searcher, protocol_letter(group.protocol))
    }

    /// The colour of a group's curves. With a single protocol, a searcher has the same colour in every report.
    pub fn ink(&self, group: &Group) -> Ink {
        if self.protocols > 1 {
            let place = self.groups.iter().position(|g| std::ptr::eq(g, group)).unwrap_or(0);
            return Ink::ALL[place % Ink::ALL.len()];
        }
        match group.searcher {
            SearcherKind::SlowFast => Ink::Blue,
            SearcherKind::Random => Ink::Orange,
            SearcherKind::CoinFlip => Ink::Purple,
            SearcherKind::RegularizedEvolution => Ink::Green,
            SearcherKind::Largest => Ink::Red,
        }
    }
}

/// `A`, `B`, … and then numbers.
pub fn protocol_letter(protocol: usize) -> String {
    match u8::try_from(protocol) {
        Ok(place @ 0..26) => char::from(b'A' + place).to_string(),
        _ => (protocol + 1).to_string(),
    }
}
