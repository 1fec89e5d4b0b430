use relativenas_core::tasks::{
    average_precision::{Detection, DetectionVerdict, Object, Rule, by_class, curve, mean},
    boxes::CornerBox,
};
use serde::Deserialize;

use super::{check_all, check_near, golden};

#[derive(Deserialize)]
struct Figures {
    overlap: f64,
    images: Vec<String>,
    objects: Vec<Annotated>,
    detections: Vec<Detected>,
    classes: Vec<Class>,
    mean_average_precision_11: f64,
    mean_average_precision_area: f64,
}

#[derive(Deserialize)]
struct Annotated {
    image: String,
    class: usize,
    difficult: u8,
    #[serde(rename = "box")]
    corners: CornerBox,
}

#[derive(Deserialize)]
struct Detected {
    image: String,
    class: usize,
    score: f64,
    #[serde(rename = "box")]
    corners: CornerBox,
}

#[derive(Deserialize)]
struct Class {
    class: usize,
    name: String,
    objects: usize,
    verdicts: Vec<DetectionVerdict>,
    precision: Option<Vec<f64>>,
    recall: Option<Vec<f64>>,
    average_precision_11: Option<f64>,
    average_precision_area: Option<f64>,
}

#[test]
fn golden_average_precision_of_boxes() {
    let figures: Figures = golden("detection.json", "average_precision");
    let index = |name: &str| figures.images.iter().position(|image| image == name).expect("an image");
    let objects: Vec<_> = (figures.objects.iter())
        .map(|o| Object {
            image: index(&o.image),
            class: o.class,
            difficult: o.difficult == 1,
            corners: o.corners,
        })
        .collect();
    let detections: Vec<_> = (figures.detections.iter())
        .map(|d| Detection { image: index(&d.image), class: d.class, score: d.score, corners: d.corners })
        .collect();
    assert!(!figures.classes.is_empty());
    for class in &figures.classes {
        let name = &class.name;
        let found = curve(&objects, &detections, class.class, figures.overlap);
        assert_eq!(found.objects, class.objects, "{name}");
        assert_eq!(found.verdicts, class.verdicts, "{name}");
        if let (Some(precision), Some(recall)) = (&class.precision, &class.recall) {
            check_all(&format!("precision of {name}"), &found.precision, precision, 1e-6);
            check_all(&format!("recall of {name}"), &found.recall, recall, 1e-6);
        }
        for (rule, expected) in
            [(Rule::ElevenPoints, class.average_precision_11), (Rule::Area, class.average_precision_area)]
        {
            let found = found.average_precision(rule);
            assert_eq!(found.is_some(), expected.is_some(), "{name}");
            check_near(name, found.unwrap_or(0.0), expected.unwrap_or(0.0), 1e-12);
        }
    }
    for (rule, expected) in [
        (Rule::ElevenPoints, figures.mean_average_precision_11),
        (Rule::Area, figures.mean_average_precision_area),
    ] {
        let found = mean(&by_class(&objects, &detections, 1..=20, figures.overlap, rule));
        check_near("the mean", found.expect("classes"), expected, 1e-12);
    }
}
