//! Settings laid over each other, each remembering where it came from.

use std::{collections::BTreeMap, fmt, ops::Range};

use toml::{
    Value,
    de::{DeTable, DeValue},
};

use super::{Config, DEFAULTS};
use crate::space::Space;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The embedded config.toml.
    BuiltIn,
    /// A file, and the line in it.
    File {
        name: String,
        line: usize,
    },
    /// An environment variable.
    Environment {
        variable: String,
    },
    Preset {
        name: String,
    },
    /// `--set` or another flag, as typed.
    Flag {
        text: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => write!(f, "built in"),
            Self::File { name, line } => write!(f, "{name}, line {line}"),
            Self::Environment { variable } => write!(f, "environment, {variable}"),
            Self::Preset { name } => write!(f, "preset {name}"),
            Self::Flag { text } => write!(f, "{text}"),
        }
    }
}

/// A value and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    pub value: Value,
    pub origin: Origin,
}

/// What is wrong with a setting, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{name}, line {line}: {message}")]
    Syntax { name: String, line: usize, message: String },
    #[error("{origin}: there is no setting `{key}`{hint}")]
    UnknownKey { key: String, origin: Origin, hint: String },
    #[error("{origin}: `{key}` takes {expected}, not {found}")]
    Type { key: String, origin: Origin, expected: &'static str, found: String },
    #[error("{origin}: `{key}` = {value} is out of range; expected {expected}")]
    Range { key: String, origin: Origin, value: String, expected: String },
    #[error("there is no preset `{name}`; there are {known}")]
    UnknownPreset { name: String, known: String },
    #[error("`{text}` is no setting; write section.key=value, such as search.seed=7")]
    Assignment { text: String },
}

/// All settings, later layers over earlier ones.
#[derive(Clone, Debug)]
pub struct Layers {
    settings: BTreeMap<String, Setting>,
    /// Settings of each preset, from the embedded file and later ones.
    presets: BTreeMap<String, BTreeMap<String, Value>>,
}

impl Default for Layers {
    fn default() -> Self {
        Self::built_in()
    }
}

impl Layers {
    /// The embedded config.toml alone.
    pub fn built_in() -> Self {
        let mut layers = Self { settings: BTreeMap::new(), presets: BTreeMap::new() };
        let entries = entries("config.toml", DEFAULTS).expect("the embedded config.toml is TOML");
        let (presets, settings): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|e| e.key.starts_with("preset."));
        for entry in settings {
            layers.settings.insert(entry.key, Setting { value: entry.value, origin: Origin::BuiltIn });
        }
        for entry in presets {
            layers.add_to_preset(entry).expect("the embedded presets set known keys");
        }
        layers
    }

    /// Lays a file's text over what is there; `name` is what errors call it.
    ///
    /// # Errors
    /// If it is not TOML, or sets a key that does not exist, or to another type.
    pub fn add_file(&mut self, name: &str, text: &str) -> Result<(), ConfigError> {
        for entry in entries(name, text)? {
            if entry.key.starts_with("preset.") {
                self.add_to_preset(entry)?;
            } else {
                self.set(&entry.key, entry.value, entry.origin)?;
            }
        }
        Ok(())
    }

    /// Lays environment variables over what is there: `RELATIVENAS_SECTION__KEY`. Names without
    /// `__` are no settings.
    ///
    /// # Errors
    /// If one names no setting or has another type.
    pub fn add_environment(
        &mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), ConfigError> {
        let mut ours: Vec<_> = variables
            .into_iter()
            .filter(|(name, _)| name.strip_prefix("RELATIVENAS_").is_some_and(|rest| rest.contains("__")))
            .collect();
        ours.sort();
        for (variable, text) in ours {
            let key = variable["RELATIVENAS_".len()..].replacen("__", ".", 1).to_lowercase();
            self.set(&key, self.read(&key, &text), Origin::Environment { variable })?;
        }
        Ok(())
    }

    /// Lays a preset over what is there.
    ///
    /// # Errors
    /// If there is no such preset.
    pub fn add_preset(&mut self, name: &str) -> Result<(), ConfigError> {
        let Some(preset) = self.presets.get(name).cloned() else {
            let known = self.presets.keys().cloned().collect::<Vec<_>>().join(", ");
            return Err(ConfigError::UnknownPreset { name: name.to_owned(), known });
        };
        for (key, value) in preset {
            self.set(&key, value, Origin::Preset { name: name.to_owned() })?;
        }
        Ok(())
    }

    /// Lays `section.key=value`, as typed after `--set`, over what is there.
    ///
    /// # Errors
    /// If it is no assignment, or names no setting, or has another type.
    pub fn add_assignment(&mut self, text: &str) -> Result<(), ConfigError> {
        let Some((key, value)) = text.split_once('=') else {
            return Err(ConfigError::Assignment { text: text.to_owned() });
        };
        let (key, value) = (key.trim(), value.trim());
        self.set(key, self.read(key, value), Origin::Flag { text: format!("--set {text}") })
    }

    /// Lays one value, as typed for its key, over what is there.
    ///
    /// # Errors
    /// If there is no such setting, or the text is no value of its type.
    pub fn add_typed(&mut self, key: &str, value: &str) -> Result<(), ConfigError> {
        self.set(key, self.read(key, value), Origin::Flag { text: format!("--set {key}={value}") })
    }

    /// Lays one value over what is there, as a flag such as `--seed 7` does.
    ///
    /// # Errors
    /// As [`Layers::add_assignment`].
    pub fn add_flag(&mut self, flag: &str, key: &str, value: &str) -> Result<(), ConfigError> {
        self.set(key, self.read(key, value), Origin::Flag { text: format!("{flag} {value}") })
    }

    /// Names of all presets.
    pub fn presets(&self) -> impl Iterator<Item = &str> {
        self.presets.keys().map(String::as_str)
    }

    /// Every setting by its key.
    pub fn settings(&self) -> impl Iterator<Item = (&str, &Setting)> {
        self.settings.iter().map(|(k, s)| (k.as_str(), s))
    }

    /// The checked configuration.
    ///
    /// # Errors
    /// If a value is none of those allowed, or out of range; the error says where it was set.
    pub fn config(&self) -> Result<Config, ConfigError> {
        let root = nested(&self.settings);
        self.check_choices(&root)?;
        let mut config: Config = Value::Table(root).try_into().map_err(|error| self.misfit(&error))?;
        // Finals that only a preset asked for are meant for searches that train something.
        let by_preset = |s: &Setting| matches!(s.origin, Origin::Preset { .. });
        if config.search.space == Space::NasBench201
            && self.settings.get("finals.architectures").is_some_and(by_preset)
        {
            config.finals.architectures = 0;
        }
        match config.out_of_range() {
            None => Ok(config),
            Some((key, expected)) => Err(self.range_error(key, expected.to_owned())),
        }
    }

    /// Settings that are one of a few words: serde's own errors would not say where they stand.
    fn check_choices(&self, root: &toml::Table) -> Result<(), ConfigError> {
        for (key, choices) in CHOICES {
            let (section, name) = key.split_once('.').unwrap_or(("", key));
            let found = root.get(section).and_then(|s| s.get(name)).and_then(Value::as_str);
            if !found.is_some_and(|f| choices.contains(&f)) {
                let hint = found.and_then(|f| crate::nearest(f, choices.iter().copied()));
                let hint = hint.map(|h| format!("; did you mean `{h}`?")).unwrap_or_default();
                return Err(self.range_error(key, format!("one of {}{hint}", choices.join(", "))));
            }
        }
        Ok(())
    }

    /// The error about a value that its type cannot hold. Serde does not say which: it is the one that
    /// does not go with what is built in either.
    fn misfit(&self, error: &toml::de::Error) -> ConfigError {
        let built_in = Self::built_in().settings;
        let fits = |(key, setting): (&String, &Setting)| {
            let mut settings = built_in.clone();
            settings.insert(key.clone(), setting.clone());
            Value::Table(nested(&settings)).try_into::<Config>().is_ok()
        };
        match self.settings.iter().find(|&entry| !fits(entry)) {
            Some((key, Setting { value: Value::Integer(_), .. })) => {
                self.range_error(key, format!("a number up to {}", u32::MAX))
            }
            Some((key, _)) => self.range_error(key, error.message().to_owned()),
            None => {
                let (name, message) = ("settings".to_owned(), error.message().to_owned());
                ConfigError::Syntax { name, line: 1, message }
            }
        }
    }

    fn range_error(&self, key: &str, expected: String) -> ConfigError {
        let setting = self.settings.get(key);
        ConfigError::Range {
            key: key.to_owned(),
            origin: setting.map_or(Origin::BuiltIn, |s| s.origin.clone()),
            value: setting.map_or_else(String::new, |s| s.value.to_string()),
            expected,
        }
    }

    /// Reads a text as the type that the setting has; as a string where that does not fit, so that
    /// the error about the type can quote it.
    fn read(&self, key: &str, text: &str) -> Value {
        match self.settings.get(key).map(|s| &s.value) {
            Some(Value::String(_)) | None => Value::String(text.to_owned()),
            Some(_) => text.parse().unwrap_or_else(|_| Value::String(text.to_owned())),
        }
    }

    fn set(&mut self, key: &str, value: Value, origin: Origin) -> Result<(), ConfigError> {
        let value = self.fit(key, value, &origin)?;
        self.settings.insert(key.to_owned(), Setting { value, origin });
        Ok(())
    }

    fn add_to_preset(&mut self, entry: Entry) -> Result<(), ConfigError> {
        let rest = entry.key["preset.".len()..].to_owned();
        let Some((name, key)) = rest.split_once('.') else {
            return Err(ConfigError::UnknownKey {
                key: entry.key,
                origin: entry.origin,
                hint: String::new(),
            });
        };
        let value = self.fit(key, entry.value, &entry.origin)?;
        self.presets.entry(name.to_owned()).or_default().insert(key.to_owned(), value);
        Ok(())
    }

    /// Checks that the key exists and the value has its type; a whole number may stand for a real one.
    fn fit(&self, key: &str, value: Value, origin: &Origin) -> Result<Value, ConfigError> {
        if key.starts_with("keys.") && value.is_str() {
            return Ok(value); // Actions are known to the screen, which checks them.
        }
        let Some(known) = self.settings.get(key) else {
            return Err(ConfigError::UnknownKey {
                key: key.to_owned(),
                origin: origin.clone(),
                hint: self.hint(key),
            });
        };
        match (&known.value, value) {
            (Value::Float(_), Value::Integer(whole)) => Ok(Value::Float(whole as f64)),
            (Value::Integer(_), Value::Integer(whole)) if whole < 0 => Err(ConfigError::Range {
                key: key.to_owned(),
                origin: origin.clone(),
                value: whole.to_string(),
                expected: "0 or above".to_owned(),
            }),
            (known, value) if known.same_type(&value) => Ok(value),
            // A number that no setting's type holds came as a text, so that it can be shown as it was typed.
            (Value::Integer(_), Value::String(text)) if is_beyond_all_numbers(&text) => {
                Err(ConfigError::Range {
                    key: key.to_owned(),
                    origin: origin.clone(),
                    value: text,
                    expected: format!("from 0 to {}", i64::MAX),
                })
            }
            (known, value) => Err(ConfigError::Type {
                key: key.to_owned(),
                origin: origin.clone(),
                expected: type_name(known),
                found: value.to_string(),
            }),
        }
    }

    fn hint(&self, key: &str) -> String {
        let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
        let names: Vec<_> = self.settings.keys().map(|k| last(k)).collect();
        // A name that is right but for its section is the likeliest slip.
        let Some(name) = crate::nearest(&last(key), names.iter().map(String::as_str)) else {
            return "; `relativenas config show` lists all settings".to_owned();
        };
        let (near, far): (Vec<_>, Vec<_>) = self
            .settings
            .keys()
            .filter(|k| last(k) == name)
            .partition(|k| k.split('.').next() == key.split('.').next());
        let meant: Vec<_> =
            if near.is_empty() { far } else { near }.iter().map(|k| format!("`{k}`")).collect();
        format!("; did you mean {}?", meant.join(" or "))
    }
}

const CHOICES: [(&str, &[&str]); 12] = [
    ("search.space", &["cells", "nas-bench-201"]),
    ("table.dataset", &["cifar10", "cifar100", "imagenet16"]),
    ("search.searcher", &["slow-fast", "random", "coin-flip", "regularized-evolution", "largest"]),
    ("finals.judge", &["training-loss", "validation-loss"]),
    ("device.precision", &["f32", "bf16"]),
    ("retrain.kind", &["cifar", "imagenet"]),
    ("retrain.schedule", &["cosine", "linear", "steps", "polynomial"]),
    ("retrain.task", &["classification", "detection", "segmentation", "keypoints"]),
    ("retrain.optimizer", &["sgd", "adam"]),
    ("screen.theme", &["dark", "light", "contrast"]),
    ("screen.color", &["auto", "truecolor", "256", "16", "none"]),
    ("screen.glyphs", &["auto", "braille", "block", "ascii"]),
];

/// Whether a text is digits, perhaps behind a sign.
fn is_whole_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a text is a whole number that TOML cannot hold.
fn is_beyond_all_numbers(text: &str) -> bool {
    is_whole_number(text) && text.parse::<i64>().is_err()
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Array(_) => "a list of whole numbers, such as [90, 120]",
        _ => "another type",
    }
}

/// Settings as the sections of one table.
fn nested(settings: &BTreeMap<String, Setting>) -> toml::Table {
    let mut root = toml::Table::new();
    root.insert("keys".to_owned(), Value::Table(toml::Table::new())); // Nothing in it by default.
    for (key, setting) in settings {
        let (section, name) = key.split_once('.').unwrap_or(("", key));
        let table = root.entry(section).or_insert_with(|| Value::Table(toml::Table::new()));
        if let Value::Table(table) = table {
            table.insert(name.to_owned(), setting.value.clone());
        }
    }
    root
}

/// A leaf of a TOML file.
struct Entry {
    key: String,
    value: Value,
    origin: Origin,
}

fn entries(name: &str, text: &str) -> Result<Vec<Entry>, ConfigError> {
    let line_of = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
    let syntax = |e: toml::de::Error| ConfigError::Syntax {
        name: name.to_owned(),
        line: e.span().map_or(1, |s: Range<usize>| line_of(s.start)),
        message: match e.span().and_then(|span| text.get(span)).filter(|found| is_whole_number(found)) {
            Some(number) => format!("{number} is out of range; whole numbers go from 0 to {}", i64::MAX),
            None => e.message().to_owned(),
        },
    };
    let table = DeTable::parse(text).map_err(syntax)?;
    let values: toml::Table = toml::from_str(text).map_err(syntax)?;
    let mut found = Vec::new();
    collect(table.get_ref(), &values, "", &mut |key, value, at| {
        let origin = Origin::File { name: name.to_owned(), line: line_of(at) };
        found.push(Entry { key, value: value.clone(), origin });
    });
    Ok(found)
}

/// Walks the spanned and the plain form of a table together: one knows lines, the other values.
fn collect(
    spanned: &DeTable<'_>,
    plain: &toml::Table,
    prefix: &str,
    leaf: &mut impl FnMut(String, &Value, usize),
) {
    for (key, value) in spanned.iter() {
        let name: &str = key.get_ref();
        let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
        match (value.get_ref(), plain.get(name)) {
            (DeValue::Table(inner), Some(Value::Table(values))) => collect(inner, values, &path, leaf),
            (_, Some(value)) => leaf(path, value, key.span().start),
            (_, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::Task;

    fn check_error(text: &str, message: &str) {
        let mut layers = Layers::built_in();
        let error = layers.add_file("my.toml", text).and_then(|()| layers.config().map(|_| ()));
        assert_eq!(error.expect_err(text).to_string(), message);
    }

    #[test]
    fn the_embedded_file_is_a_whole_configuration() {
        let config = Layers::built_in().config().expect("valid");
        assert_eq!(config.search.population, 20);
        // Every field of the structs is in the file and the other way round: deserialising needs
        // the one, and serialising back gives the other.
        let back = toml::Table::try_from(&config).expect("plain data");
        for (key, setting) in Layers::built_in().settings() {
            let (section, name) = key.split_once('.').expect("in a section");
            assert_eq!(back[section].get(name), Some(&setting.value), "{key}");
        }
    }

    #[test]
    fn every_preset_is_a_valid_configuration() {
        let presets: Vec<_> = Layers::built_in().presets().map(str::to_owned).collect();
        assert!(presets.contains(&"quick".to_owned()) && presets.contains(&"paper".to_owned()));
        for preset in presets {
            let mut layers = Layers::built_in();
            layers.add_preset(&preset).expect("known");
            layers.config().expect("valid");
        }
    }

    #[test]
    fn later_layers_win_and_are_remembered() {
        let mut layers = Layers::built_in();
        layers.add_file("a.toml", "[search]\nseed = 2\ngenerations = 3\n").expect("valid");
        layers.add_environment([("RELATIVENAS_SEARCH__SEED".into(), "3".into())]).expect("valid");
        layers.add_preset("quick").expect("known");
        layers.add_assignment("training.learning_rate = 1").expect("valid");
        layers.add_flag("--seed", "search.seed", "5").expect("valid");
        let config = layers.config().expect("valid");
        assert_eq!((config.search.seed, config.search.generations), (5, 10));
        assert_eq!(config.training.learning_rate, 1.0);
        let origins: BTreeMap<_, _> = layers.settings().map(|(k, s)| (k, s.origin.to_string())).collect();
        assert_eq!(origins["search.seed"], "--seed 5");
        assert_eq!(origins["search.generations"], "preset quick");
        assert_eq!(origins["training.learning_rate"], "--set training.learning_rate = 1");
        assert_eq!(origins["data.path"], "built in");
    }

    #[test]
    fn finals_of_a_preset_are_none_where_a_table_answers() {
        let mut layers = Layers::built_in();
        layers.add_preset("quick").expect("known");
        assert_eq!(layers.config().expect("valid").finals.architectures, 4);
        layers.add_assignment("search.space=nas-bench-201").expect("valid");
        assert_eq!(layers.config().expect("valid").finals.architectures, 0);
        layers.add_assignment("finals.architectures=4").expect("valid");
        layers.config().expect_err("asked for by name");
    }

    #[test]
    fn mistakes_name_the_file_the_line_and_the_way_out() {
        check_error(
            "[search]\n\npopulaton = 8\n",
            "my.toml, line 3: there is no setting `search.populaton`; did you mean `search.population`?",
        );
        check_error(
            "[search]\nbatch = 8\n",
            "my.toml, line 2: there is no setting `search.batch`; did you mean `retrain.batch` or `training.batch`?",
        );
        check_error(
            "[search]\nseed = \"a\"\n",
            "my.toml, line 2: `search.seed` takes a whole number, not \"a\"",
        );
        check_error(
            "[search]\npopulation = 7\n",
            "my.toml, line 2: `search.population` = 7 is out of range; expected an even number from 2 to 10000, \
             because individuals meet in pairs",
        );
        check_error(
            "[search]\ngenerations = 4\nwarm_up = 4\n",
            "my.toml, line 3: `search.warm_up` = 4 is out of range; expected fewer than search.generations, which it is \
             a part of",
        );
        check_error(
            "[search]\nseed = -1\n",
            "my.toml, line 2: `search.seed` = -1 is out of range; expected 0 or above",
        );
        check_error(
            "[retrain]\nepochs = 10\nwarmup_epochs = 4294967296\n",
            "my.toml, line 3: `retrain.warmup_epochs` = 4294967296 is out of range; expected a number up to 4294967295",
        );
        check_error(
            "[search]\nsearcher = \"slowfast\"\n",
            "my.toml, line 2: `search.searcher` = \"slowfast\" is out of range; expected one of slow-fast, random, \
             coin-flip, regularized-evolution, largest; did you mean `slow-fast`?",
        );
        check_error(
            "[preset.mine]\ntraining.lr = 1\n",
            "my.toml, line 2: there is no setting `training.lr`; `relativenas config show` lists all settings",
        );
        check_error(
            "[search]\nseed = 9223372036854775808\n",
            "my.toml, line 2: 9223372036854775808 is out of range; whole numbers go from 0 to 9223372036854775807",
        );
        check_error(
            "[finals]\narchitectures = 1\n",
            "my.toml, line 2: `finals.architectures` = 1 is out of range; expected 0 (no finals), or from 2 to 1000",
        );
        check_error(
            "[finals]\nepochs = 0\n",
            "my.toml, line 2: `finals.epochs` = 0 is out of range; expected from 1 to 1000",
        );
        check_error(
            "[search]\nmax_latency = -1.0\n",
            "my.toml, line 2: `search.max_latency` = -1.0 is out of range; expected 0 (no limit), or milliseconds \
             above 0",
        );
        check_error(
            "[search]\nmax_latency = inf\n",
            "my.toml, line 2: `search.max_latency` = inf is out of range; expected 0 (no limit), or milliseconds \
             above 0",
        );
        check_error(
            "[search]\nspace = \"nas-bench-201\"\nmax_latency = 2.5\n",
            "my.toml, line 3: `search.max_latency` = 2.5 is out of range; expected 0 where search.space is \
             nas-bench-201, in which no network is computed",
        );
        check_error(
            "[finals]\nseeds = 0\n",
            "my.toml, line 2: `finals.seeds` = 0 is out of range; expected from 1 to 20",
        );
        check_error(
            "[finals]\njudge = \"valid-loss\"\n",
            "my.toml, line 2: `finals.judge` = \"valid-loss\" is out of range; expected one of training-loss, \
             validation-loss; did you mean `validation-loss`?",
        );
        check_error(
            "[search]\nspace = \"nas-bench-201\"\n[finals]\narchitectures = 4\n",
            "my.toml, line 4: `finals.architectures` = 4 is out of range; expected 0 where search.space is \
             nas-bench-201, whose table has the figures of full trainings",
        );
        check_error("[search\n", "my.toml, line 1: unclosed table, expected `]`");
    }

    #[test]
    fn settings_that_do_not_go_with_a_task_say_so() {
        check_error(
            "[retrain]\ntask = \"detection\"\n",
            "built in: `retrain.kind` = \"cifar\" is out of range; expected imagenet where retrain.task is none of \
             classification: its backbone has strides of 8, 16 and 32",
        );
        check_error(
            "[retrain]\noptimizer = \"adam\"\n",
            "my.toml, line 2: `retrain.optimizer` = \"adam\" is out of range; expected sgd where retrain.task is \
             classification",
        );
        check_error(
            "[retrain]\nschedule = \"steps\"\n",
            "my.toml, line 2: `retrain.schedule` = \"steps\" is out of range; expected cosine or linear where \
             retrain.task is classification",
        );
        check_error(
            "[retrain]\nmilestones = [120, 90]\n",
            "my.toml, line 2: `retrain.milestones` = [120, 90] is out of range; expected epochs that rise, such as \
             [90, 120]",
        );
        check_error(
            "[retrain]\nmilestones = 90\n",
            "my.toml, line 2: `retrain.milestones` takes a list of whole numbers, such as [90, 120], not 90",
        );
        let mut layers = Layers::built_in();
        layers.add_preset("segmentation").expect("known");
        layers.add_assignment("retrain.batch=1").expect("a setting");
        assert_eq!(
            layers.config().expect_err("one image").to_string(),
            "--set retrain.batch=1: `retrain.batch` = 1 is out of range; expected 2 or more, because batch norm \
             after a mean over all pixels has no variance over one image"
        );
    }

    #[test]
    fn presets_of_tasks_are_the_published_settings() {
        let of = |preset: &str| {
            let mut layers = Layers::built_in();
            layers.add_preset(preset).expect("known");
            layers.config().expect("valid").retrain
        };
        for task in Task::ALL.into_iter().filter(|task| !task.is_classification()) {
            let retrain = of(task.name());
            assert_eq!((retrain.task, retrain.channels, retrain.cells), (task, 46, 14));
            assert_eq!(retrain.gradient_clip, 0.0);
        }
        let (detection, segmentation, keypoints) = (of("detection"), of("segmentation"), of("keypoints"));
        assert_eq!((detection.epochs, detection.batch, detection.learning_rate), (200, 32, 0.01));
        assert_eq!(
            (segmentation.crop, segmentation.warmup_steps, segmentation.weight_decay),
            (1024, 1000, 5e-4)
        );
        assert_eq!((keypoints.epochs, keypoints.batch, keypoints.milestones), (140, 128, vec![90, 120]));
    }

    #[test]
    fn numbers_beyond_every_type_are_shown_as_they_were_typed() {
        for typed in ["9223372036854775808", "18446744073709551616", "-9223372036854775809"] {
            let error = Layers::built_in().add_flag("--seed", "search.seed", typed).expect_err(typed);
            let expected = format!(
                "--seed {typed}: `search.seed` = {typed} is out of range; expected from 0 to 9223372036854775807"
            );
            assert_eq!(error.to_string(), expected);
        }
        Layers::built_in().add_flag("--seed", "search.seed", "9223372036854775807").expect("the largest");
    }

    #[test]
    fn environment_names_without_a_section_are_no_settings() {
        let mut layers = Layers::built_in();
        layers.add_environment([("RELATIVENAS_ENGINE".into(), "x".into())]).expect("ignored");
        let error = layers.add_environment([("RELATIVENAS_SEARCH__SEDE".into(), "3".into())]);
        assert_eq!(
            error.expect_err("unknown").to_string(),
            "environment, RELATIVENAS_SEARCH__SEDE: there is no setting `search.sede`; did you mean `search.seed`?"
        );
    }
}
