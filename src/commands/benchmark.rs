//! `benchmark`: searchers against each other in a table, and this machine's throughput.

use std::{io::Write, process::ExitCode};

use anyhow::Result;
use relativenas_core::{
    searcher::SearcherKind,
    tabular::{self, BenchmarkSettings, Charge, SearcherResult, benchmark_searchers},
};

use crate::{
    arguments::{BenchmarkAction, SearchersArguments},
    context::Context,
    written::counted,
};

pub fn run(context: &Context, action: &BenchmarkAction, out: &mut dyn Write) -> Result<ExitCode> {
    match action {
        BenchmarkAction::Searchers(arguments) => searchers(arguments, out),
        BenchmarkAction::Exchange { arguments } => super::on_ranks::run(context, "exchange", arguments),
        BenchmarkAction::Loader { arguments } => super::pass_on("loader", arguments),
        BenchmarkAction::Throughput { arguments } => super::pass_on("throughput", arguments),
    }
}

fn searchers(arguments: &SearchersArguments, out: &mut dyn Write) -> Result<ExitCode> {
    let table = tabular::embedded()?;
    let kinds = if arguments.searchers.is_empty() { &SearcherKind::ALL[..] } else { &arguments.searchers };
    let SearchersArguments { dataset, evaluations, seeds, charge, mutation, .. } = *arguments;
    let settings = BenchmarkSettings { dataset, evaluations, seeds, charge, mutation };
    let results = benchmark_searchers(&table, &settings, kinds);
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&results)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let spent = match charge {
        Charge::All => "evaluation",
        Charge::Distinct => "distinct architecture",
    };
    writeln!(
        out,
        "NAS-Bench-201, {dataset}: test accuracy in per cent after {}, {}; the best in the table has {:.2}",
        counted(evaluations.get() as usize, spent),
        counted(seeds.get() as usize, "seed"),
        table.best(dataset)
    )?;
    write!(out, "{}", columns(&results))?;
    if mutation > 0.0 {
        writeln!(
            out,
            "Genes of slow learners (of slow-fast and coin-flip) are drawn anew after a move with probability {mutation}."
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

fn columns(results: &[SearcherResult]) -> String {
    let width = results.iter().map(|r| r.searcher.name().len()).max().unwrap_or(0);
    let mut text = format!("{:width$}      best found  final population\n", "");
    for r in results {
        text += &format!(
            "{:width$}  {:6.2} ± {:5.2}    {:6.2} ± {:5.2}\n",
            r.searcher, r.best_mean, r.best_sd, r.population_mean, r.population_sd
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[test]
    fn the_embedded_table_answers() {
        let few = NonZeroU32::new(40).expect("not 0");
        let arguments = SearchersArguments {
            dataset: tabular::Dataset::Cifar10,
            evaluations: few,
            seeds: NonZeroU32::new(2).expect("not 0"),
            searchers: vec![SearcherKind::Random, SearcherKind::RegularizedEvolution],
            charge: Charge::Distinct,
            mutation: 0.05,
            json: true,
        };
        let mut out = Vec::new();
        searchers(&arguments, &mut out).expect("the table is there");
        let results: Vec<SearcherResult> = serde_json::from_slice(&out).expect("JSON");
        assert_eq!(results.len(), 2);
        assert!(results.iter().all(|r| (r.charge, r.mutation) == (Charge::Distinct, 0.0)), "{results:?}");
        assert!(results.iter().all(|r| (80.0..95.0).contains(&r.best_mean)), "{results:?}");
        assert_eq!(columns(&results).lines().count(), 3);
    }
}
