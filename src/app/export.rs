//! Exports that the screen asks for: files in the run's folder.

use std::fs;

use anyhow::{Context as _, Result};
use relativenas_core::{manifest::files, view::SearchView};
use relativenas_ui::messages::{ExportFormat, Exported};

use crate::{
    arguments::Format,
    atomic,
    commands::export::{FullNetwork, curves, of_individual, of_rank, vector_as, written_as},
    folder::RunFolder,
};

/// Writes files into the run's `exports`; says which.
///
/// # Errors
/// If there is nothing to export yet, or the folder cannot be written.
pub fn export(folder: &RunFolder, what: &Exported, format: ExportFormat) -> Result<String> {
    let (format, extension) = match format {
        ExportFormat::Darts => (Format::Darts, "txt"),
        ExportFormat::Json => (Format::Json, "json"),
        ExportFormat::Toml => (Format::Toml, "toml"),
        ExportFormat::Dot => (Format::Dot, "dot"),
        ExportFormat::Svg => (Format::Svg, "svg"),
        ExportFormat::Csv => (Format::Csv, "csv"),
        ExportFormat::Pytorch => (Format::Pytorch, "py"),
    };
    let view = folder.view()?;
    let exports = folder.file(files::EXPORTS);
    fs::create_dir_all(&exports).with_context(|| format!("{}: cannot be made", exports.display()))?;
    if format == Format::Csv {
        let path = exports.join("curves.csv");
        atomic::write(&path, curves(&view).as_bytes())?;
        return Ok(format!("written: {}", path.display()));
    }
    let network = FullNetwork::of(&folder.manifest()?.config, &view);
    if let Some(training) = &view.training {
        let path = exports.join(format!("genotype.{extension}"));
        atomic::write(&path, written_as(&training.genotype, format, &network).as_bytes())?;
        return Ok(format!("written: {}", path.display()));
    }
    let search = view.search.as_ref().filter(|s| !s.population.is_empty());
    let search = search.context("the run has no population yet")?;
    let chosen = chosen(search, what)?;
    let mut last = exports.clone();
    for (name, position) in &chosen {
        last = exports.join(format!("{name}.{extension}"));
        atomic::write(&last, vector_as(search, position, format, &network)?.as_bytes())?;
    }
    Ok(match chosen.len() {
        1 => format!("written: {}", last.display()),
        many => format!("{many} files written into {}", exports.display()),
    })
}

/// Vectors, each with the name of its file.
fn chosen<'a>(search: &'a SearchView, what: &Exported) -> Result<Vec<(String, &'a [f64])>> {
    let numbered = |individual: usize| format!("individual-{individual:02}");
    Ok(match what {
        Exported::Individual(individual) => {
            vec![(numbered(*individual), of_individual(search, *individual)?)]
        }
        Exported::Best => {
            let position = of_rank(search, 1)?;
            // One that finals found may have left the population.
            let individual = search.population.iter().position(|i| i.position == position);
            vec![(individual.map_or_else(|| "winner".to_owned(), numbered), position)]
        }
        Exported::All => {
            let positions = search.population.iter().map(|i| i.position.as_slice());
            positions.enumerate().map(|(individual, position)| (numbered(individual), position)).collect()
        }
    })
}

#[cfg(test)]
mod tests {
    use relativenas_core::genotype::Genotype;

    use super::*;
    use crate::fixture;

    #[test]
    fn exports_lie_in_the_run_and_are_read_back() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "r");
        fixture::write_log(&folder, &fixture::log(3));
        let exports = folder.file(files::EXPORTS);
        let done = export(&folder, &Exported::Individual(2), ExportFormat::Json).expect("written");
        let path = exports.join("individual-02.json");
        assert_eq!(done, format!("written: {}", path.display()));
        let search = folder.view().expect("readable").search.expect("a search");
        let text = fs::read_to_string(path).expect("there");
        assert_eq!(Genotype::parse(&text).ok(), search.genotype(2));
        let done = export(&folder, &Exported::All, ExportFormat::Svg).expect("written");
        assert_eq!(done, format!("4 files written into {}", exports.display()));
        export(&folder, &Exported::Best, ExportFormat::Csv).expect("written");
        assert_eq!(fs::read_dir(&exports).expect("readable").count(), 6);
    }

    #[test]
    fn a_run_that_has_not_begun_has_nothing_to_export() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "r");
        let error = export(&folder, &Exported::Best, ExportFormat::Darts).expect_err("nothing yet");
        assert_eq!(error.to_string(), "the run has no population yet");
    }
}
