//! Golden figures: from the folder in RELATIVENAS_GOLDEN, or from tests/golden of the repository, whose README
//! tells where they come from and which deviations are tolerated.

#![allow(dead_code)] // Each test that has this module uses a part of it.

use std::{env, fs, path::PathBuf};

use serde::{Deserialize, de::DeserializeOwned};

/// The folder of the figures.
pub fn folder() -> PathBuf {
    env::var_os("RELATIVENAS_GOLDEN")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden")), PathBuf::from)
}

/// The content of a file of figures, such as `network.json`.
pub fn read<T: DeserializeOwned>(file: &str) -> T {
    let path = folder().join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Fills tensors from their names.
#[derive(Deserialize)]
pub struct Rule {
    salt: String,
}

impl Rule {
    pub fn read() -> Self {
        read("rule.json")
    }

    /// This number of values, each computed from a number between 0 and 1 that depends on the name and the index.
    pub fn fill(&self, name: &str, numbers: usize, value: impl Fn(f64) -> f64) -> Vec<f32> {
        let salted = format!("{}{name}", self.salt);
        let hash = salted.bytes().fold(2_166_136_261_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(16_777_619));
        let unit = |i: u32| f64::from(i.wrapping_mul(2_654_435_761).wrapping_add(hash)) / 4_294_967_296.0;
        (0..numbers as u32).map(|i| value(unit(i)) as f32).collect()
    }
}
