//! Which settings of a `run.toml` were edited since its run began.

use std::collections::BTreeMap;

use relativenas_core::manifest::Manifest;
use serde_json::Value;

/// Sections of the configuration that do not affect the results.
const LOOKS: [&str; 3] = ["screen", "run", "keys"];

/// Settings that differ, such as `network.channels was 4, is 8`.
pub fn edits(before: &Manifest, now: &Manifest) -> Vec<String> {
    let (before, now) = (settings(before), settings(now));
    let keys = before.keys().chain(now.keys().filter(|key| !before.contains_key(*key)));
    let shown = |value: Option<&Value>| value.map_or_else(|| "not set".to_owned(), Value::to_string);
    keys.filter(|key| before.get(*key) != now.get(*key))
        .map(|key| match key.as_str() {
            "genotype" => "the genotype is another".to_owned(),
            key => format!("{key} was {}, is {}", shown(before.get(key)), shown(now.get(key))),
        })
        .collect()
}

/// Every setting by its key, and what is trained.
fn settings(manifest: &Manifest) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    if let Ok(Value::Object(sections)) = serde_json::to_value(&manifest.config) {
        for (section, content) in sections.into_iter().filter(|(name, _)| !LOOKS.contains(&name.as_str())) {
            let Value::Object(content) = content else { continue };
            all.extend(content.into_iter().map(|(name, value)| (format!("{section}.{name}"), value)));
        }
    }
    if let Some(genotype) = &manifest.genotype {
        all.insert("genotype".to_owned(), serde_json::to_value(genotype).unwrap_or_default());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn what_differs_is_said_with_both_values_and_looks_do_not_count() {
        let before = fixture::manifest();
        let mut now = before.clone();
        assert!(edits(&before, &now).is_empty());
        now.config.screen.frames_per_second += 1;
        assert!(edits(&before, &now).is_empty());
        (now.config.network.channels, now.config.search.seed) = (99, 7);
        let expected = [
            format!("network.channels was {}, is 99", before.config.network.channels),
            format!("search.seed was {}, is 7", before.config.search.seed),
        ];
        assert_eq!(edits(&before, &now), expected);
    }
}
