//! Events as lines of text.

use super::{
    SearchView, TrainingView,
    summary::{TestSummary, result},
};
use crate::{
    cost::Limits,
    event::{Event, Learner, Line},
    genotype::Genotype,
    operation::CellKind,
    population::IndividualId,
    published, tabular,
    tasks::Task,
};

/// An event as a line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Milliseconds since 1970 UTC.
    pub time: i64,
    pub tone: Tone,
    pub text: String,
}

/// The kind of a line, by which it is highlighted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Plain,
    /// The end of a generation, of an epoch or of the run.
    Milestone,
    /// Something that a person should see, such as a loss that is not a number.
    Warning,
}

impl LogLine {
    /// The line for an event; `None` if the event has none.
    pub(super) fn of(
        line: &Line,
        search: Option<&SearchView>,
        training: Option<&TrainingView>,
    ) -> Option<Self> {
        let in_part = search.and_then(|search| {
            search.finals_in_words(&line.event).or_else(|| search.warm_up_in_words(&line.event))
        });
        let task = training.map(|training| training.task).unwrap_or_default();
        let (tone, text) = in_part.or_else(|| words(&line.event, task))?;
        Some(Self { time: line.time, tone, text })
    }
}

/// The architecture that was injected: its published name, if it has one, else in full.
fn injected(position: &[f64]) -> String {
    if let Ok(genotype) = Genotype::decode(position) {
        return published::name_of(&genotype).map_or_else(
            || CellKind::BOTH.map(|kind| format!("{kind} {}", genotype.cell(kind).short())).join(", "),
            str::to_owned,
        );
    }
    tabular::decode(position).map_or_else(|_| "a vector".to_owned(), |edges| tabular::architecture(&edges))
}

/// A count with its noun: `1 epoch`, `2 epochs`.
pub(super) fn counted(count: usize, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

/// The limit of latency, and how exact the table of latencies is; empty without a table.
fn latency_words(limits: &Limits) -> String {
    let table = limits.latencies.as_ref();
    table.map_or_else(String::new, |table| {
        format!("; latency at most {} ms, {}", limits.max_latency, table.words())
    })
}

fn words(event: &Event, task: Task) -> Option<(Tone, String)> {
    use Tone::{Milestone, Plain, Warning};
    Some(match event {
        Event::SearchStarted { settings, images, .. } => (
            Milestone,
            format!(
                "{} search on {}: {}, {}{}, seed {}",
                settings.searcher,
                images.name,
                counted(settings.population, "individual"),
                counted(settings.generations as usize, "generation"),
                match settings.warm_up {
                    0 => String::new(),
                    count => format!(", of them {count} of warm-up"),
                },
                settings.seed
            ) + &latency_words(&settings.limits),
        ),
        Event::PopulationSampled { positions } => (Plain, format!("{} positions drawn", positions.len())),
        Event::GenerationStarted { generation, learning_rate, .. } => {
            (Plain, format!("generation {generation} begins, learning rate {learning_rate:.4}"))
        }
        Event::PairCompared { pair, estimations, learners, fast, slow, gives, .. } => {
            let lost: Vec<_> = learners.iter().filter(|l| !l.estimate.loss.is_finite()).collect();
            if let Some(first) = lost.first() {
                let lost = learners.iter().all(|l| !l.estimate.loss.is_finite());
                let all = if lost && gives.is_empty() {
                    "; no individual moves and no weights are written"
                } else {
                    ""
                };
                (Warning, format!("pair {pair}: the loss of {:02} is not a number{all}", first.individual))
            } else {
                let again = match estimations {
                    0 | 1 => String::new(),
                    count => format!(", mean of {count} estimations"),
                };
                (Plain, compared(*pair, learners, *fast, *slow) + &again)
            }
        }
        Event::GenerationFinished { generation, diversity, moves } => (
            Milestone,
            format!("generation {generation} done: {} moved, diversity was {diversity:.2}", moves.len()),
        ),
        Event::IndividualInjected { individual, position } => {
            (Milestone, format!("{} was put in the place of {individual:02}", injected(position)))
        }
        Event::IndividualRanked { learner } => {
            let estimate = learner.estimate;
            (
                Plain,
                format!(
                    "{:02} ranked: loss {:.3}, {:.1} %",
                    learner.individual, estimate.loss, estimate.accuracy
                ),
            )
        }
        Event::FinalsBegan { settings, entrants } => (
            Milestone,
            format!(
                "finals begin: {}, {} from scratch{} at first, judged by {}",
                counted(entrants.len(), "architecture"),
                counted(settings.epochs as usize, "epoch"),
                match settings.seeds {
                    0..=1 => String::new(),
                    seeds => format!(" with {seeds} seeds each"),
                },
                settings.judge.words()
            ),
        ),
        Event::FinalistTrained { .. } | Event::FinalsRoundEnded { .. } | Event::FinalsEnded { .. } => {
            return None; // The view describes these, because it has the names of the entrants.
        }
        Event::WeightsWarmed { .. } => return None, // The view describes these too.
        Event::SearchFinished { ranking, evaluations } => {
            let winner = ranking.first()?;
            if !winner.loss.is_finite() {
                let text =
                    format!("search done after {evaluations} estimations: no winner: no loss is a number");
                return Some((Warning, text));
            }
            let text = format!(
                "search done after {evaluations} estimations: {:02} wins with loss {:.3}, {:.1} %",
                winner.individual, winner.loss, winner.accuracy
            );
            (Milestone, text)
        }
        Event::TrainingStarted { task, network, epochs, images, .. } => (
            Milestone,
            format!(
                "{} on {}: {}, {}, {}",
                if task.is_classification() { "training" } else { task.name() },
                images.name,
                counted(network.channels, "channel"),
                counted(network.cells, "cell"),
                counted(*epochs as usize, "epoch")
            ),
        ),
        // Without validation images every epoch counts as the best, which is not worth mentioning.
        Event::EpochFinished { epoch, train_loss, train_accuracy, valid_accuracy, .. }
            if valid_accuracy.is_nan() =>
        {
            let tone = if train_loss.is_finite() { Plain } else { Warning };
            let accuracy =
                if task.is_classification() { format!(", {train_accuracy:.1} %") } else { String::new() };
            (tone, format!("epoch {epoch} done: training loss {train_loss:.3}{accuracy}"))
        }
        Event::EpochFinished { epoch, valid_loss, valid_accuracy, best, .. } => {
            let mark = if *best { ", the best so far" } else { "" };
            let tone = if valid_loss.is_finite() { Plain } else { Warning };
            let metric =
                if task.is_classification() { String::new() } else { format!(" {}", task.metric_name()) };
            let text = format!(
                "epoch {epoch} done: validation loss {valid_loss:.3}, {valid_accuracy:.1} %{metric}{mark}"
            );
            (tone, text)
        }
        Event::TrainingFinished { best_epoch, test_loss, test_top1, test_top5, test_images, part } => {
            let (loss, top1, top5, images, part) = (*test_loss, *test_top1, *test_top5, *test_images, *part);
            let reached = result(task, &TestSummary { loss, top1, top5, images, part }, |n| n.to_string());
            (Milestone, format!("training done: {reached}, weights of epoch {best_epoch}"))
        }
    })
}

fn compared(
    pair: usize,
    learners: &[Learner],
    fast: Option<IndividualId>,
    slow: Option<IndividualId>,
) -> String {
    let find = |individual: Option<IndividualId>| learners.iter().find(|l| Some(l.individual) == individual);
    match (find(fast), find(slow)) {
        (Some(fast), Some(slow)) => format!(
            "pair {pair} compared: {:02} is fast, {:02} is slow (Δ {:.3})",
            fast.individual,
            slow.individual,
            slow.estimate.loss - fast.estimate.loss
        ),
        (Some(only), None) => format!("{:02} estimated: loss {:.3}", only.individual, only.estimate.loss),
        _ => format!("pair {pair}: no verdict"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::RankedIndividual, loss::Loss};

    #[test]
    fn a_search_wins_by_a_number_or_not_at_all() {
        let said = |loss| {
            let ranking =
                vec![RankedIndividual { rank: 1, individual: IndividualId(3), loss, accuracy: 10.0 }];
            words(&Event::SearchFinished { ranking, evaluations: 4 }, Task::Classification).expect("words")
        };
        assert_eq!(
            said(Loss(0.5)),
            (Tone::Milestone, "search done after 4 estimations: 03 wins with loss 0.500, 10.0 %".to_owned())
        );
        for loss in [f64::NAN, f64::INFINITY] {
            let expected = "search done after 4 estimations: no winner: no loss is a number";
            assert_eq!(said(Loss(loss)), (Tone::Warning, expected.to_owned()));
        }
    }
}
