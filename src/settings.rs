//! Settings, laid over each other: built in, the user's file, `--config`, environment, preset, flags.

use std::{env, io, path::Path};

use anyhow::{Context as _, Result};
use relativenas_core::config::{Config, Layers, Origin};
use relativenas_run::limited::read_text;
use relativenas_ui::KeyMap;

use crate::{
    failure::misuse,
    places::{Places, absolute},
};

/// The settings that were chosen for one command or in one form. They override those of files and environment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Choices<'a> {
    pub preset: Option<&'a str>,
    /// Settings as `section.key=value`, laid over the preset.
    pub assignments: &'a [String],
}

/// All layers of the settings, from the built-in ones to the choices.
///
/// # Errors
/// If a file cannot be read, or something sets a setting or chooses a preset that does not exist.
pub fn layers(places: &Places, config: Option<&Path>, choices: Choices) -> Result<Layers> {
    let environment = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    layers_of(places, config, environment, choices)
}

fn layers_of(
    places: &Places,
    config: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    choices: Choices,
) -> Result<Layers> {
    let mut layers = Layers::built_in();
    let own = &places.config_file;
    match read_text(own) {
        Ok(text) => layers.add_file(&own.display().to_string(), &text)?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e).with_context(|| format!("{}: cannot be read", own.display())),
    }
    if let Some(file) = config {
        let text = read_text(file)
            .map_err(|e| misuse(format!("--config {}: cannot be read: {e}", file.display())))?;
        layers.add_file(&file.display().to_string(), &text)?;
    }
    layers.add_environment(environment)?;
    if let Some(preset) = choices.preset {
        layers.add_preset(preset)?;
    }
    for text in choices.assignments {
        layers.add_assignment(text)?;
    }
    Ok(layers)
}

/// The configuration after checks, with absolute paths, because an engine may be started again in another
/// working directory.
///
/// # Errors
/// If a value is out of range, or the data's folder does not exist.
pub fn checked(layers: &Layers) -> Result<Config> {
    let mut config = layers.config()?;
    KeyMap::new(&config.keys).map_err(|error| misuse(error.to_string()))?;
    if !config.data.path.is_empty() {
        let folder = absolute(&config.data.path)?;
        if !folder.exists() {
            return Err(misuse(missing_data(layers, &folder)));
        }
        config.data.path = text_of(&folder)?;
    }
    if !config.retrain.backbone.is_empty() {
        let file = absolute(&config.retrain.backbone)?;
        if !file.is_file() {
            return Err(misuse(format!("retrain.backbone: there is no file {}", file.display())));
        }
        config.retrain.backbone = text_of(&file)?;
    }
    if !config.run.directory.is_empty() {
        config.run.directory = text_of(&absolute(&config.run.directory)?)?;
    }
    Ok(config)
}

fn text_of(path: &Path) -> Result<String> {
    path.to_str()
        .map(str::to_owned)
        .ok_or_else(|| misuse(format!("{}: the path is not UTF-8; rename the folder", path.display())))
}

fn missing_data(layers: &Layers, folder: &Path) -> String {
    let origin = layers.settings().find(|(key, _)| *key == "data.path").map(|(_, s)| &s.origin);
    let origin = origin.unwrap_or(&Origin::BuiltIn);
    format!(
        "{origin}: there is no folder {}. CIFAR-10 and CIFAR-100 are at \
         https://www.cs.toronto.edu/~kriz/cifar.html (the binary or the Python version, unpacked); without \
         data.path the embedded Fashion-MNIST is used",
        folder.display()
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn places(folder: &Path) -> Places {
        Places { config_file: folder.join("config.toml"), runs: folder.join("runs") }
    }

    fn origin(layers: &Layers, key: &str) -> String {
        let (_, setting) = layers.settings().find(|(k, _)| *k == key).expect(key);
        format!("{} from {}", setting.value, setting.origin)
    }

    #[test]
    fn later_layers_win() {
        let folder = tempfile::tempdir().expect("a folder");
        let (user, given) = (folder.path().join("config.toml"), folder.path().join("given.toml"));
        fs::write(&user, "[search]\nseed = 2\npopulation = 4\ngenerations = 9\n").expect("written");
        fs::write(&given, "search.seed = 3\nsearch.population = 6\n").expect("written");
        let environment = [("RELATIVENAS_SEARCH__SEED", "4"), ("RELATIVENAS_ENGINE", "/no/setting")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()));
        let assignments = ["network.cells=3".to_owned()];
        let chosen = Choices { preset: Some("quick"), assignments: &assignments };
        let layers = layers_of(&places(folder.path()), Some(&given), environment, chosen).expect("valid");
        assert_eq!(origin(&layers, "search.seed"), "4 from environment, RELATIVENAS_SEARCH__SEED");
        assert_eq!(origin(&layers, "search.population"), "10 from preset quick");
        assert_eq!(origin(&layers, "network.cells"), "3 from --set network.cells=3");
        assert_eq!(origin(&layers, "training.momentum"), "0.9 from built in");
    }

    #[test]
    fn errors_name_file_line_and_way_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let places = places(folder.path());
        fs::write(&places.config_file, "[search]\n\npopulaton = 4\n").expect("written");
        let error = layers_of(&places, None, [], Choices::default()).expect_err("a typing error");
        assert_eq!(
            error.to_string(),
            format!(
                "{}, line 3: there is no setting `search.populaton`; did you mean `search.population`?",
                places.config_file.display()
            )
        );
    }

    #[test]
    fn settings_without_end_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let none = Choices::default();
        let error = layers_of(&places(folder.path()), Some(Path::new("/dev/zero")), [], none);
        let expected = "--config /dev/zero: cannot be read: it has more than 1048576 bytes";
        assert_eq!(error.expect_err("endless").to_string(), expected);
    }

    #[test]
    fn missing_data_is_noticed_before_an_engine_starts() {
        let mut layers = Layers::built_in();
        layers.add_flag("--data", "data.path", "/nowhere/cifar").expect("a setting");
        let error = checked(&layers).expect_err("no folder").to_string();
        assert!(
            error.starts_with("--data /nowhere/cifar: there is no folder /nowhere/cifar. CIFAR-10"),
            "{error}"
        );
    }
}
