//! Runs in groups: those of one searcher and one protocol are repetitions of each other.

use relativenas_core::{manifest::Job, searcher::SearcherKind};

use super::{Run, document::Ink};
use crate::compare::comparable;

/// All runs of a report.
pub struct Study<'a> {
    pub runs: &'a [Run],
    /// Searches only; slow-fast first, and of one searcher the protocol of the first run first.
    pub groups: Vec<Group<'a>>,
    /// How many protocols the searches followed.
    pub protocols: usize,
}

/// Searches that differ in nothing but their seed.
pub struct Group<'a> {
    pub searcher: SearcherKind,
    /// Counts protocols in the order in which they occur.
    pub protocol: usize,
    pub runs: Vec<&'a Run>,
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

    /// What a group is called: its searcher, and its protocol where there are several.
    pub fn label(&self, group: &Group) -> String {
        if self.protocols == 1 {
            return group.searcher.name().to_owned();
        }
        format!("{} · protocol {}", group.searcher, protocol_letter(group.protocol))
    }

    /// The colour of a group's curves; controls keep theirs from report to report.
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
