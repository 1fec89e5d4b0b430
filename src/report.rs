//! A page about one run or several, to read or to publish: HTML in one file, or Markdown.
//!
//! The contents are put together once, as [`mod@document`]s of plain blocks, and then written in either
//! format. They depend only on the runs' manifests and events, so a report can be made of any run at any
//! time, and made again.

mod chart;
mod checklist;
mod curves;
mod digest;
mod document;
mod figures;
mod finals;
mod hands;
mod html;
mod judged;
mod markdown;
mod outcome;
mod overview;
mod probe;
mod provenance;
mod statistics;
mod study;
#[cfg(test)]
mod tests;
mod weights;

use relativenas_core::{manifest::Manifest, probe::Probe, view::RunView};

pub use digest::{Digest, trained};
pub use figures::{UNKNOWN, loss, percent};
pub use hands::interference;

use document::Document;
use study::Study;

/// A run, read from its folder.
#[derive(Clone, Debug)]
pub struct Run {
    pub name: String,
    pub manifest: Manifest,
    pub view: RunView,
    /// What a probe found about the comparison of pairs; `None` if the run was not probed.
    pub probe: Option<Probe>,
    /// The name of the search whose winner this training judges; known only for runs of a study.
    pub judges: Option<String>,
}

/// The report as one HTML page that is complete in itself: it loads nothing and has no scripts.
pub fn html(runs: &[Run]) -> String {
    html::page(&document(runs))
}

/// The report as Markdown, with curves in a line of text each.
pub fn markdown(runs: &[Run]) -> String {
    markdown::page(&document(runs))
}

/// The figures of the searches among the runs as comma-separated values, a run a line.
pub fn csv(runs: &[Run]) -> String {
    judged::csv(&Study::new(runs))
}

fn document(runs: &[Run]) -> Document {
    let study = Study::new(runs);
    let mut sections = vec![overview::section(&study)];
    sections.extend(judged::section(&study));
    sections.extend(curves::section(&study));
    match &study.searches().collect::<Vec<_>>()[..] {
        [] => {}
        [only] => {
            sections.extend(outcome::of_one(only));
            sections.extend(weights::section(only));
            sections.extend(curves::generations(only));
        }
        _ => sections.push(outcome::of_each(&study)),
    }
    sections.extend(outcome::retraining(&study));
    sections.extend(probe::section(&study));
    sections.push(checklist::section(&study));
    sections.extend(provenance::sections(&study));
    Document { title: overview::title(&study), subtitle: overview::subtitle(&study), sections }
}
