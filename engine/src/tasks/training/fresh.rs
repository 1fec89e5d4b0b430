//! The first weights of a task's network.

use std::{collections::BTreeMap, f64::consts::PI};

use relativenas_core::randomness::{Purpose, Streams};
use tch::{TchError, Tensor};

use crate::{
    network::{TensorRole, TensorSpec, fresh_tensor, hash},
    tasks::{Head, TaskNetwork},
    weights_file::WeightsFileError,
};

/// The standard deviation in the published keypoint head.
const KEYPOINTS: f64 = 0.001;

/// First weights by name, on the CPU: PyTorch's defaults in the backbone and the detector's head; normally
/// distributed numbers in the convolutions of the other heads, as published. They depend on the seed and the
/// names alone.
///
/// # Errors
/// If memory runs out.
pub fn fresh(network: &TaskNetwork, streams: &Streams) -> Result<BTreeMap<String, Tensor>, TchError> {
    let prefix = network.head.backbone_prefix();
    let tensors = network.tensors().into_iter().map(|spec| {
        let tensor = match (spec.name.strip_prefix(prefix), network.head) {
            // The backbone is the same for all tasks.
            (Some(name), _) => fresh_tensor(&spec, name, streams),
            (None, Head::SsdLite { .. }) => fresh_tensor(&spec, &spec.name, streams),
            (None, Head::BiSeNet { .. }) => match spec.role {
                TensorRole::Weight { fan_in } => normal(&spec, 1.0 / (fan_in as f64).sqrt(), streams),
                _ => fresh_tensor(&spec, &spec.name, streams),
            },
            (None, Head::SimpleBaseline { .. }) => match spec.role {
                TensorRole::Weight { .. } => normal(&spec, KEYPOINTS, streams),
                TensorRole::Bias { .. } => normal(&spec, 0.0, streams),
                _ => fresh_tensor(&spec, &spec.name, streams),
            },
        }?;
        Ok((spec.name, tensor))
    });
    tensors.collect()
}

/// The same weights with the backbone of an ImageNet classifier, whose classifier and auxiliary head are left
/// out.
///
/// # Errors
/// If tensors are missing, unexpected or of another shape; the error names all of them.
pub fn with_backbone(
    network: &TaskNetwork,
    mut tensors: BTreeMap<String, Tensor>,
    classifier: BTreeMap<String, Tensor>,
) -> Result<BTreeMap<String, Tensor>, WeightsFileError> {
    let prefix = network.head.backbone_prefix();
    for (name, tensor) in network.backbone.of_classifier(classifier)? {
        tensors.insert(format!("{prefix}{name}"), tensor);
    }
    Ok(tensors)
}

/// Normally distributed numbers with mean 0 (Box and Muller).
fn normal(spec: &TensorSpec, deviation: f64, streams: &Streams) -> Result<Tensor, TchError> {
    let mut stream = streams.stream(Purpose::Initialisation, hash(&spec.name), 0);
    let mut number = || {
        let (radius, angle) = (1.0 - stream.unit(), stream.unit());
        (deviation * (-2.0 * radius.ln()).sqrt() * (2.0 * PI * angle).cos()) as f32
    };
    let values: Vec<f32> = (0..spec.numel()).map(|_| number()).collect();
    Tensor::f_from_slice(&values)?.f_reshape(spec.shape.as_slice())
}

#[cfg(test)]
mod tests {
    use relativenas_core::published;
    use tch::Kind;

    use super::*;

    fn network(head: Head) -> TaskNetwork {
        TaskNetwork::new(&published::genotype("RelativeNAS").unwrap(), 4, 3, head).unwrap()
    }

    #[test]
    fn heads_begin_as_published_and_the_backbone_whatever_the_task() {
        let of = |head| fresh(&network(head), &Streams::new(3)).unwrap();
        let (boxes, masks, people) = (of(Head::DETECTION), of(Head::SEGMENTATION), of(Head::KEYPOINTS));
        let stem = "stem0.0.weight";
        assert_eq!(boxes[&format!("base_net.{stem}")], masks[&format!("cp.net.{stem}")]);
        assert_eq!(boxes[&format!("base_net.{stem}")], people[&format!("backbone.{stem}")]);
        let deviation = |tensor: &Tensor| tensor.std(false).double_value(&[]);
        let fused = deviation(&masks["ffm.convblk.conv.weight"]);
        assert!((fused * 256_f64.sqrt() - 1.0).abs() < 0.02, "{fused}");
        let joints = deviation(&people["deconv_layers.3.weight"]);
        assert!((joints / 0.001 - 1.0).abs() < 0.02, "{joints}");
        assert_eq!(people["final_layer.bias"].abs().sum(Kind::Float).double_value(&[]), 0.0);
        let bound = 1.0 / 64_f64.sqrt();
        let header = &boxes["classification_headers.5.weight"];
        let largest = header.abs().max().double_value(&[]);
        assert!(largest <= bound && largest > 0.9 * bound, "{largest}");
    }

    #[test]
    fn a_classifier_s_weights_become_the_backbone_and_what_does_not_fit_is_named() {
        let network = network(Head::KEYPOINTS);
        let tensors = fresh(&network, &Streams::new(1)).unwrap();
        let mut classifier: BTreeMap<_, _> = fresh(&network, &Streams::new(2))
            .unwrap()
            .into_iter()
            .filter_map(|(name, tensor)| Some((name.strip_prefix("backbone.")?.to_owned(), tensor)))
            .collect();
        classifier.insert("classifier.weight".into(), Tensor::from_slice(&[1.0_f32]));
        classifier.insert("auxiliary_head.classifier.bias".into(), Tensor::from_slice(&[1.0_f32]));
        let copy = |tensors: &BTreeMap<String, Tensor>| -> BTreeMap<String, Tensor> {
            tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect()
        };
        let found = with_backbone(&network, copy(&tensors), copy(&classifier)).unwrap();
        assert_eq!(found["backbone.stem0.0.weight"], classifier["stem0.0.weight"]);
        assert_eq!(found["final_layer.weight"], tensors["final_layer.weight"]);
        assert_eq!(found.len(), tensors.len());
        classifier.remove("stem1.1.weight");
        classifier.insert("more".into(), Tensor::from_slice(&[1.0_f32]));
        let error = with_backbone(&network, tensors, classifier).unwrap_err().to_string();
        assert!(error.contains("missing: stem1.1.weight") && error.contains("unexpected: more"), "{error}");
    }
}
