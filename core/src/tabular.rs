//! NAS-Bench-201: a small search space, all of whose architectures were trained by its authors, so a search takes
//! seconds.
//!
//! Source: Dong and Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture
//! Search", ICLR 2020, arXiv 2001.00326. A cell has four nodes; each of its six edges applies one of
//! five operations. An edge is counted as in the architecture string
//! `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`, from left to right.

mod benchmark;
pub(crate) mod cell;
pub(crate) mod edge;
mod embedded;

use std::{convert::Infallible, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

pub use benchmark::{BenchmarkSettings, Charge, SearcherResult, UnknownCharge, benchmark_searchers};
pub use cell::{architecture, decode, describe, ends, parse_architecture, size};
pub use edge::{EDGES, EdgeOperation, OPERATIONS, edge_name};
pub use embedded::{COMPRESSED, EmbeddedError, embedded};

use crate::{
    loss::Loss,
    search::{BatchDone, Candidate, Estimate, Estimated, Estimation, Estimator, Flow, Slot, Verdict},
    space::VectorError,
};

/// The number of all architectures: each of the edges has one of five operations.
pub const ARCHITECTURES: usize = OPERATIONS.len().pow(EDGES as u32);

/// A data set on which the architectures were trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dataset {
    #[default]
    Cifar10,
    Cifar100,
    /// ImageNet-16-120: 120 classes at 16×16 pixels.
    Imagenet16,
}

impl Dataset {
    pub const ALL: [Self; 3] = [Self::Cifar10, Self::Cifar100, Self::Imagenet16];

    pub fn name(self) -> &'static str {
        match self {
            Self::Cifar10 => "cifar10",
            Self::Cifar100 => "cifar100",
            Self::Imagenet16 => "imagenet16",
        }
    }

    /// The column of the table that holds its accuracies.
    fn column(self) -> &'static str {
        match self {
            Self::Cifar10 => "CIFAR10TestAccuracy200Epochs",
            Self::Cifar100 => "CIFAR100TestAccuracy200Epochs",
            Self::Imagenet16 => "ImageNetTestAccuracy200Epochs",
        }
    }
}

impl fmt::Display for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The error for a name that is no data set of the table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no data set of NAS-Bench-201; there are cifar10, cifar100 and imagenet16")]
pub struct UnknownDataset(String);

impl FromStr for Dataset {
    type Err = UnknownDataset;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|d| d.name() == name).ok_or_else(|| UnknownDataset(name.to_owned()))
    }
}

/// Why a text is not the table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    #[error("line 1: there is no column `{0}`")]
    Header(&'static str),
    #[error("line {line}: {found} columns, but line 1 names {expected}")]
    Columns { line: usize, expected: usize, found: usize },
    #[error("line {line}: `{text}` is no accuracy in per cent for {dataset}")]
    Accuracy { line: usize, dataset: Dataset, text: String },
    #[error(
        "line {line}: `{text}` is no architecture such as |none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    )]
    Architecture { line: usize, text: String },
    #[error("line {line}: the architecture `{text}` occurred before")]
    Twice { line: usize, text: String },
    #[error("after line {line}: the table ends with {found} of {ARCHITECTURES} architectures")]
    Incomplete { line: usize, found: usize },
}

/// The test accuracies of all architectures after 200 epochs, on each data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The accuracies of each architecture in per cent, in the order of [`Dataset::ALL`]; the index is
    /// [`number`].
    accuracies: Vec<[f64; Dataset::ALL.len()]>,
}

impl Table {
    /// Reads comma-separated text whose first line names the columns.
    ///
    /// # Errors
    /// If a line is not as expected (the error names it), or an architecture is missing.
    pub fn parse(csv: &str) -> Result<Self, TableError> {
        let mut lines = csv.lines().enumerate().map(|(index, text)| (index + 1, text));
        let header: Vec<_> = lines.next().unwrap_or_default().1.split(',').map(str::trim).collect();
        let column = |name| header.iter().position(|column| *column == name).ok_or(TableError::Header(name));
        let columns = Dataset::ALL.map(|dataset| column(dataset.column()));
        let [cifar10, cifar100, imagenet16] = columns;
        let columns = [cifar10?, cifar100?, imagenet16?];
        let architecture_column = column("ArchitectureString")?;

        let mut accuracies = vec![None; ARCHITECTURES];
        let (mut found, mut last) = (0, 1);
        for (line, text) in lines.filter(|(_, text)| !text.trim().is_empty()) {
            let cells: Vec<_> = text.split(',').map(str::trim).collect();
            if cells.len() != header.len() {
                return Err(TableError::Columns { line, expected: header.len(), found: cells.len() });
            }
            let text = cells[architecture_column];
            let indices = parse_architecture(text)
                .ok_or_else(|| TableError::Architecture { line, text: text.to_owned() })?;
            let mut row = [0.0; Dataset::ALL.len()];
            for ((value, column), dataset) in row.iter_mut().zip(columns).zip(Dataset::ALL) {
                *value = parse_accuracy(cells[column]).ok_or_else(|| TableError::Accuracy {
                    line,
                    dataset,
                    text: cells[column].to_owned(),
                })?;
            }
            if accuracies[number(&indices)].replace(row).is_some() {
                return Err(TableError::Twice { line, text: text.to_owned() });
            }
            (found, last) = (found + 1, line);
        }
        let accuracies: Option<Vec<_>> = accuracies.into_iter().collect();
        accuracies.map(|accuracies| Self { accuracies }).ok_or(TableError::Incomplete { line: last, found })
    }

    /// The test accuracy, in per cent, of the architecture with these operations, given as one index for each
    /// edge.
    ///
    /// # Panics
    /// If these are not the indices of an architecture.
    pub fn accuracy(&self, dataset: Dataset, indices: &[usize]) -> f64 {
        assert_eq!(indices.len(), EDGES, "one index an edge");
        self.accuracies[number(indices)][dataset as usize]
    }

    /// As [`Table::accuracy`], for an architecture vector.
    ///
    /// # Errors
    /// If the vector does not lie in [`NasBench201`](crate::space::Space::NasBench201).
    pub fn accuracy_at(&self, dataset: Dataset, position: &[f64]) -> Result<f64, VectorError> {
        Ok(self.accuracy(dataset, &decode(position)?))
    }

    /// The highest accuracy in the table.
    pub fn best(&self, dataset: Dataset) -> f64 {
        self.accuracies.iter().map(|row| row[dataset as usize]).fold(0.0, f64::max)
    }
}

/// The number of an architecture in the table, which has the indices as its digits.
fn number(indices: &[usize]) -> usize {
    indices.iter().fold(0, |number, &index| {
        assert!(index < OPERATIONS.len(), "operation {index}");
        number * OPERATIONS.len() + index
    })
}

fn parse_accuracy(text: &str) -> Option<f64> {
    text.parse().ok().filter(|accuracy| (0.0..=100.0).contains(accuracy))
}

/// Estimates candidates by accuracies from the table. There are no weights to inherit or adopt.
#[derive(Clone, Copy, Debug)]
pub struct TableEstimator<'a> {
    table: &'a Table,
    dataset: Dataset,
}

impl<'a> TableEstimator<'a> {
    pub fn new(table: &'a Table, dataset: Dataset) -> Self {
        Self { table, dataset }
    }

    /// The loss is 100 % less the accuracy, so that the higher accuracy wins.
    fn look_up(&self, candidate: &Candidate) -> Estimate {
        // A vector outside of the space has no accuracy; its loss is NaN, so it loses.
        let accuracy = self.table.accuracy_at(self.dataset, &candidate.position).unwrap_or(f64::NAN);
        Estimate { loss: Loss(100.0 - accuracy), accuracy, train_loss: Loss::NAN, hits: 0, misses: 0 }
    }
}

impl Estimator for TableEstimator<'_> {
    type Error = Infallible;
    type Trained = ();

    fn estimate(
        &mut self,
        estimation: &Estimation,
        progress: &(dyn Fn(Slot, BatchDone) -> Flow + Sync),
    ) -> Result<Option<Estimated<()>>, Infallible> {
        let mut estimates = Vec::with_capacity(estimation.candidates.len());
        for (slot, candidate) in estimation.candidates.iter().enumerate() {
            let estimate = self.look_up(candidate);
            let done =
                BatchDone { validating: true, batch: 1, batches: 1, images: 0, loss: Some(estimate.loss) };
            if progress(Slot(slot), done) == Flow::Abort {
                return Ok(None);
            }
            estimates.push(estimate);
        }
        Ok(Some(Estimated { estimates, trained: () }))
    }

    fn adopt(&mut self, _: &Estimation, (): &(), _: &Verdict) -> Result<(), Infallible> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::population::IndividualId;
    use crate::space::Space;

    const HEADER: &str = "CIFAR10TestAccuracy200Epochs,CIFAR100TestAccuracy200Epochs,\
                          ImageNetTestAccuracy200Epochs,ArchitectureString,UniqueString\n";

    fn indices(mut number: usize) -> [usize; EDGES] {
        let mut indices = [0; EDGES];
        for index in indices.iter_mut().rev() {
            *index = number % OPERATIONS.len();
            number /= OPERATIONS.len();
        }
        indices
    }

    /// A table in which every architecture has a different accuracy.
    fn text() -> String {
        let rows = (0..ARCHITECTURES).map(|n| {
            let share = n as f64 / ARCHITECTURES as f64;
            format!("{},{},{},{},x\n", 90.0 * share, 60.0 * share, 30.0 * share, architecture(&indices(n)))
        });
        HEADER.to_owned() + &rows.collect::<String>()
    }

    #[test]
    fn every_architecture_is_found_under_its_indices() {
        let table = Table::parse(&text()).expect("a table");
        for n in 0..ARCHITECTURES {
            let share = n as f64 / ARCHITECTURES as f64;
            let found = Dataset::ALL.map(|dataset| table.accuracy(dataset, &indices(n)));
            assert_eq!(found, [90.0 * share, 60.0 * share, 30.0 * share]);
        }
    }

    #[test]
    fn the_higher_accuracy_has_the_lower_loss_and_an_abort_is_obeyed() {
        let table = Table::parse(&text()).expect("a table");
        let mut estimator = TableEstimator::new(&table, Dataset::Cifar100);
        let candidate =
            |indices: &[usize]| Candidate { individual: IndividualId(0), position: Space::encode(indices) };
        let estimation = Estimation {
            stage: crate::search::Stage::Search,
            generation: 0,
            pair: 0,
            repeat: 0,
            learning_rate: 0.0,
            drop_path: 0.0,
            candidates: vec![candidate(&[0; EDGES]), candidate(&[4; EDGES])],
        };
        let Ok(found) = estimator.estimate(&estimation, &|_, _| Flow::Go);
        let losses: Vec<_> = found.expect("not aborted").estimates.iter().map(|e| e.loss).collect();
        assert_eq!(losses, [Loss(100.0), Loss(100.0 - table.best(Dataset::Cifar100))]);
        let abort = |slot, _: BatchDone| if slot == Slot(1) { Flow::Abort } else { Flow::Go };
        assert_eq!(estimator.estimate(&estimation, &abort), Ok(None));
    }

    #[test]
    fn wrong_tables_are_refused_by_line() {
        let good = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|";
        let check = |text: &str, message: &str| {
            assert_eq!(Table::parse(text).expect_err(text).to_string(), message);
        };
        let rows = |rows: &str| format!("{HEADER}{rows}");
        check("", "line 1: there is no column `CIFAR10TestAccuracy200Epochs`");
        check(&rows("1,2\n"), "line 2: 2 columns, but line 1 names 5");
        check(&rows(&format!("1,101,3,{good},x")), "line 2: `101` is no accuracy in per cent for cifar100");
        check(&rows(&format!("1,NaN,3,{good},x")), "line 2: `NaN` is no accuracy in per cent for cifar100");
        check(
            &rows("\n1,2,3,|none~1|,x"),
            "line 3: `|none~1|` is no architecture such as |none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
        );
        check(
            &rows(&format!("1,2,3,{good},x\n1,2,3,{good},x")),
            &format!("line 3: the architecture `{good}` occurred before"),
        );
        check(
            &rows(&format!("1,2,3,{good},x\n")),
            "after line 2: the table ends with 1 of 15625 architectures",
        );
    }
}
