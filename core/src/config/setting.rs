//! A setting with its origin, and the errors about settings.

use std::fmt;

use toml::Value;

/// The layer that a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The embedded config.toml.
    BuiltIn,
    /// A line of a file.
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
    /// `--set` or another flag, as it was typed.
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

/// A value and its origin.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    pub value: Value,
    pub origin: Origin,
}

/// An error in the settings, which says where the value was set.
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
