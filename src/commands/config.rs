//! `config`: the settings, and where each came from.

use std::{io::Write, process::ExitCode};

use anyhow::Result;
use relativenas_core::config::Layers;
use serde_json::{Map, json};

use crate::{
    arguments::{ConfigAction, SettingArguments},
    context::Context,
    settings,
};

pub fn run(context: &Context, action: &ConfigAction, out: &mut dyn Write) -> Result<ExitCode> {
    match action {
        ConfigAction::Check { settings } => check(context, settings, out),
        ConfigAction::Show { settings, json } => show(&context.layers(settings)?, *json, out),
    }
}

fn check(context: &Context, choices: &SettingArguments, out: &mut dyn Write) -> Result<ExitCode> {
    let layers = context.layers(choices)?;
    settings::checked(&layers)?;
    let changed = layers.settings().filter(|(_, s)| s.origin != relativenas_core::config::Origin::BuiltIn);
    writeln!(out, "all settings are right; {} are not the built-in ones", changed.count())?;
    Ok(ExitCode::SUCCESS)
}

fn show(layers: &Layers, as_json: bool, out: &mut dyn Write) -> Result<ExitCode> {
    if as_json {
        let settings: Map<_, _> = layers
            .settings()
            .map(|(key, s)| (key.to_owned(), json!({ "value": s.value, "origin": s.origin.to_string() })))
            .collect();
        writeln!(out, "{}", serde_json::to_string(&settings)?)?;
    } else {
        let lines: Vec<_> = layers
            .settings()
            .map(|(key, s)| (format!("{key} = {}", s.value), s.origin.to_string()))
            .collect();
        let width = lines.iter().map(|(text, _)| text.chars().count()).max().unwrap_or(0);
        for (text, origin) in lines {
            writeln!(out, "{text:width$}  # {origin}")?;
        }
    }
    // Shown first: whoever looks for a wrong value wants to see where it stands.
    layers.config()?;
    Ok(ExitCode::SUCCESS)
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
        assert_eq!(text.lines().count(), layers.settings().count());
    }
}
