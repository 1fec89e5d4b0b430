//! Priors, matching, decoding, mined negatives and suppression.

use relativenas_core::tasks::{
    boxes::{CentreBox, CornerBox},
    matching::{NEGATIVES_PER_POSITIVE, THRESHOLD, decode, encode, hard_negatives, match_boxes},
    priors::{LEVELS, PER_CELL, priors},
    suppression::Suppression,
};
use serde::Deserialize;

use super::{Summary, check_all, check_near, filling::Filling, golden};

#[derive(Deserialize)]
struct Priors {
    count: usize,
    level_starts: Vec<usize>,
    clamped_rows: usize,
    first: CentreBox,
    last: CentreBox,
    column_sum: [f64; 4],
    column_norm: [f64; 4],
    sampled: Vec<(usize, CentreBox)>,
    levels: Vec<Level>,
}

#[derive(Deserialize)]
struct Level {
    map: usize,
    shrinkage: f64,
    min: f64,
    max: f64,
}

#[test]
fn golden_priors() {
    let figures: Priors = golden("detection.json", "priors");
    let found = priors();
    assert_eq!(found.len(), figures.count);
    let mut start = 0;
    for ((level, expected), first) in LEVELS.iter().zip(&figures.levels).zip(&figures.level_starts) {
        assert_eq!(start, *first);
        assert_eq!((level.side, level.shrinkage), (expected.map, expected.shrinkage));
        assert_eq!((level.least, level.most), (expected.min, expected.max));
        start += level.side * level.side * PER_CELL;
    }
    let numbers = |prior: &CentreBox| <[f64; 4]>::from(*prior);
    let clamped = found.iter().filter(|prior| numbers(prior).contains(&1.0)).count();
    assert_eq!(clamped, figures.clamped_rows);
    let ends = [(0, figures.first), (found.len() - 1, figures.last)];
    for (place, expected) in ends.iter().chain(&figures.sampled) {
        check_all(&format!("prior {place}"), &numbers(&found[*place]), &numbers(expected), 1e-6);
    }
    for column in 0..4 {
        let values: Vec<_> = found.iter().map(|prior| numbers(prior)[column]).collect();
        check_near("sum", values.iter().sum(), figures.column_sum[column], 1e-6);
        let norm = values.iter().map(|v| v * v).sum::<f64>().sqrt();
        check_near("norm", norm, figures.column_norm[column], 1e-6);
    }
}

#[derive(Deserialize)]
struct Matching {
    threshold: f64,
    images: Vec<Matched>,
}

#[derive(Deserialize)]
struct Matched {
    note: String,
    boxes: Vec<CornerBox>,
    labels: Vec<usize>,
    positives: usize,
    priors: Vec<usize>,
    prior_labels: Vec<usize>,
    targets: Vec<[f64; 4]>,
}

#[test]
fn golden_matching() {
    let figures: Matching = golden("detection.json", "matching");
    assert_eq!(figures.threshold, THRESHOLD);
    let priors = priors();
    assert!(!figures.images.is_empty());
    for image in &figures.images {
        let note = &image.note;
        let matched = match_boxes(&priors, &image.boxes);
        let positive: Vec<_> = (0..priors.len()).filter(|&prior| matched[prior].is_some()).collect();
        assert_eq!(positive.len(), image.positives, "{note}");
        assert_eq!(positive, image.priors, "{note}");
        for (row, &prior) in positive.iter().enumerate() {
            let object = matched[prior].expect("a positive");
            assert_eq!(image.labels[object], image.prior_labels[row], "{note}, prior {prior}");
            let target = encode(&image.boxes[object], &priors[prior]);
            check_all(&format!("{note}, prior {prior}"), &target, &image.targets[row], 1e-4);
        }
    }
}

#[derive(Deserialize)]
struct Decoding {
    input_name: String,
    input_shape: [usize; 3],
    boxes_center: Summary,
    boxes_corner: Summary,
    sampled: Vec<(usize, usize, [f64; 4])>,
}

/// The boxes that the outputs with this name stand for, image by image.
fn decoded(name: &str, images: usize) -> Vec<Vec<CentreBox>> {
    let priors = priors();
    let said = Filling::read().input(name, images * priors.len() * 4);
    let boxes = said.chunks_exact(priors.len() * 4).map(|image| {
        let rows = image.chunks_exact(4).zip(&priors);
        rows.map(|(said, prior)| decode(std::array::from_fn(|i| f64::from(said[i])), prior)).collect()
    });
    boxes.collect()
}

#[test]
fn golden_decoding_of_boxes() {
    let figures: Decoding = golden("detection.json", "decoding");
    let boxes = decoded(&figures.input_name, figures.input_shape[0]);
    let flat: Vec<_> = boxes.iter().flatten().flat_map(|&b| <[f64; 4]>::from(b)).collect();
    figures.boxes_center.check("centred boxes", &flat, 1e-4);
    let flat: Vec<_> = boxes.iter().flatten().flat_map(|b| <[f64; 4]>::from(b.corners())).collect();
    figures.boxes_corner.check("corners", &flat, 1e-4);
    for (image, prior, expected) in figures.sampled {
        let found = <[f64; 4]>::from(boxes[image][prior].corners());
        check_all(&format!("image {image}, prior {prior}"), &found, &expected, 1e-4);
    }
}

#[derive(Deserialize)]
struct Loss {
    negatives_per_positive: usize,
    cases: Vec<LossCase>,
}

#[derive(Deserialize)]
struct LossCase {
    confidences_name: String,
    images: Vec<usize>,
    classes: usize,
    negatives_per_image: Vec<usize>,
    negative_index_sum: Vec<usize>,
}

/// Probabilities of the classes of every prior, row by row.
fn probabilities(confidences: &[f32], classes: usize) -> Vec<f64> {
    let rows = confidences.chunks_exact(classes).flat_map(|row| {
        let powers: Vec<_> = row.iter().map(|&c| f64::from(c).exp()).collect();
        let sum: f64 = powers.iter().sum();
        powers.into_iter().map(move |power| power / sum)
    });
    rows.collect()
}

#[test]
fn golden_hard_negatives() {
    let figures: Loss = golden("detection.json", "loss");
    assert_eq!(figures.negatives_per_positive, NEGATIVES_PER_POSITIVE);
    let matching: Matching = golden("detection.json", "matching");
    let priors = priors();
    for case in &figures.cases {
        let image = priors.len() * case.classes;
        let numbers = case.images.len() * image;
        let confidences = Filling::read().by_row(&case.confidences_name, "/prior", numbers, case.classes);
        for (place, &number) in case.images.iter().enumerate() {
            let matched = match_boxes(&priors, &matching.images[number].boxes);
            let positive: Vec<_> = matched.iter().map(Option::is_some).collect();
            let probabilities = probabilities(&confidences[place * image..][..image], case.classes);
            let loss: Vec<_> = probabilities.iter().step_by(case.classes).map(|p| -p.ln() as f32).collect();
            let found = hard_negatives(&loss, &positive, NEGATIVES_PER_POSITIVE);
            let name = &case.confidences_name;
            assert_eq!(found.len(), case.negatives_per_image[place], "{name}, image {place}");
            assert_eq!(found.iter().sum::<usize>(), case.negative_index_sum[place], "{name}, image {place}");
        }
    }
}

#[derive(Deserialize)]
struct Nms {
    overlap: f64,
    boxes: Vec<CornerBox>,
    scores: Vec<f64>,
    kept: Vec<usize>,
    kept_of_best_25: Vec<usize>,
    kept_top_5: Vec<usize>,
}

#[test]
fn golden_suppression_of_boxes() {
    let figures: Nms = golden("detection.json", "nms");
    let all = Suppression { score: f64::NEG_INFINITY, overlap: figures.overlap, ..Suppression::PUBLISHED };
    let keep = |rule: Suppression| rule.keep(&figures.boxes, &figures.scores);
    assert_eq!(keep(all), figures.kept);
    assert_eq!(keep(Suppression { candidates: 25, ..all }), figures.kept_of_best_25);
    assert_eq!(keep(Suppression { most: 5, ..all }), figures.kept_top_5);
}

#[derive(Deserialize)]
struct Predict {
    confidences_name: String,
    confidences_shape: [usize; 3],
    width: f64,
    height: f64,
    score_threshold: f64,
    overlap: f64,
    candidates: usize,
    classes: Vec<PredictedClass>,
}

#[derive(Deserialize)]
struct PredictedClass {
    class: usize,
    above_threshold: usize,
    kept: usize,
    kept_prior_sum: usize,
    first: Vec<(usize, f64, [f64; 4])>,
}

#[test]
fn golden_boxes_to_report() {
    let figures: Predict = golden("detection.json", "predict");
    let decoding: Decoding = golden("detection.json", "decoding");
    let boxes: Vec<_> = decoded(&decoding.input_name, 1)[0].iter().map(CentreBox::corners).collect();
    let [_, count, classes] = figures.confidences_shape;
    let name = &figures.confidences_name;
    let confidences = Filling::read().by_row(name, "/prior", count * classes, classes);
    let probabilities = probabilities(&confidences, classes);
    let rule = Suppression::PUBLISHED;
    assert_eq!(
        (rule.score, rule.overlap, rule.candidates),
        (figures.score_threshold, figures.overlap, figures.candidates)
    );
    let reported = rule.detect(&probabilities, classes, &boxes);
    for class in &figures.classes {
        let what = format!("class {}", class.class);
        let above = probabilities.iter().skip(class.class).step_by(classes).filter(|&&p| p > rule.score);
        assert_eq!(above.count(), class.above_threshold, "{what}");
        let found: Vec<_> = reported.iter().filter(|r| r.class == class.class).collect();
        assert_eq!(found.len(), class.kept, "{what}");
        assert_eq!(found.iter().map(|r| r.prior).sum::<usize>(), class.kept_prior_sum, "{what}");
        for (found, (prior, score, corners)) in found.iter().zip(&class.first) {
            assert_eq!(found.prior, *prior, "{what}");
            check_near(&what, found.score, *score, 1e-6);
            let found = found.corners.scaled(figures.width, figures.height);
            check_all(&what, &<[f64; 4]>::from(found), corners, 1e-2);
        }
    }
}
