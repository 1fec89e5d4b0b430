//! Remembering a theme that was picked on the screen, in the user's own settings.

use std::{fs, io, path::Path};

use anyhow::{Context as _, Result, ensure};
use relativenas_core::config::{Layers, Origin, Theme};
use relativenas_run::limited::read_text;

use crate::atomic;

const KEY: &str = "screen.theme";

/// Writes a theme into the user's settings; everything else in the file, comments included, stays as it is.
/// Returns a sentence for the screen.
///
/// # Errors
/// If the file cannot be read or written, or would not be valid settings.
pub fn remember(path: &Path, theme: Theme) -> Result<String> {
    let name = name(theme);
    let shown = path.display();
    // A link to a file elsewhere stays a link.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let before = match read_text(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("{shown}: cannot be read")),
    };
    let after = with_theme(&before, name);
    let understood = themed(&after).is_some_and(|(found, _)| found == name);
    ensure!(understood, "{shown}: write `theme = \"{name}\"` under [screen] to keep the theme");
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("{}: cannot be made", folder.display()))?;
    }
    atomic::write(path, after.as_bytes())?;
    Ok(format!("theme {name}, from now on; {shown} says so"))
}

fn name(theme: Theme) -> &'static str {
    match theme {
        Theme::Dark => "dark",
        Theme::Light => "light",
        Theme::Contrast => "contrast",
    }
}

/// The theme that a file of settings sets, and the line on which it does, counted from 1.
fn themed(text: &str) -> Option<(String, usize)> {
    let mut layers = Layers::built_in();
    layers.add_file("user", text).ok()?;
    let (_, setting) = layers.settings().find(|(key, _)| *key == KEY)?;
    match &setting.origin {
        Origin::File { name, line } if name == "user" => Some((setting.value.as_str()?.to_owned(), *line)),
        _ => None,
    }
}

/// The text of the settings with a theme: in place of the value where one is set, else below `[screen]`, else
/// above the first table.
fn with_theme(text: &str, name: &str) -> String {
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    if let Some(last) = lines.last_mut().filter(|line| !line.ends_with('\n')) {
        last.push_str(end);
    }
    let setting = format!("theme = \"{name}\"{end}");
    if let Some((before, number)) = themed(text)
        && let Some(line) = number.checked_sub(1).and_then(|at| lines.get_mut(at))
    {
        if let Some(changed) = with_value(line, &before, name) {
            *line = changed;
        }
    } else if let Some(at) = lines.iter().position(|line| is_header(line, "screen")) {
        lines.insert(at + 1, setting);
    } else {
        lines.insert(0, format!("screen.{setting}"));
    }
    lines.concat()
}

/// A line that sets the theme, with another value; `None` if it is written in an unusual way.
fn with_value(line: &str, before: &str, name: &str) -> Option<String> {
    let key = line.find("theme")?;
    let start = key + line[key..].find('=')? + 1;
    let (head, value) = line.split_at(start);
    let (blanks, quoted) = value.split_at(value.len() - value.trim_start().len());
    let quote = quoted.chars().next()?;
    let rest = quoted.strip_prefix(&format!("{quote}{before}{quote}"))?;
    Some(format!("{head}{blanks}{quote}{name}{quote}{rest}"))
}

/// Whether a line begins the table of this name.
fn is_header(line: &str, name: &str) -> bool {
    let inside = line.trim().strip_prefix('[').and_then(|rest| rest.split_once(']'));
    inside.is_some_and(|(inside, _)| inside.trim() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_theme_is_written_among_the_settings_and_all_else_stays() {
        let check = |before: &str, after: &str| assert_eq!(with_theme(before, "light"), after);
        check("", "screen.theme = \"light\"\n");
        check("# mine\n[search]\nseed = 2\n", "screen.theme = \"light\"\n# mine\n[search]\nseed = 2\n");
        check(
            "[screen] # how it looks\nbell = false\n",
            "[screen] # how it looks\ntheme = \"light\"\nbell = false\n",
        );
        check("[screen]\ntheme = 'dark'   # by day\n", "[screen]\ntheme = 'light'   # by day\n");
        // The value alone is another one, and lines end as they did.
        check("screen.theme = 'dark' # not \"dark\"\n", "screen.theme = 'light' # not \"dark\"\n");
        check("[screen]\r\ntheme = \"dark\"\r\n", "[screen]\r\ntheme = \"light\"\r\n");
        check("[screen]\r\nbell = false", "[screen]\r\ntheme = \"light\"\r\nbell = false\r\n");
        check("screen.theme = \"contrast\"\n", "screen.theme = \"light\"\n");
        check(
            "screen = { theme = \"dark\", bell = true }\n",
            "screen = { theme = \"light\", bell = true }\n",
        );
    }

    #[test]
    fn what_was_written_is_what_the_next_screen_begins_with() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("relativenas/config.toml");
        for theme in [Theme::Light, Theme::Contrast, Theme::Dark] {
            let said = remember(&path, theme).expect("written");
            assert_eq!(said, format!("theme {}, from now on; {} says so", name(theme), path.display()));
            let mut layers = Layers::built_in();
            layers.add_file("user", &fs::read_to_string(&path).expect("there")).expect("settings");
            assert_eq!(layers.config().expect("valid").screen.theme, theme);
        }
        assert_eq!(fs::read_to_string(&path).expect("there"), "screen.theme = \"dark\"\n");
    }

    #[test]
    fn settings_that_are_not_understood_are_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("config.toml");
        fs::write(&path, "[screen\n").expect("written");
        let error = remember(&path, Theme::Light).expect_err("no settings").to_string();
        assert_eq!(
            error,
            format!("{}: write `theme = \"light\"` under [screen] to keep the theme", path.display())
        );
        assert_eq!(fs::read_to_string(&path).expect("there"), "[screen\n");
    }
}
