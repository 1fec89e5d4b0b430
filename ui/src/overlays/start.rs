//! The form of a new search or training, which shows what will run and checks every value as it is typed.

mod draw;
mod lines;

use crossterm::event::{KeyCode, KeyEvent};
use relativenas_core::config::{Layers, Origin};

use self::lines::{FormLine, FormSetting, PATH, PATH_KEY, SEARCH, TRAINING, said};
use super::reaction::Reaction;
use crate::{
    field::Field,
    messages::{Architecture, Plan, Request},
};

/// The preset that is chosen first in a search: its searches take a minute or two.
const FIRST_PRESET: &str = "quick";

/// The present state of the form.
#[derive(Clone, Debug)]
pub struct Start {
    /// What is trained; `None` is the form of a search.
    architecture: Option<Architecture>,
    base: Layers,
    settings: &'static [FormSetting],
    /// Names of the presets that change such a run; the empty name stands for no preset.
    presets: Vec<String>,
    preset: usize,
    line: usize,
    name: Field,
    /// The text that was typed for each setting; `None` for a setting that was not changed.
    typed: Vec<Option<Field>>,
    other: Field,
    paused: bool,
    checked: Checked,
    /// The server's last answer about this form.
    plan: Plan,
    /// The number of the newest [`Request::Plan`].
    asked: u64,
    /// The run was asked for, and the outcome is not known yet.
    waits: bool,
}

/// Whether a preset sets anything that matters in a training or, if `training` is false, in a search. Settings that
/// begin with `retrain.` matter in trainings, all others in searches.
fn changes(base: &Layers, preset: &str, training: bool) -> bool {
    let mut layers = base.clone();
    let laid = layers.add_preset(preset).is_ok();
    laid && layers.settings().any(|(key, setting)| {
        let set_here = matches!(&setting.origin, Origin::Preset { name } if name == preset);
        set_here && key.starts_with("retrain.") == training
    })
}

/// The settings that the form describes, and what is wrong with them.
#[derive(Clone, Debug)]
struct Checked {
    layers: Layers,
    error: Option<String>,
}

impl Start {
    /// The form of a search, or of the training of an architecture.
    pub fn new(base: &Layers, architecture: Option<Architecture>) -> Self {
        let base = base.clone();
        let training = architecture.is_some();
        let of_such = base.presets().filter(|name| changes(&base, name, training)).map(str::to_owned);
        let mut presets: Vec<_> = of_such.collect();
        presets.sort_by_key(|name| name != FIRST_PRESET);
        // A training is by default what the settings say.
        presets.insert(if training { 0 } else { presets.len() }, String::new());
        let checked = Checked { layers: base.clone(), error: None };
        let settings = if training { TRAINING } else { SEARCH };
        let mut form = Self {
            architecture,
            base,
            settings,
            presets,
            preset: 0,
            line: 0,
            name: Field::default(),
            typed: vec![None; settings.len()],
            other: Field::default(),
            paused: false,
            checked,
            plan: Plan::default(),
            asked: 0,
            waits: false,
        };
        form.check();
        form
    }

    pub fn is_waiting(&self) -> bool {
        self.waits
    }

    /// Shows why the run did not start, until something is changed.
    pub fn fail(&mut self, why: String) {
        (self.waits, self.checked.error) = (false, Some(why));
    }

    /// Takes the server's answer, unless the form was changed after the request.
    pub fn planned(&mut self, id: u64, plan: Plan) {
        if id == self.asked {
            self.plan = plan;
        }
    }

    /// The request that asks the server what a run with these settings would take.
    pub fn plan(&mut self) -> Request {
        self.asked += 1;
        let settings = if self.checked.error.is_none() { self.settings() } else { Vec::new() };
        let path = self.typed[0].as_ref().map(|field| field.text().to_owned());
        let architecture = self.architecture.clone();
        Request::Plan { id: self.asked, architecture, preset: self.preset(), settings, path }
    }

    pub fn press(&mut self, key: KeyEvent) -> Reaction {
        if self.waits {
            return Reaction::Stay;
        }
        let lines = self.lines();
        let step = |line: usize, by: usize| (line + by) % lines.len();
        match (key.code, self.here()) {
            (KeyCode::Enter, FormLine::Start) => {
                // After a failure, trying again may succeed: a missing folder may exist by now.
                self.check();
                self.waits = self.checked.error.is_none();
                return if self.waits { Reaction::Ask(self.request()) } else { Reaction::Stay };
            }
            (KeyCode::Tab, PATH) if self.complete() => {}
            (KeyCode::Up | KeyCode::BackTab, _) => {
                self.line = step(self.line, lines.len() - 1);
                return Reaction::Stay;
            }
            (KeyCode::Down | KeyCode::Tab | KeyCode::Enter, _) => {
                self.line = step(self.line, 1);
                return Reaction::Stay;
            }
            (KeyCode::Left, FormLine::Preset) => self.choose_preset(self.presets.len() - 1),
            (KeyCode::Right | KeyCode::Char(' '), FormLine::Preset) => self.choose_preset(1),
            (KeyCode::Left | KeyCode::Right | KeyCode::Char(' '), FormLine::Paused) => {
                self.paused = !self.paused;
            }
            (KeyCode::Left, FormLine::Setting(place)) if !self.settings[place].choices.is_empty() => {
                self.choose(place, self.settings[place].choices.len() - 1);
            }
            (KeyCode::Right | KeyCode::Char(' '), FormLine::Setting(place))
                if !self.settings[place].choices.is_empty() =>
            {
                self.choose(place, 1);
            }
            _ => {
                if let Some(field) = self.field() {
                    field.handle(key);
                }
            }
        }
        self.check();
        Reaction::Ask(self.plan())
    }

    pub fn paste(&mut self, text: &str) {
        if self.waits {
            return;
        }
        if let Some(field) = self.field() {
            field.paste(text);
        }
        self.check();
    }

    fn lines(&self) -> Vec<FormLine> {
        FormLine::all(self.settings.len())
    }

    fn here(&self) -> FormLine {
        self.lines().get(self.line).copied().unwrap_or(FormLine::Start)
    }

    fn choose_preset(&mut self, by: usize) {
        self.preset = (self.preset + by) % self.presets.len();
    }

    /// Selects the next choice of a setting that has a list of choices.
    fn choose(&mut self, place: usize, by: usize) {
        let choices = self.settings[place].choices;
        let value = self.value(self.settings[place].key);
        let at = choices.iter().position(|choice| *choice == value).unwrap_or(0);
        self.typed[place] = Some(Field::new(choices[(at + by) % choices.len()]));
    }

    /// Completes the folder's path as far as it is unambiguous; returns whether anything was added.
    fn complete(&mut self) -> bool {
        let Some(field) = &self.typed[0] else { return false };
        let typed = field.text().to_owned();
        let common = self.plan.completions.iter().cloned().reduce(|common, other| {
            common.chars().zip(other.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
        });
        let Some(longer) = common.filter(|common| common.len() > typed.len()) else { return false };
        self.typed[0] = Some(Field::new(longer));
        true
    }

    /// The text field of the selected line. When it is first edited, it holds the present value,
    /// unless that is said in words, which what is typed replaces.
    fn field(&mut self) -> Option<&mut Field> {
        match self.here() {
            FormLine::Name => Some(&mut self.name),
            FormLine::Other => Some(&mut self.other),
            FormLine::Setting(place) => {
                let key = self.settings[place].key;
                let value = self.value(key);
                let plain = said(key, &value, self.architecture.is_some()) == value;
                Some(
                    self.typed[place]
                        .get_or_insert_with(|| Field::new(if plain { value } else { String::new() })),
                )
            }
            FormLine::Preset | FormLine::Paused | FormLine::Start => None,
        }
    }

    fn value(&self, key: &str) -> String {
        let setting = self.checked.layers.settings().find(|(name, _)| *name == key);
        setting
            .map(|(_, setting)| {
                setting.value.as_str().map_or_else(|| setting.value.to_string(), str::to_owned)
            })
            .unwrap_or_default()
    }

    fn preset(&self) -> Option<String> {
        Some(self.presets[self.preset].clone()).filter(|name| !name.is_empty())
    }

    /// Keys and values of all settings that were typed.
    fn settings(&self) -> Vec<(String, String)> {
        let typed = self.settings.iter().zip(&self.typed).filter_map(|(setting, field)| {
            let text = field.as_ref()?.text().trim();
            // An empty line leaves a setting as it was; without a folder, the images that are built in are taken.
            let says = !text.is_empty() || setting.key == PATH_KEY;
            says.then(|| (setting.key.to_owned(), text.to_owned()))
        });
        let other = self.other.text().split_whitespace().filter_map(|word| {
            let (key, value) = word.split_once('=')?;
            Some((key.to_owned(), value.to_owned()))
        });
        typed.chain(other).collect()
    }

    fn check(&mut self) {
        let mut layers = self.base.clone();
        let mut lay = || {
            if let Some(preset) = self.preset() {
                layers.add_preset(&preset)?;
            }
            for (key, value) in self.settings() {
                layers.add_typed(&key, &value)?;
            }
            for word in self.other.text().split_whitespace().filter(|word| !word.contains('=')) {
                layers.add_assignment(word)?;
            }
            layers.config().map(|_| ())
        };
        let error = lay().err().map(|error| {
            // The form shows the setting's origin itself, so the message leaves it out.
            let message = error.to_string();
            message
                .split_once(": ")
                .filter(|(origin, _)| origin.starts_with("--set"))
                .map_or(message.clone(), |(_, rest)| rest.to_owned())
        });
        self.checked = Checked { layers, error };
    }

    fn request(&self) -> Request {
        let name = Some(self.name.text().trim().to_owned()).filter(|name| !name.is_empty());
        Request::Start {
            architecture: self.architecture.clone(),
            preset: self.preset(),
            settings: self.settings(),
            name,
            paused: self.paused,
        }
    }
}
