//! `config`: the settings, and where each came from.

use std::{collections::BTreeMap, io::Write, process::ExitCode};

use anyhow::Result;
use relativenas_core::config::{Layers, Origin};
use relativenas_ui::{KeyMap, TABLE};
use serde_json::{Map, Value, json};

use crate::{
    arguments::ConfigAction,
    context::Context,
    failure::misuse,
    settings::{self, Choices},
    written,
};

pub fn run(context: &Context, action: &ConfigAction, out: &mut dyn Write) -> Result<ExitCode> {
    match action {
        ConfigAction::Check { settings } => check(context, settings.choices(), out),
        ConfigAction::Show { settings, json } => show(&context.layers_under(settings.choices())?, *json, out),
    }
}

fn check(context: &Context, choices: Choices, out: &mut dyn Write) -> Result<ExitCode> {
    let layers = context.layers_under(choices)?;
    settings::checked(&layers)?;
    let changed = layers.settings().filter(|(_, s)| s.origin != Origin::BuiltIn).count();
    let changed = match changed {
        0 => "all are the built-in ones".to_owned(),
        1 => "1 is not the built-in one".to_owned(),
        many => format!("{many} are not the built-in ones"),
    };
    writeln!(out, "all settings are right; {changed}")?;
    Ok(ExitCode::SUCCESS)
}

fn show(layers: &Layers, as_json: bool, out: &mut dyn Write) -> Result<ExitCode> {
    let config = layers.config()?;
    KeyMap::new(&config.keys).map_err(|error| misuse(error.to_string()))?;
    let all = all(layers);
    if as_json {
        let settings: Map<_, _> =
            all.into_iter().map(|(key, s)| (key, json!({ "value": s.value, "origin": s.origin }))).collect();
        writeln!(out, "{}", serde_json::to_string(&settings)?)?;
    } else {
        let lines: Vec<_> =
            all.into_iter().map(|(key, s)| (format!("{key} = {}", s.written), s.origin)).collect();
        let width = lines.iter().map(|(text, _)| written::width(text)).max().unwrap_or(0);
        for (text, origin) in lines {
            writeln!(out, "{}  # {origin}", written::padded(&text, width))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A setting as `config show` prints it.
struct Shown {
    value: Value,
    /// The value, as it would be written in config.toml.
    written: String,
    origin: String,
}

/// Every setting by its key, and the keys of every action.
fn all(layers: &Layers) -> BTreeMap<String, Shown> {
    let set = layers.settings().map(|(key, s)| {
        let shown =
            Shown { value: json!(s.value), written: s.value.to_string(), origin: s.origin.to_string() };
        (key.to_owned(), shown)
    });
    // The configuration holds only the keys that were changed; the table of actions has the defaults.
    let keys = TABLE.iter().map(|action| {
        let value = json!(action.keys);
        let written = value.to_string();
        (format!("keys.{}", action.id), Shown { value, written, origin: Origin::BuiltIn.to_string() })
    });
    keys.chain(set).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_shown_with_its_origin() {
        let mut layers = Layers::built_in();
        layers.add_assignment("search.seed=7").expect("a setting");
        let mut out = Vec::new();
        show(&layers, false, &mut out).expect("valid");
        let text = String::from_utf8(out).expect("UTF-8");
        let line = text.lines().find(|l| l.starts_with("search.seed")).expect("shown");
        assert_eq!(
            line.split_once("#").expect("an origin"),
            (line[..line.find('#').unwrap_or(0)].as_ref(), " --set search.seed=7")
        );
        assert_eq!(text.lines().count(), layers.settings().count() + TABLE.len());
    }

    #[test]
    fn the_keys_of_every_action_are_shown_with_their_origin() {
        let mut layers = Layers::built_in();
        layers.add_assignment("keys.pause=f5").expect("a setting");
        let mut out = Vec::new();
        show(&layers, false, &mut out).expect("valid");
        let text = String::from_utf8(out).expect("UTF-8");
        let line = |key: &str| {
            let line = text.lines().find(|l| l.starts_with(key)).expect(key);
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(line("keys.pause "), "keys.pause = \"f5\" # --set keys.pause=f5");
        assert_eq!(line("keys.detach "), "keys.detach = \"q ctrl-c\" # built in");
        let mut out = Vec::new();
        show(&layers, true, &mut out).expect("valid");
        let json: Value = serde_json::from_slice(&out).expect("JSON");
        assert_eq!(json["keys.help"], json!({ "value": "?", "origin": "built in" }));
    }

    #[test]
    fn a_wrong_setting_is_refused_before_anything_is_shown() {
        for (wrong, problem) in [("screen.color=pink", "is out of range"), ("keys.puase=x", "no action")] {
            let mut layers = Layers::built_in();
            layers.add_assignment(wrong).expect("a setting");
            let mut out = Vec::new();
            let error = show(&layers, false, &mut out).expect_err(wrong).to_string();
            assert!(error.contains(problem) && out.is_empty(), "{error}");
        }
    }
}
