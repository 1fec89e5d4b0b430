//! The network that predicts, built from its weights and their description.

use anyhow::{Context as _, bail, ensure};
use relativenas_core::{
    config::Precision,
    network::NetworkKind,
    tasks::{Task, label_ids},
    trained_network::TrainedNetwork,
};
use tch::{Device, Tensor};

use super::PredictArguments;
use crate::{
    commands::evaluate::{converted, genotype},
    data::{self, IMAGENET_STATISTICS, voc},
    device,
    network::{FlatWeights, Plan, from_named},
    tasks::{Head, NetworkState, TaskNetwork, evaluation::TaskView},
    training::FrozenNetwork,
    weights_file::{self, Weights},
};

/// A network on a device, with everything that prediction needs.
pub struct Loaded {
    pub network: TrainedNetwork,
    pub device: Device,
    pub view: TaskView,
    model: Model,
}

enum Model {
    Classifier(Box<FrozenNetwork>),
    Task { network: Box<TaskNetwork>, state: NetworkState },
}

impl Loaded {
    /// Reads the weights, and builds the network that they, or the arguments, describe.
    ///
    /// # Errors
    /// If the file cannot be read, its network is not known or contradicts the arguments, or the device fails.
    pub fn load(arguments: &PredictArguments, device: Device) -> anyhow::Result<Self> {
        let path = &arguments.weights;
        let weights = weights_file::find(path)?;
        let network = described(arguments, &weights).with_context(|| format!("`{}`", path.display()))?;
        let TrainedNetwork { genotype, network: shape, task, crop, .. } = &network;
        let chip = arguments.chip.map(|chip| chip as usize).or(*crop).unwrap_or(TaskView::PUBLISHED.chip);
        let view = TaskView { chip, blue_first: arguments.published, ..TaskView::PUBLISHED };
        let model = match Head::of(*task, shape.classes) {
            None => {
                let plan = Plan::full(genotype, shape, network.auxiliary);
                let modules =
                    from_named(&plan, weights.tensors).with_context(|| format!("`{}`", path.display()))?;
                let weights = FlatWeights::gather(&plan, &modules, device)?;
                let threads = device::threads(0);
                Model::Classifier(Box::new(FrozenNetwork::new(plan, weights, Precision::F32, threads)?))
            }
            Some(head) => {
                let network = TaskNetwork::new(genotype, shape.channels, shape.cells, head)?;
                let tensors =
                    if arguments.published { converted(weights.tensors, head)? } else { weights.tensors };
                let state = NetworkState::from_named(&network, &tensors, device);
                let state = state.with_context(|| format!("`{}`", path.display()))?;
                Model::Task { network: Box::new(network), state }
            }
        };
        Ok(Self { network, device, view, model })
    }

    /// The network of a task and its weights.
    ///
    /// # Errors
    /// If the network is a classifier.
    pub fn task(&self) -> anyhow::Result<(&TaskNetwork, &NetworkState)> {
        match &self.model {
            Model::Task { network, state } => Ok((network, state)),
            Model::Classifier(_) => bail!("the weights are a classifier's"),
        }
    }

    /// The probabilities of a classifier's classes for one normalised image `[1, 3, H, W] f32`.
    ///
    /// # Errors
    /// If the network is not a classifier, or the device fails.
    pub fn classify(&self, image: &Tensor) -> anyhow::Result<Vec<f64>> {
        let Model::Classifier(network) = &self.model else {
            bail!("the weights are no classifier's");
        };
        let logits = network.logits(image)?;
        let shares = logits.f_softmax(-1, tch::Kind::Double)?.f_to_device(Device::Cpu)?.f_reshape([-1])?;
        Ok(shares.try_into()?)
    }
}

/// A description of the network: as stored in the weights' file, else inferred from names and shapes together
/// with a named architecture. Arguments take precedence.
fn described(arguments: &PredictArguments, weights: &Weights) -> anyhow::Result<TrainedNetwork> {
    let mut network = match (&weights.network, &arguments.arch) {
        (Some(network), None) => (**network).clone(),
        (_, None) => bail!("it does not describe its network; name the architecture with --arch"),
        (_, Some(arch)) => {
            let shapes = weights.tensors.iter().map(|(name, tensor)| {
                (name.clone(), tensor.size().into_iter().map(|n| n as usize).collect())
            });
            let found = TrainedNetwork::guessed(&genotype(arch)?, &shapes.collect());
            let found = found.context("no weights of a known network: the stem or the cells are missing")?;
            with_names(found, arguments)?
        }
    };
    if let Some(task) = arguments.task {
        ensure!(
            task == network.task,
            "--task {}, but the weights are for {}",
            task.name(),
            network.task.name()
        );
    }
    if !arguments.classes.is_empty() {
        ensure!(
            arguments.classes.len() == network.network.classes,
            "--classes names {}, but the network has {}",
            arguments.classes.len(),
            network.network.classes
        );
        network.classes.clone_from(&arguments.classes);
    }
    Ok(network)
}

/// Adds the class names and the normalisation that the file of weights does not hold.
fn with_names(mut network: TrainedNetwork, arguments: &PredictArguments) -> anyhow::Result<TrainedNetwork> {
    let classes = network.network.classes;
    (network.mean, network.std) = IMAGENET_STATISTICS;
    network.classes = match network.task {
        Task::Detection if classes == voc::CHALLENGE.len() => voc::CHALLENGE.map(str::to_owned).into(),
        Task::Segmentation => label_ids::class_names().into_iter().map(str::to_owned).collect(),
        Task::Keypoints => vec!["person".to_owned()],
        _ => (0..classes).map(|class| format!("class {class}")).collect(),
    };
    if network.task == Task::Classification {
        if let Some(folder) = &arguments.data {
            let data = data::open(Some(folder))?;
            ensure!(
                data.classes.len() == classes,
                "--data {}: it has {} classes, but the network has {classes}",
                folder.display(),
                data.classes.len()
            );
            (network.mean, network.std, network.classes) = (data.mean, data.std, data.classes);
        } else {
            ensure!(
                network.network.kind == NetworkKind::Imagenet,
                "it does not say how its images were normalised; name the data set that it was trained on with --data"
            );
        }
    }
    Ok(network)
}
