use relativenas_core::tasks::{average_precision::mean, mean_iou::Confusion};
use serde::Deserialize;

use super::{check_near, golden};

#[derive(Deserialize)]
struct Case {
    confusion: Vec<Vec<u64>>,
    intersection_over_union: Vec<Option<f64>>,
    mean: f64,
    classes_counted: usize,
}

#[test]
fn golden_mean_intersection_over_union() {
    let cases: Vec<Case> = golden("segmentation.json", "mean_iou");
    assert!(!cases.is_empty());
    for case in cases {
        let found = Confusion::from_rows(&case.confusion).expect("a square").by_class();
        assert_eq!(found.iter().flatten().count(), case.classes_counted);
        for (class, (found, expected)) in found.iter().zip(&case.intersection_over_union).enumerate() {
            assert_eq!(found.is_some(), expected.is_some(), "class {class}");
            check_near(&format!("class {class}"), found.unwrap_or(0.0), expected.unwrap_or(0.0), 1e-12);
        }
        check_near("the mean", mean(&found).expect("classes"), case.mean, 1e-12);
    }
}
