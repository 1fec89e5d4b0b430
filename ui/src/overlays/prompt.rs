//! A question with one line for the answer, which is checked as it is typed.

use std::path::PathBuf;

use crossterm::event::{KeyCode, KeyEvent};
use relativenas_core::{
    population::IndividualId,
    protocol::{Command, StepUnit},
    published,
    space::Space,
    tabular,
};

use super::{reaction::Reaction, window::window};
use crate::{
    canvas::{Canvas, wrap},
    field::Field,
    messages::{Request, run_name},
    state::State,
    views::architecture::Beside,
    words,
};

/// The question that is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    StepMany,
    PauseAt,
    Inject,
    Branch,
    CompareWith,
    SearchLog,
    FilterRuns,
    RenameRun,
    AnnotateRun,
}

impl Purpose {
    fn title(self) -> &'static str {
        match self {
            Self::StepMany => "Step",
            Self::PauseAt => "Pause when a generation begins",
            Self::Inject => "Inject a genotype",
            Self::Branch => "Branch a new run",
            Self::CompareWith => "Compare with",
            Self::SearchLog => "Search the log",
            Self::FilterRuns => "Filter the runs",
            Self::RenameRun => "Rename the run",
            Self::AnnotateRun => "A note about the run",
        }
    }

    fn explanation(self, state: &State) -> String {
        let published = published::NAMES.join(", ");
        match self {
            Self::StepMany if state.is_training() => {
                "How far to go on, then pause: `5` or `5 epochs`.".to_owned()
            }
            Self::StepMany => "How far to go on, then pause: `5` or `5 pairs`, `2 generations`.".to_owned(),
            Self::PauseAt => {
                "The generation before which to pause; `never` takes such a pause back.".to_owned()
            }
            Self::Inject => {
                let place = state.search().zip(state.selected);
                let place = place.map(|(search, i)| words::individual(search, i)).unwrap_or_default();
                if state.is_in_table() {
                    return format!(
                        "An architecture as NAS-Bench-201 writes it, such as {ARCHITECTURE}, takes the place of \
                         individual {place}."
                    );
                }
                format!(
                    "A file with a genotype, or a published name ({published}), takes the place of individual \
                     {place}."
                )
            }
            Self::Branch => {
                "The generation that the new run begins with; what came before is shared.".to_owned()
            }
            Self::CompareWith if state.is_in_table() => "An individual's number.".to_owned(),
            Self::CompareWith => {
                format!("An individual's number, a published name ({published}), or a file with a genotype.")
            }
            Self::SearchLog => "Upper and lower case are the same.".to_owned(),
            Self::FilterRuns => {
                "Words of name, state, searcher, data or note, in either case; an empty line lists all runs."
                    .to_owned()
            }
            Self::RenameRun => {
                "Letters, digits, `.`, `_` and `-`; its folder has this name from then on.".to_owned()
            }
            Self::AnnotateRun => {
                "The note stands below the list, and the filter finds it; an empty note removes it."
                    .to_owned()
            }
        }
    }
}

/// The use of a genotype that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GenotypeUse {
    /// It is put in the place of this individual.
    Inject(IndividualId),
    Compare,
}

/// A question, and the answer so far.
#[derive(Clone, Debug)]
pub struct Prompt {
    purpose: Purpose,
    field: Field,
    explanation: String,
    /// The individual that the explanation names, whose place a genotype takes.
    individual: Option<IndividualId>,
    /// The folder of the run that a name or a note is for.
    folder: PathBuf,
    /// Why the text that was typed is no answer.
    error: Option<String>,
    /// The answer was sent, and the outcome is not known yet.
    waits: bool,
}

impl Prompt {
    pub fn new(purpose: Purpose, state: &State) -> Self {
        Self {
            purpose,
            field: Field::default(),
            explanation: purpose.explanation(state),
            individual: state.selected,
            folder: PathBuf::new(),
            error: None,
            waits: false,
        }
    }

    /// A question about a run in the list; its present name or note, `now`, can be edited.
    pub fn about(purpose: Purpose, state: &State, folder: PathBuf, now: &str) -> Self {
        Self { folder, ..Self::new(purpose, state).answered(now) }
    }

    /// The question with an answer that can be edited.
    pub fn answered(self, now: &str) -> Self {
        Self { field: Field::new(now), ..self }
    }

    pub fn is_waiting(&self) -> bool {
        self.waits
    }

    pub fn fail(&mut self, why: String) {
        (self.waits, self.error) = (false, Some(why));
    }

    /// The use of the genotype that was asked for under this name; `None` if the prompt does not wait for it.
    pub fn wanted(&self, name: &str) -> Option<GenotypeUse> {
        let named = self.waits && self.field.text().trim() == name;
        match self.purpose {
            Purpose::Inject if named => self.individual.map(GenotypeUse::Inject),
            Purpose::CompareWith if named => Some(GenotypeUse::Compare),
            _ => None,
        }
    }

    pub fn press(&mut self, state: &State, key: KeyEvent) -> Reaction {
        if self.waits {
            return Reaction::Stay;
        }
        if key.code != KeyCode::Enter {
            self.field.handle(key);
            self.check(state);
            return Reaction::Stay;
        }
        match self.answer(state) {
            Ok(reaction) => {
                self.waits = matches!(reaction, Reaction::Ask(_));
                reaction
            }
            Err(error) => {
                self.error = Some(error);
                Reaction::Stay
            }
        }
    }

    pub fn paste(&mut self, state: &State, text: &str) {
        if self.waits {
            return;
        }
        self.field.paste(text.trim());
        self.check(state);
    }

    fn check(&mut self, state: &State) {
        // An empty answer shows no error.
        self.error = if self.field.text().trim().is_empty() { None } else { self.answer(state).err() };
    }

    fn answer(&self, state: &State) -> Result<Reaction, String> {
        let text = self.field.text().trim();
        match self.purpose {
            Purpose::StepMany => step(text, Steps::of(state)).map(Reaction::Steer),
            Purpose::PauseAt => pause_at(text, state).map(Reaction::Steer),
            Purpose::Inject => {
                let individual = self.individual.ok_or("select an individual first")?;
                if state.is_in_table() {
                    return architecture(text)
                        .map(|position| Reaction::Steer(Command::Inject { individual, position }));
                }
                Ok(Reaction::Ask(Request::ReadGenotype { from: named(text)? }))
            }
            Purpose::Branch => branch(text, state).map(Reaction::Ask),
            Purpose::CompareWith => compare(text, state),
            Purpose::SearchLog if text.is_empty() => Err("type what to look for".to_owned()),
            Purpose::SearchLog => Ok(Reaction::Find(text.to_owned())),
            Purpose::FilterRuns => Ok(Reaction::Filter(text.to_owned())),
            Purpose::RenameRun => {
                let name = named(text)?;
                if name == run_name(&self.folder) {
                    return Err("this is its name already".to_owned());
                }
                Ok(Reaction::Ask(Request::Rename { folder: self.folder.clone(), name }))
            }
            Purpose::AnnotateRun => {
                let folder = self.folder.clone();
                Ok(Reaction::Request(Request::Annotate { folder, note: text.to_owned() }))
            }
        }
    }

    pub fn draw(&self, canvas: &mut Canvas<'_>) {
        let look = canvas.look;
        let palette = &look.palette;
        let width = canvas.width().min(72);
        let columns = width.saturating_sub(4);
        let explanation = wrap(&self.explanation, columns);
        let (words, style) = match &self.error {
            _ if self.waits => (format!("{} asked; esc closes this", look.glyphs.working), palette.dim),
            error => (error.clone().unwrap_or_default(), palette.warning),
        };
        let words = wrap(&words, columns);
        let mut outer = window(canvas, width, explanation.len() + 4 + words.len().max(2));
        let mut inside = outer.framed(self.purpose.title());
        for (y, line) in explanation.iter().enumerate() {
            inside.text(0, y, line, palette.dim);
        }
        let y = explanation.len() + 1;
        let x = inside.text(0, y, "> ", palette.key);
        self.field.draw(&mut inside, x, y, columns.saturating_sub(x), palette.strong);
        for (row, line) in words.iter().enumerate() {
            inside.text(0, y + 1 + row, line, style);
        }
    }
}

const ARCHITECTURE: &str =
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|skip_connect~0|nor_conv_1x1~1|avg_pool_3x3~2|";

/// The architecture vector of a string as NAS-Bench-201 publishes it.
fn architecture(text: &str) -> Result<Vec<f64>, String> {
    let indices = tabular::parse_architecture(text);
    let indices = indices.ok_or_else(|| "this is no architecture of NAS-Bench-201".to_owned())?;
    Ok(Space::encode(&indices))
}

fn named(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("type a name or a file".to_owned()) } else { Ok(text.to_owned()) }
}

/// The units in which a run can go on.
#[derive(Clone, Copy)]
struct Steps {
    units: &'static [(&'static str, StepUnit)],
    /// Examples of answers, for the message about one that cannot be read.
    such_as: &'static str,
    all: &'static str,
}

impl Steps {
    const SEARCH: Self = Self {
        units: &[("pairs", StepUnit::Pair), ("generations", StepUnit::Generation)],
        such_as: "5, 5 pairs or 2 generations",
        all: "pairs and generations",
    };
    const TRAINING: Self =
        Self { units: &[("epochs", StepUnit::Epoch)], such_as: "5 or 5 epochs", all: "epochs" };

    fn of(state: &State) -> Self {
        if state.is_training() { Self::TRAINING } else { Self::SEARCH }
    }
}

/// Reads `5`, `5 pairs`, `2 generations`, `2g`; in a training `5 epochs`. Without a unit, the first of `steps` is
/// meant.
fn step(text: &str, steps: Steps) -> Result<Command, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = text[digits..].trim();
    let count = text[..digits].parse().ok().filter(|count| *count > 0);
    let count = count.ok_or_else(|| format!("`{text}` is no count; write {}", steps.such_as))?;
    let found = steps.units.iter().find(|(word, _)| word.starts_with(unit));
    let (_, unit) = found.ok_or_else(|| format!("`{unit}` is no unit; there are {}", steps.all))?;
    Ok(Command::Step { unit: *unit, count })
}

fn generation(text: &str, range: std::ops::RangeInclusive<u32>) -> Result<u32, String> {
    let found = text.parse().ok().filter(|generation| range.contains(generation));
    found.ok_or_else(|| format!("`{text}` is no generation from {} to {}", range.start(), range.end()))
}

fn pause_at(text: &str, state: &State) -> Result<Command, String> {
    let search = state.search_now().ok_or("this is no search")?;
    if "never".starts_with(text) && !text.is_empty() {
        return Ok(Command::PauseAt { generation: None });
    }
    let (next, last) = (search.generation + 1, search.settings.generations);
    if next > last {
        return Err("the last generation is over".to_owned());
    }
    Ok(Command::PauseAt { generation: Some(generation(text, next..=last)?) })
}

fn branch(text: &str, state: &State) -> Result<Request, String> {
    let search = state.search_now().ok_or("this is no search")?;
    Ok(Request::Branch { generation: generation(text, 0..=search.generation)? })
}

fn compare(text: &str, state: &State) -> Result<Reaction, String> {
    let population = state.search().map_or(0, |search| search.population.len());
    if let Ok(individual) = text.parse::<IndividualId>() {
        if individual.0 >= population {
            return Err(format!(
                "there is no individual {individual}; they go from 0 to {}",
                population.saturating_sub(1)
            ));
        }
        return Ok(Reaction::Compare(Box::new(Beside::Individual(individual))));
    }
    if state.is_in_table() {
        return Err(format!("`{text}` is no individual; they go from 0 to {}", population.saturating_sub(1)));
    }
    if let Some(genotype) = published::genotype(text) {
        return Ok(Reaction::Compare(Box::new(Beside::Named(text.to_owned(), genotype))));
    }
    Ok(Reaction::Ask(Request::ReadGenotype { from: named(text)? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_as_people_write_them() {
        let pairs = |count| Ok(Command::Step { unit: StepUnit::Pair, count });
        let generations = |count| Ok(Command::Step { unit: StepUnit::Generation, count });
        let step = |text| step(text, Steps::SEARCH);
        assert_eq!(step("5"), pairs(5));
        assert_eq!(step("1 pair"), pairs(1));
        assert_eq!(step("2g"), generations(2));
        assert_eq!(step("12 generations"), generations(12));
        assert_eq!(step("0"), Err("`0` is no count; write 5, 5 pairs or 2 generations".to_owned()));
        assert_eq!(step("3 days"), Err("`days` is no unit; there are pairs and generations".to_owned()));
    }

    #[test]
    fn a_training_goes_on_by_epochs() {
        let epochs = |count| Ok(Command::Step { unit: StepUnit::Epoch, count });
        let step = |text| step(text, Steps::TRAINING);
        assert_eq!(step("3"), epochs(3));
        assert_eq!(step("1 epoch"), epochs(1));
        assert_eq!(step("0"), Err("`0` is no count; write 5 or 5 epochs".to_owned()));
        assert_eq!(step("2 generations"), Err("`generations` is no unit; there are epochs".to_owned()));
    }
}
