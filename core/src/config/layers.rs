//! Settings in layers: later ones replace earlier ones, and each value keeps its origin.

use std::collections::BTreeMap;

use toml::Value;

use super::{
    Config, DEFAULTS,
    setting::{ConfigError, Origin, Setting},
    toml_file::{FileEntry, entries, is_whole_number},
};
use crate::space::Space;

/// The settings that take one of a few words, with these words.
const CHOICES: [(&str, &[&str]); 13] = [
    ("search.space", &["cells", "nas-bench-201"]),
    ("table.dataset", &["cifar10", "cifar100", "imagenet16"]),
    ("search.searcher", &["slow-fast", "random", "coin-flip", "regularized-evolution", "largest"]),
    ("search.judge", &["validation-loss", "training-loss"]),
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

/// All settings, in which later layers have replaced the values of earlier ones.
#[derive(Clone, Debug)]
pub struct Layers {
    settings: BTreeMap<String, Setting>,
    /// The settings of each preset, from the embedded config.toml and from files that were added.
    presets: BTreeMap<String, BTreeMap<String, Value>>,
}

impl Default for Layers {
    fn default() -> Self {
        Self::built_in()
    }
}

impl Layers {
    /// The settings of the embedded config.toml.
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

    /// Adds the settings of a file over the present ones; errors call the file `name`.
    ///
    /// # Errors
    /// If the text is not TOML, or sets a key that does not exist, or a value of another type.
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

    /// Adds the settings in environment variables, `RELATIVENAS_SECTION__KEY`, over the present ones.
    /// Variables without `__` are not settings.
    ///
    /// # Errors
    /// If a variable names no setting or has a value of another type.
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

    /// Adds the settings of a preset over the present ones.
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

    /// Adds `section.key=value`, as typed after `--set`, over the present settings.
    ///
    /// # Errors
    /// If the text is no assignment, names no setting, or has a value of another type.
    pub fn add_assignment(&mut self, text: &str) -> Result<(), ConfigError> {
        let Some((key, value)) = text.split_once('=') else {
            return Err(ConfigError::Assignment { text: text.to_owned() });
        };
        let (key, value) = (key.trim(), value.trim());
        self.set(key, self.read(key, value), Origin::Flag { text: format!("--set {text}") })
    }

    /// Adds one value, as typed for its key, over the present settings.
    ///
    /// # Errors
    /// If there is no such setting, or the text is no value of its type.
    pub fn add_typed(&mut self, key: &str, value: &str) -> Result<(), ConfigError> {
        self.set(key, self.read(key, value), Origin::Flag { text: format!("--set {key}={value}") })
    }

    /// Adds one value, as typed for a flag such as `--seed`, over the present settings.
    ///
    /// # Errors
    /// Fails for the same reasons as [`Layers::add_assignment`].
    pub fn add_flag(&mut self, flag: &str, key: &str, value: &str) -> Result<(), ConfigError> {
        self.set(key, self.read(key, value), Origin::Flag { text: format!("{flag} {value}") })
    }

    /// Adds the values of flags that were given: each with its name, and the key of its setting.
    ///
    /// # Errors
    /// As [`Layers::add_flag`].
    pub fn add_flags<'a>(
        &mut self,
        flags: impl IntoIterator<Item = (&'a str, &'a str, &'a Option<String>)>,
    ) -> Result<(), ConfigError> {
        flags.into_iter().try_for_each(|(flag, key, value)| {
            value.as_ref().map_or(Ok(()), |value| self.add_flag(flag, key, value))
        })
    }

    /// The names of all presets.
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
    /// If a value is not one of those allowed, or out of range; the error says where it was set.
    pub fn config(&self) -> Result<Config, ConfigError> {
        let root = nested(&self.settings);
        self.check_choices(&root)?;
        let mut config: Config = Value::Table(root).try_into().map_err(|error| self.misfit(&error))?;
        // Finals that only a preset sets are meant for searches with training, so a search of a table drops
        // them.
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

    /// Checks settings that are one of a few words, because serde's errors would not say where they were set.
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

    /// The error about a value that does not fit its type. Serde does not say which value it is: it is the
    /// one that, alone over the built-in ones, causes an error too.
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

    /// Parses a text as the type that the setting has; returns a string where that fails, so that the error
    /// about the type can quote it.
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

    fn add_to_preset(&mut self, entry: FileEntry) -> Result<(), ConfigError> {
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

    /// Checks that the key exists and the value has its type; an integer is accepted for a float.
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
            // An integer beyond 64 bits comes as a text, so that the error shows it as it was typed.
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
        // A name that is correct except for its section is the most likely mistake.
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

/// Whether a text is an integer that TOML cannot represent.
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

/// The settings as one table with the sections as tables within it.
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

#[cfg(test)]
mod tests;
