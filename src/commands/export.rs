//! `export`: what a run found, in files that other programs read.

mod onnx;

use std::{io::Write, process::ExitCode};

use anyhow::{Context as _, Result};
use relativenas_core::view::RunView;

use crate::{
    arguments::{ExportArguments, Format},
    context::Context,
    failure::misuse,
    operations::export::{FullNetwork, curves, has_winner, of_individual, of_rank, vector_as, written_as},
    output,
};

/// Writes a genotype or the curves to a file or to standard output.
pub fn export(context: &Context, arguments: &ExportArguments, out: &mut dyn Write) -> Result<ExitCode> {
    if arguments.format == Format::Onnx {
        output::write(arguments.output.as_deref(), &onnx::file(context, arguments)?, out)?;
        return Ok(ExitCode::SUCCESS);
    }
    let folder = match (&arguments.run, &arguments.weights) {
        (Some(run), None) => context.find(run)?,
        (None, _) => return Err(misuse("--arch: without a run only onnx can be written; add --format onnx")),
        (_, Some(_)) => return Err(misuse("--weights: only onnx holds weights")),
    };
    let view = folder.view()?;
    check_choice(arguments, view.training.is_some())?;
    if arguments.features && arguments.format != Format::Pytorch {
        return Err(misuse("--features: only pytorch is written as a backbone; add --format pytorch"));
    }
    let content = match arguments.format {
        Format::Csv => curves(&view),
        format => {
            let mut network = FullNetwork::of(&folder.manifest()?.config, &view);
            network.features = arguments.features;
            match &view.training {
                Some(training) => written_as(&training.genotype, format, &network),
                None => chosen(&view, arguments, &network).with_context(|| folder.name())?,
            }
        }
    };
    output::write(arguments.output.as_deref(), content.as_bytes(), out)?;
    Ok(ExitCode::SUCCESS)
}

/// Checks that the export is one of an individual, if `--rank` or `--individual` chose one.
fn check_choice(arguments: &ExportArguments, training: bool) -> Result<()> {
    let flag = match (arguments.rank, arguments.individual) {
        (None, None) => return Ok(()),
        (Some(_), _) => "--rank",
        (None, _) => "--individual",
    };
    let why = if training {
        "a training run has one genotype, and no individuals"
    } else if arguments.format == Format::Csv {
        "csv has the curves of the whole run, not of an individual"
    } else {
        return Ok(());
    };
    Err(misuse(format!("{flag}: {why}; leave it out")))
}

fn chosen(view: &RunView, arguments: &ExportArguments, network: &FullNetwork) -> Result<String> {
    let search = view.search.as_ref().filter(|s| !s.population.is_empty());
    let search = search.ok_or_else(|| misuse("the run has no population yet"))?;
    let position = match (arguments.individual, arguments.rank) {
        (Some(individual), _) => of_individual(search, individual)?,
        (None, Some(rank)) => of_rank(search, rank)?,
        (None, None) => {
            has_winner(search, "an individual")?;
            search.leader().ok_or_else(|| misuse("no individual was estimated yet"))?.position
        }
    };
    vector_as(search, position, arguments.format, network)
}

#[cfg(test)]
mod tests {
    use relativenas_core::{loss::Loss, population::IndividualId};

    use super::*;
    use crate::fixture;

    #[test]
    fn a_search_without_a_winner_writes_individuals_alone() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "r");
        fixture::write_log(&folder, &fixture::log(3));
        let mut view = folder.view().expect("readable");
        view.search.as_mut().expect("a search").ranking.iter_mut().for_each(|place| place.loss = Loss::NAN);
        let network = FullNetwork::of(&fixture::config(), &view);
        let arguments = |individual| ExportArguments {
            run: Some("r".to_owned()),
            arch: None,
            weights: None,
            features: false,
            rank: None,
            individual,
            format: Format::Darts,
            output: None,
        };
        let error = chosen(&view, &arguments(None), &network).expect_err("no winner").to_string();
        assert!(error.ends_with("--individual N writes an individual all the same"), "{error}");
        chosen(&view, &arguments(Some(IndividualId(0))), &network).expect("an individual all the same");
    }

    #[test]
    fn an_individual_is_refused_where_there_is_none_to_choose() {
        let check = |rank, individual, format, training| {
            let run = Some("r".to_owned());
            let (arch, weights, output, features) = (None, None, None, false);
            let arguments =
                ExportArguments { run, arch, weights, features, rank, individual, format, output };
            check_choice(&arguments, training).map_err(|error| error.to_string())
        };
        assert_eq!(check(Some(2), None, Format::Svg, false), Ok(()));
        assert_eq!(check(None, None, Format::Csv, true), Ok(()));
        let curves = "--rank: csv has the curves of the whole run, not of an individual; leave it out";
        assert_eq!(check(Some(2), None, Format::Csv, false), Err(curves.to_owned()));
        let single = "--individual: a training run has one genotype, and no individuals; leave it out";
        assert_eq!(check(None, Some(IndividualId(0)), Format::Darts, true), Err(single.to_owned()));
    }
}
