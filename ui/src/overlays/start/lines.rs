//! The lines of the form, and how their values are said to a person.

/// A line of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormLine {
    Preset,
    Name,
    /// The setting at this place of [`SETTINGS`].
    Setting(usize),
    /// Any other setting, as `key=value`.
    Other,
    Paused,
    /// The button that starts the search.
    Start,
}

/// A setting that has a line of its own because most searches set it. All others can be typed as `key=value`.
#[derive(Clone, Copy, Debug)]
pub struct FormSetting {
    pub group: &'static str,
    pub label: &'static str,
    pub key: &'static str,
    pub meaning: &'static str,
    /// What there is to choose from; empty where anything may be typed.
    pub choices: &'static [&'static str],
}

const fn of(
    group: &'static str,
    label: &'static str,
    key: &'static str,
    meaning: &'static str,
    choices: &'static [&'static str],
) -> FormSetting {
    FormSetting { group, label, key, meaning, choices }
}

const SPACES: &[&str] = &["cells", "nas-bench-201"];
const SEARCHERS: &[&str] = &["slow-fast", "random", "coin-flip", "regularized-evolution", "largest"];
const DEVICES: &[&str] = &["auto", "cpu", "cuda"];

pub const SETTINGS: [FormSetting; 13] = [
    of("data", "images", "data.path", "a folder; tab completes", &[]),
    of("data", "to train on", "data.train_images", "0: the whole half", &[]),
    of("data", "to judge on", "data.valid_images", "0: the whole half", &[]),
    of("search", "space", "search.space", "nas-bench-201: a table answers", SPACES),
    of("search", "searcher", "search.searcher", "slow-fast, or a control", SEARCHERS),
    of("search", "individuals", "search.population", "even", &[]),
    of("search", "generations", "search.generations", "", &[]),
    of("search", "seed", "search.seed", "the same seed, the same search", &[]),
    of("network", "channels", "network.channels", "of a node in the first cells", &[]),
    of("network", "cells", "network.cells", "", &[]),
    of("network", "batch", "training.batch", "images a step", &[]),
    of("machine", "device", "device.kind", "auto, cpu, cuda, cuda:0", DEVICES),
    of("machine", "threads", "device.threads", "0: one a core", &[]),
];

/// The line with the folder of the images.
pub const PATH: FormLine = FormLine::Setting(0);

impl FormLine {
    /// All lines, from the top.
    pub fn all() -> Vec<Self> {
        let settings = (0..SETTINGS.len()).map(Self::Setting);
        let first = [Self::Preset, Self::Name].into_iter();
        first.chain(settings).chain([Self::Other, Self::Paused, Self::Start]).collect()
    }

    /// The group that begins with this line.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Preset => "run",
            Self::Setting(place) if place == 0 || SETTINGS[place - 1].group != SETTINGS[place].group => {
                SETTINGS[place].group
            }
            Self::Other => "more",
            _ => "",
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Preset => "preset",
            Self::Name => "name",
            Self::Setting(place) => SETTINGS[place].label,
            Self::Other => "other settings",
            Self::Paused => "begin paused",
            Self::Start => "",
        }
    }
}

/// A value as a person would say it, until it is edited.
pub fn said(key: &str, value: &str) -> String {
    match (key, value) {
        ("data.path", "") => "Fashion-MNIST, built in".to_owned(),
        ("data.train_images" | "data.valid_images", "0") => "the whole half".to_owned(),
        ("device.kind", "auto") => "CUDA if there is some, else CPU".to_owned(),
        ("device.threads", "0") => "as many as cores".to_owned(),
        (_, value) => value.to_owned(),
    }
}
