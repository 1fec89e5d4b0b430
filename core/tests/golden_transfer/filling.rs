//! Tensors that are filled from their names, as tests/golden/README.md tells.

use serde::Deserialize;

/// The uniform numbers that a name gives.
pub struct Filling {
    salt: String,
}

impl Filling {
    pub fn read() -> Self {
        #[derive(Deserialize)]
        struct File {
            salt: String,
        }
        let folder = std::env::var("RELATIVENAS_GOLDEN")
            .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden").to_owned());
        let text = std::fs::read_to_string(format!("{folder}/rule.json")).expect("rule.json");
        Self { salt: serde_json::from_str::<File>(&text).expect("a salt").salt }
    }

    /// What the rule gives an input of that name, in single precision as a network gets it.
    pub fn input(&self, name: &str, numbers: usize) -> Vec<f32> {
        let salted = format!("{}{name}", self.salt);
        let hash = salted.bytes().fold(2_166_136_261_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(16_777_619));
        let unit = |i: u32| f64::from(i.wrapping_mul(2_654_435_761).wrapping_add(hash)) / 4_294_967_296.0;
        (0..numbers as u32).map(|i| ((unit(i) - 0.5) * 3.4) as f32).collect()
    }

    /// The product of two: one number a place, one a row of `width` places.
    pub fn by_row(&self, name: &str, suffix: &str, numbers: usize, width: usize) -> Vec<f32> {
        let factors = self.input(&format!("{name}{suffix}"), numbers / width);
        let values = self.input(name, numbers);
        values.iter().enumerate().map(|(i, v)| v * factors[i / width]).collect()
    }
}
