//! The lines of the form, and how their values are shown.

/// A line of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormLine {
    Preset,
    Name,
    /// The setting at this place of the form's settings.
    Setting(usize),
    /// Any other setting, as `key=value`.
    Other,
    Paused,
    /// The button that starts the run.
    Start,
}

/// A setting that has a line of its own because most runs set it. All others can be typed as `key=value`.
#[derive(Clone, Copy, Debug)]
pub struct FormSetting {
    pub group: &'static str,
    pub label: &'static str,
    pub key: &'static str,
    pub meaning: &'static str,
    /// The values to choose from; empty if the value is typed.
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
const KINDS: &[&str] = &["cifar", "imagenet"];
const SWITCH: &[&str] = &["true", "false"];
const DEVICES: &[&str] = &["auto", "cpu", "cuda"];

/// The settings in the form of a search.
pub const SEARCH: &[FormSetting] = &[
    of("data", "images", PATH_KEY, "a folder; tab completes", &[]),
    of("data", "to train on", "data.train_images", "0: the whole half", &[]),
    of("data", "to validate on", "data.valid_images", "0: the whole half", &[]),
    of("search", "space", "search.space", "nas-bench-201: losses of a table", SPACES),
    of("search", "searcher", "search.searcher", "slow-fast, or a control", SEARCHERS),
    of("search", "individuals", "search.population", "an even number", &[]),
    of("search", "generations", "search.generations", "", &[]),
    of("search", "seed", "search.seed", "the same seed, the same search", &[]),
    of("network", "channels", "network.channels", "of a node in the first cells", &[]),
    of("network", "cells", "network.cells", "", &[]),
    of("network", "batch", "training.batch", "images a step", &[]),
    of("machine", "device", "device.kind", "auto, cpu, cuda, cuda:0", DEVICES),
    of("machine", "threads", "device.threads", "0: one a core", &[]),
];

/// The settings in the form of a training.
pub const TRAINING: &[FormSetting] = &[
    of("data", "images", PATH_KEY, "a folder; tab completes", &[]),
    of("data", "to train on", "data.train_images", "0: all but those kept apart", &[]),
    of("data", "to validate on", "data.valid_images", "0: all that are kept apart", &[]),
    of("network", "kind", "retrain.kind", "imagenet: photographs", KINDS),
    of("network", "channels", "retrain.channels", "of a node in the first cells", &[]),
    of("network", "cells", "retrain.cells", "", &[]),
    of("training", "epochs", "retrain.epochs", "", &[]),
    of("training", "batch", "retrain.batch", "images a step", &[]),
    of("training", "auxiliary head", "retrain.auxiliary", "a classifier at two thirds", SWITCH),
    of("training", "seed", "retrain.seed", "the same seed, the same training", &[]),
    of("machine", "device", "device.kind", "auto, cpu, cuda, cuda:0", DEVICES),
    of("machine", "threads", "device.threads", "0: one a core", &[]),
];

/// The setting that names the folder of the images.
pub const PATH_KEY: &str = "data.path";

/// The line of that setting, in either form.
pub const PATH: FormLine = FormLine::Setting(0);

impl FormLine {
    /// All lines of a form with so many settings, from the top.
    pub fn all(settings: usize) -> Vec<Self> {
        let settings = (0..settings).map(Self::Setting);
        let first = [Self::Preset, Self::Name].into_iter();
        first.chain(settings).chain([Self::Other, Self::Paused, Self::Start]).collect()
    }

    /// The group that begins with this line.
    pub fn heading(self, settings: &[FormSetting]) -> &'static str {
        match self {
            Self::Preset => "run",
            Self::Setting(place) if place == 0 || settings[place - 1].group != settings[place].group => {
                settings[place].group
            }
            Self::Other => "more",
            _ => "",
        }
    }

    pub fn label(self, settings: &[FormSetting]) -> &'static str {
        match self {
            Self::Preset => "preset",
            Self::Name => "name",
            Self::Setting(place) => settings[place].label,
            Self::Other => "other settings",
            Self::Paused => "begin paused",
            Self::Start => "",
        }
    }
}

/// A value in words, as it is shown until it is edited. `training` is whether the form is that of a training, which
/// divides its images in another way than a search.
pub fn said(key: &str, value: &str, training: bool) -> String {
    match (key, value) {
        ("data.path", "") => "Fashion-MNIST, built in".to_owned(),
        ("data.train_images" | "data.valid_images", "0") if training => "all".to_owned(),
        ("retrain.auxiliary", "true") => "yes".to_owned(),
        ("retrain.auxiliary", "false") => "no".to_owned(),
        ("data.train_images" | "data.valid_images", "0") => "the whole half".to_owned(),
        ("device.kind", "auto") => "CUDA if any, else CPU".to_owned(),
        ("device.threads", "0") => "as many as cores".to_owned(),
        (_, value) => value.to_owned(),
    }
}
