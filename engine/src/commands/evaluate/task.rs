//! `evaluate --task`: how good the network of a transfer task is.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use relativenas_core::{search::Flow, tasks};
use serde_json::{Map, Value, json};
use tch::{Device, TchError, Tensor};

use super::{EvaluateArguments, genotype, note};
use crate::{
    commands::print_line,
    device::{self, DeviceChoice},
    tasks::{
        Head, NetworkState, TaskNetwork, bisenet,
        data::{TaskData, TaskImages},
        evaluation::{self, EvaluationRun, Judged, TaskView},
    },
    weights_file::{self, Weights},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Task {
    /// SSDLite on Pascal VOC
    Detection,
    /// BiSeNet on Cityscapes
    Segmentation,
    /// SimpleBaseline on COCO
    Keypoints,
}

impl From<Task> for tasks::Task {
    fn from(task: Task) -> Self {
        match task {
            Task::Detection => Self::Detection,
            Task::Segmentation => Self::Segmentation,
            Task::Keypoints => Self::Keypoints,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Part {
    Train,
    Valid,
    Test,
}

/// Evaluates the network of a task and prints its metrics in per cent.
pub(super) fn evaluate(arguments: &EvaluateArguments, task: Task) -> anyhow::Result<()> {
    let device = arguments.device.parse::<DeviceChoice>()?.resolve()?;
    device::set_threads_of_this_thread(device::threads(0));
    let folder = arguments.data.as_deref().context("--task needs --data, the folder of its data set")?;
    let judged = judge(arguments, task, folder, device)?;
    let percent = |value: Option<f64>| value.map_or(Value::Null, |value| json!(100.0 * value));
    let (metric, value) = judged.metric;
    if arguments.json {
        let mut line = Map::new();
        line.insert(metric.to_owned(), percent(value));
        line.extend(judged.more.iter().map(|(name, value)| ((*name).to_owned(), percent(*value))));
        line.insert("loss".to_owned(), json!(judged.loss));
        line.insert("images".to_owned(), json!(judged.images));
        let classes: Map<_, _> =
            judged.by_class.iter().map(|(name, value)| (name.clone(), percent(*value))).collect();
        line.insert("by_class".to_owned(), Value::Object(classes));
        return print_line(&Value::Object(line).to_string());
    }
    let shown =
        |value: Option<f64>| value.map_or("none".to_owned(), |value| format!("{:.2} %", 100.0 * value));
    let mut lines =
        vec![format!("{metric} {}, loss {:.4}: {} images", shown(value), judged.loss, judged.images)];
    let more = judged.more.iter().map(|(name, value)| (*name, *value));
    let classes = judged.by_class.iter().map(|(name, value)| (name.as_str(), *value));
    lines.extend(more.chain(classes).map(|(name, value)| format!("  {name}: {}", shown(value))));
    print_line(&lines.join("\n"))
}

fn judge(arguments: &EvaluateArguments, task: Task, folder: &Path, device: Device) -> anyhow::Result<Judged> {
    let data = TaskData::open(task.into(), folder, 0)?;
    let head = Head::of(task.into(), data.classes.len()).context("the task has no head")?;
    let images = chosen(arguments, task, data)?;
    let (network, state) = load(arguments, head, device)?;
    let place = EvaluationRun { device, batch: arguments.batch.min(32) as usize, after: &|_| Flow::Go };
    let view =
        TaskView { chip: arguments.chip as usize, blue_first: arguments.published, ..TaskView::PUBLISHED };
    Ok(evaluation::judge(place, view, &network, &state, &images)?)
}

/// The images of the part that was asked for.
fn chosen(arguments: &EvaluateArguments, task: Task, data: TaskData) -> anyhow::Result<TaskImages> {
    let default = if task == Task::Detection && !data.test.is_empty() { Part::Test } else { Part::Valid };
    let part = arguments.part.unwrap_or(default);
    let images = match part {
        Part::Train => data.train,
        Part::Valid => data.valid,
        Part::Test => data.test,
    };
    if images.is_empty() {
        let name = part.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned());
        bail!("the data has no images in its part `{name}`; choose another with --part");
    }
    let limit = arguments.limit.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
    Ok(images.first(limit))
}

fn load(
    arguments: &EvaluateArguments,
    head: Head,
    device: Device,
) -> anyhow::Result<(TaskNetwork, NetworkState)> {
    let genotype = genotype(&arguments.arch)?;
    let (channels, cells) = (arguments.channels.unwrap_or(46), arguments.cells.unwrap_or(14));
    let network = TaskNetwork::new(&genotype, channels, cells, head)?;
    let path = &arguments.weights;
    let Weights { tensors, notes, .. } = weights_file::find(path)?;
    notes.iter().for_each(|text| note(path, text));
    let tensors = if arguments.published { converted(tensors, head)? } else { tensors };
    let state = NetworkState::from_named(&network, &tensors, device);
    Ok((network, state.with_context(|| format!("`{}`", path.display()))?))
}

/// The weights of a published segmentation network, as this program uses them: the published batch norm
/// scales by the absolute value of its weight plus a small constant.
pub(in crate::commands) fn converted(
    mut tensors: BTreeMap<String, Tensor>,
    head: Head,
) -> Result<BTreeMap<String, Tensor>, TchError> {
    if matches!(head, Head::BiSeNet { .. }) {
        for (name, tensor) in &mut tensors {
            let of_head = !name.starts_with(head.backbone_prefix());
            if of_head && name.ends_with(".weight") && tensor.dim() == 1 {
                *tensor = bisenet::weight_of_published(tensor)?;
            }
        }
    }
    Ok(tensors)
}
