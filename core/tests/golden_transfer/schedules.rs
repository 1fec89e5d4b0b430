use relativenas_core::tasks::schedule::{WarmPolynomial, cosine, steps};
use serde::Deserialize;

use super::{check_near, golden};

#[test]
fn golden_learning_rates_of_detection() {
    for (epoch, expected) in golden::<Vec<(usize, f64)>>("detection.json", "learning_rate") {
        check_near(&format!("epoch {epoch}"), cosine(0.01, epoch, 200), expected, 1e-9 * expected);
    }
}

#[derive(Deserialize)]
struct Warm {
    start: f64,
    base: f64,
    warmup_iterations: usize,
    iterations: usize,
    power: f64,
    values: Vec<(usize, f64)>,
}

#[test]
fn golden_learning_rates_of_segmentation() {
    let figures: Warm = golden("segmentation.json", "learning_rate");
    let Warm { start, base, warmup_iterations: warm_up, iterations: steps, power, values } = figures;
    let schedule = WarmPolynomial { start, base, warm_up, steps, power };
    assert_eq!(schedule, WarmPolynomial::PUBLISHED);
    for (step, expected) in values {
        check_near(&format!("step {step}"), schedule.rate(step), expected, 1e-9 * expected);
    }
}

#[derive(Deserialize)]
struct Steps {
    milestones: Vec<usize>,
    values: Vec<(usize, f64)>,
}

#[test]
fn golden_learning_rates_of_keypoints() {
    let figures: Steps = golden("keypoints.json", "learning_rate");
    for (epoch, expected) in figures.values {
        let found = steps(1e-3, epoch, &figures.milestones);
        check_near(&format!("epoch {epoch}"), found, expected, 1e-9 * expected);
    }
}
