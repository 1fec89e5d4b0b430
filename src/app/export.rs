//! Exports that the screen asks for: files in the run's folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use relativenas_core::{
    manifest::files,
    population::IndividualId,
    view::{RunView, SearchView},
};
use relativenas_ui::messages::{ExportFormat, Exported};

use crate::{
    arguments::Format,
    atomic,
    folder::RunFolder,
    operations::export::{FullNetwork, curves, of_individual, vector_as, written_as},
};

/// Writes files into the run's folder `exports`; returns a sentence that names them.
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
    let network = FullNetwork::of(&folder.manifest()?.config, &view);
    let (name, content) = match (what, &view.training) {
        _ if format == Format::Csv => ("curves".to_owned(), curves(&view)),
        (_, Some(training)) => ("genotype".to_owned(), written_as(&training.genotype, format, &network)),
        (Exported::Individual(number), None) => individual(&view, *number, format, &network)?,
        (Exported::Best { individual, generation, position, .. }, None) => {
            let name = match generation {
                Some(generation) => format!("g{generation:02}-i{individual:02}"),
                None => format!("winner-i{individual:02}"),
            };
            (name, vector_as(search(&view)?, position, format, &network)?)
        }
        (Exported::Network, None) => bail!("a search has no network of its own; export an individual"),
        (Exported::All | Exported::Several(_), None) => {
            let all = match what {
                Exported::Several(several) => several.clone(),
                _ => search(&view)?.individuals().map(|(number, _)| number).collect(),
            };
            for &number in &all {
                let (name, content) = individual(&view, number, format, &network)?;
                write_apart(&exports, &name, extension, &content)?;
            }
            return Ok(format!("{} files written into {}", all.len(), exports.display()));
        }
    };
    Ok(match write_apart(&exports, &name, extension, &content)? {
        Written::New(path) => format!("written: {}", path.display()),
        Written::Before(path) => format!("it was written before: {}", path.display()),
    })
}

fn search(view: &RunView) -> Result<&SearchView> {
    view.search.as_ref().filter(|s| !s.population.is_empty()).context("the run has no population yet")
}

/// The present vector of an individual, and a file name for it such as `g03-i07`. The generation is part of
/// it, because the individual moves.
fn individual(
    view: &RunView,
    number: IndividualId,
    format: Format,
    network: &FullNetwork,
) -> Result<(String, String)> {
    let search = search(view)?;
    let content = vector_as(search, of_individual(search, number)?, format, network)?;
    Ok((format!("g{:02}-i{number:02}", search.generation), content))
}

/// A file that an export is in.
#[derive(Debug, PartialEq)]
enum Written {
    New(PathBuf),
    /// A file with the same content existed already.
    Before(PathBuf),
}

/// Writes a new file. If its name is taken by a file with other content, the new file gets another name.
fn write_apart(folder: &Path, name: &str, extension: &str, content: &str) -> Result<Written> {
    for number in 1.. {
        let file = match number {
            1 => format!("{name}.{extension}"),
            number => format!("{name}-{number}.{extension}"),
        };
        let path = folder.join(file);
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                atomic::write(&path, content.as_bytes())?;
                return Ok(Written::New(path));
            }
            Ok(there) if there == content.as_bytes() => return Ok(Written::Before(path)),
            // An existing file that is different, or cannot be read, is never replaced.
            Ok(_) | Err(_) => {}
        }
    }
    bail!("{}: no name is free for {name}", folder.display())
}

#[cfg(test)]
mod tests {
    use relativenas_core::{genotype::Genotype, loss::Loss};

    use super::*;
    use crate::fixture;

    fn searched() -> (tempfile::TempDir, RunFolder) {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "r");
        fixture::write_log(&folder, &fixture::log(3));
        (runs, folder)
    }

    #[test]
    fn exports_lie_in_the_run_and_are_read_back() {
        let (_runs, folder) = searched();
        let exports = folder.file(files::EXPORTS);
        let search = folder.view().expect("readable").search.expect("a search");
        let done =
            export(&folder, &Exported::Individual(IndividualId(2)), ExportFormat::Json).expect("written");
        let path = exports.join(format!("g{:02}-i02.json", search.generation));
        assert_eq!(done, format!("written: {}", path.display()));
        let text = fs::read_to_string(path).expect("there");
        assert_eq!(Genotype::parse(&text).ok(), search.genotype(IndividualId(2)));
        let done = export(&folder, &Exported::All, ExportFormat::Svg).expect("written");
        assert_eq!(done, format!("4 files written into {}", exports.display()));
        export(&folder, &Exported::All, ExportFormat::Csv).expect("written");
        assert_eq!(fs::read_dir(&exports).expect("readable").count(), 6);
    }

    #[test]
    fn the_best_is_exported_as_it_was_shown_wherever_its_individual_went() {
        let (_runs, folder) = searched();
        let position = vec![0.25; relativenas_core::space::Space::Cells.genes()];
        let best = Exported::Best {
            individual: IndividualId(3),
            generation: Some(1),
            loss: Loss(1.5),
            position: position.clone(),
        };
        let done = export(&folder, &best, ExportFormat::Toml).expect("written");
        let path = folder.file(files::EXPORTS).join("g01-i03.toml");
        assert_eq!(done, format!("written: {}", path.display()));
        let text = fs::read_to_string(path).expect("there");
        assert_eq!(Genotype::parse(&text).ok(), Genotype::decode(&position).ok());
    }

    #[test]
    fn no_export_takes_the_place_of_another() {
        let (_runs, folder) = searched();
        let exports = folder.file(files::EXPORTS);
        let export = || export(&folder, &Exported::All, ExportFormat::Csv).expect("written");
        assert_eq!(export(), format!("written: {}", exports.join("curves.csv").display()));
        assert_eq!(export(), format!("it was written before: {}", exports.join("curves.csv").display()));
        fs::write(exports.join("curves.csv"), "mine").expect("written");
        assert_eq!(export(), format!("written: {}", exports.join("curves-2.csv").display()));
        assert_eq!(fs::read_to_string(exports.join("curves.csv")).expect("there"), "mine");
    }

    #[test]
    fn a_run_that_has_not_begun_has_nothing_to_export() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "r");
        let error = export(&folder, &Exported::Individual(IndividualId(0)), ExportFormat::Darts)
            .expect_err("nothing yet");
        assert_eq!(error.to_string(), "the run has no population yet");
    }
}
