//! Golden figures of the three transfer tasks: metrics, geometry and schedules.
//!
//! They are read from `transfer/` of the folder in RELATIVENAS_GOLDEN, or from tests/golden/transfer
//! of the repository; its README tells where they come from and which deviations are tolerated.

mod boxes;
mod chips;
mod detection_metrics;
#[path = "../figures/mod.rs"]
mod figures;
mod filling;
mod heat_maps;
mod keypoint_metrics;
mod person_crop;
mod schedules;
mod segmentation_metrics;

use serde::de::DeserializeOwned;

/// One part of a file, such as `average_precision` of `detection.json`.
fn golden<T: DeserializeOwned>(file: &str, part: &str) -> T {
    let mut value: serde_json::Value = figures::read(&format!("transfer/{file}"));
    serde_json::from_value(value[part].take()).unwrap_or_else(|e| panic!("{file}: {part}: {e}"))
}

#[track_caller]
fn check_near(what: &str, found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "{what}: {found} for {expected}");
}

#[track_caller]
fn check_all(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (place, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        check_near(&format!("{what} {place}"), found, expected, tolerance);
    }
}

/// A summary of a flattened tensor.
#[derive(serde::Deserialize)]
struct Summary {
    norm: f64,
    sum: f64,
    head: Vec<f64>,
}

impl Summary {
    #[track_caller]
    fn check(&self, what: &str, found: &[f64], tolerance: f64) {
        let norm = found.iter().map(|v| v * v).sum::<f64>().sqrt();
        check_near(&format!("norm of {what}"), norm, self.norm, tolerance * self.norm);
        let root = (found.len() as f64).sqrt();
        check_near(&format!("sum of {what}"), found.iter().sum(), self.sum, tolerance * self.norm * root);
        check_all(&format!("head of {what}"), &found[..self.head.len()], &self.head, tolerance * self.norm);
    }
}
