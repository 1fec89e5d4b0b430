//! `evaluate`: how good a trained network is on images that it did not learn from.

mod fit;
mod task;

use std::{
    cell::Cell,
    fs,
    io::{self, IsTerminal as _, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use clap::ValueEnum;
use relativenas_core::{
    config::Precision,
    genotype::{Genotype, decode_text},
    manifest::BUILD,
    network::{NetworkKind, NetworkShape},
    published,
    search::{BatchDone, Flow},
};
use serde_json::json;
use tch::{Device, Kind as Elements};

pub(super) use task::converted;

use super::RanksArguments;
use crate::{
    augmentation::ImageStore,
    data::{self, DataSet, EncodedDataSet},
    device, failure,
    images::ImageSet,
    network::{FlatWeights, ModuleWeights, Plan, from_named, to_named},
    ranks::{self, Card, RankLayout, Ranks, agree},
    training::{self, Evaluation, FrozenNetwork, ImageSource, Photos},
    weights_file::{self, Weights},
};

/// Time between two lines of progress on a terminal.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

#[derive(Debug, clap::Args)]
pub struct EvaluateArguments {
    /// A published name, a file with a genotype (FILE:NAME for one of several), or a genotype written out
    #[arg(long, value_name = "NAME|FILE")]
    arch: String,
    /// Which images the network is built for
    #[arg(long, value_enum, default_value = "cifar")]
    kind: Kind,
    /// Channels of a node in the first cells [default: 36 for cifar, 46 for imagenet]
    #[arg(long, value_name = "N")]
    channels: Option<usize>,
    /// Cells of the network [default: 20 for cifar, 14 for imagenet]
    #[arg(long, value_name = "N")]
    cells: Option<usize>,
    /// Classes of the network [default: as many as the data has]
    #[arg(long, value_name = "N")]
    classes: Option<usize>,
    /// The weights hold no auxiliary head (it is not computed in any case)
    #[arg(long)]
    no_auxiliary: bool,
    /// Safetensors, or a checkpoint that `torch.save` wrote
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    /// Folder of a data set, whose test part is taken [default: the embedded Fashion-MNIST]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    device: String,
    /// Precision of feature maps and convolutions, f32 or bf16
    #[arg(long, default_value = "f32", value_name = "NAME")]
    precision: Precision,
    /// Images in a batch; this changes speed and memory only
    #[arg(long, default_value = "256", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch: u32,
    /// Evaluate on the first N images only [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Evaluate the network of a transfer task, an ImageNet network with a head; --data is the task's data set
    #[arg(long, value_enum)]
    task: Option<task::Task>,
    /// Part of the task's data set [default: test for VOC, else valid]
    #[arg(long, value_enum, requires = "task")]
    part: Option<task::Part>,
    /// Side in pixels of the square chips that segmentation sees, a multiple of 32
    #[arg(long, default_value = "1024", value_name = "N", requires = "task", value_parser = chip)]
    chip: u32,
    /// The weights are the published ones of a task: batch norms of segmentation scale by the absolute value of
    /// their weight, and keypoints expect the channels in the order blue, green, red
    #[arg(long, requires = "task")]
    published: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    ranks: RanksArguments,
    /// End when this process, which started this one, ends
    #[arg(long, value_name = "PID", hide = true)]
    pub die_with_parent: Option<i32>,
}

/// Parses a side in pixels that the network can halve five times.
pub(super) fn chip(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|n: &u32| (32..=16_384).contains(n) && n.is_multiple_of(32));
    number.ok_or_else(|| "it has to be a multiple of 32, from 32 to 16384".to_owned())
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Cifar,
    Imagenet,
}

/// The test images that a network is evaluated on, the number of their classes, and a fingerprint of the data.
struct Opened {
    source: ImageSource,
    classes: usize,
    fingerprint: String,
}

/// A trained network on a device.
struct Trained {
    plan: Plan,
    weights: FlatWeights,
}

/// Evaluates a network on test images and prints loss and accuracy.
///
/// # Errors
/// If the architecture, the weights, the data or the device is not what was asked for.
pub fn evaluate(arguments: &EvaluateArguments) -> anyhow::Result<()> {
    if let Some(task) = arguments.task {
        ensure!(
            arguments.ranks.ranked() == RankLayout::Alone,
            "--task is not shared among ranks; leave out --ranks"
        );
        return task::evaluate(arguments, task);
    }
    let each = |ranks: &Arc<dyn Ranks>| evaluate_share(arguments, &**ranks);
    ranks::together(arguments.ranks.ranked(), arguments.ranks.timeout(), each, each)
}

/// Evaluates the network on this rank's share of the images; the first rank prints the results.
fn evaluate_share(arguments: &EvaluateArguments, ranks: &dyn Ranks) -> anyhow::Result<()> {
    let place = ranks.place();
    let prepare = || -> anyhow::Result<_> {
        let device = device::of_rank(&arguments.device, place)?;
        let Opened { source, classes, fingerprint } = arguments.open(device)?;
        Ok((device, source, Trained::load(arguments, classes, device, ranks.is_first())?, fingerprint))
    };
    let prepared = prepare();
    if ranks.count() > 1 {
        agree(ranks, &card(arguments, prepared.as_ref().map(|(.., fingerprint)| fingerprint)))?;
    }
    let (device, source, trained, _) = prepared?;
    device::set_threads_of_this_thread(device::threads_of_rank(0, place));
    let began = Instant::now();
    let found = judge(arguments, &trained, &source, ranks)?;
    if !ranks.is_first() {
        return Ok(());
    }
    let rate = found.images as f64 / began.elapsed().as_secs_f64();
    let Evaluation { loss, top1, top5, images } = found;
    let line = if arguments.json {
        let line = json!({
            "loss": loss, "top1": top1, "top5": top5, "images": images, "images_per_second": rate,
        });
        line.to_string()
    } else {
        format!(
            "top-1 {top1:.2} %, top-5 {top5:.2} %, loss {loss:.4}: {images} images, {rate:.0} a second on {}",
            device::name(device)
        )
    };
    super::print_line(&line)
}

/// What all ranks must have in common before they evaluate a network together: build, images and weights.
fn card(arguments: &EvaluateArguments, data: Result<&String, &anyhow::Error>) -> Card {
    let data = match data {
        Ok(fingerprint) => fingerprint.clone(),
        Err(error) => return Card { problem: Some(failure::explain(error)), fingerprints: Vec::new() },
    };
    let weights = fs::read(&arguments.weights).map(|bytes| blake3::hash(&bytes).to_hex().to_string());
    let all = [
        ("build", BUILD.to_owned()),
        ("set of images", data),
        ("file of weights", weights.unwrap_or_default()),
    ];
    Card { problem: None, fingerprints: all.map(|(what, fingerprint)| (what.to_owned(), fingerprint)).into() }
}

/// Prints a note about the weights to standard error, beside the results. A failure to print it is ignored.
fn note(weights: &Path, text: &str) {
    let _ = writeln!(io::stderr(), "{}: {text}", weights.display());
}

impl EvaluateArguments {
    fn shape(&self, classes: usize) -> anyhow::Result<NetworkShape> {
        let (kind, channels, cells) = match self.kind {
            Kind::Cifar => (NetworkKind::Cifar, 36, 20),
            Kind::Imagenet => (NetworkKind::Imagenet, 46, 14),
        };
        let asked = self.classes.unwrap_or(classes);
        ensure!(
            asked == classes,
            "--classes {asked}: the data has {classes} classes, so its labels would not be those of the network"
        );
        let channels = self.channels.unwrap_or(channels);
        let shape = NetworkShape { kind, channels, cells: self.cells.unwrap_or(cells), classes };
        shape.check()?;
        Ok(shape)
    }

    /// Opens the test part of the data.
    fn open(&self, device: Device) -> anyhow::Result<Opened> {
        match (self.kind, &self.data) {
            (Kind::Cifar, path) => small(&data::open(path.as_deref())?, device),
            (Kind::Imagenet, Some(path)) => Ok(photos(data::open_encoded(path)?, device)),
            (Kind::Imagenet, None) => {
                anyhow::bail!("--kind imagenet is for photographs; --data names a folder with train and val")
            }
        }
    }
}

fn small(data: &DataSet, device: Device) -> anyhow::Result<Opened> {
    let all: Vec<_> = (0..data.test.len()).collect();
    let set = ImageSet::of(data, &data.test, &all)?;
    let source = ImageSource::Memory(ImageStore::new(&set, 0, device)?);
    Ok(Opened { source, classes: data.classes.len(), fingerprint: data.fingerprint() })
}

fn photos(data: EncodedDataSet, device: Device) -> Opened {
    let (classes, fingerprint) = (data.classes.len(), data.fingerprint());
    let chosen = (0..data.valid.len()).collect();
    let side = NetworkKind::Imagenet.image_side();
    let photos = Photos { images: data.valid, chosen, side, threads: device::threads(0), device };
    Opened { source: ImageSource::Photos(photos), classes, fingerprint }
}

impl Trained {
    /// Loads the weights, and prints what is odd about them on the first rank.
    fn load(
        arguments: &EvaluateArguments,
        classes: usize,
        device: Device,
        speaks: bool,
    ) -> anyhow::Result<Self> {
        let genotype = genotype(&arguments.arch)?;
        let (shape, auxiliary) = (arguments.shape(classes)?, !arguments.no_auxiliary);
        let plan = Plan::full(&genotype, &shape, auxiliary);
        let path = &arguments.weights;
        let Weights { tensors, notes, .. } = weights_file::find(path)?;
        notes.iter().filter(|_| speaks).for_each(|text| note(path, text));
        let causes = fit::causes(&tensors, &genotype, &shape, auxiliary);
        let modules = from_named(&plan, tensors).with_context(|| match causes {
            Some(causes) => format!("`{}`: {causes}", path.display()),
            None => format!("`{}`", path.display()),
        })?;
        if speaks && let Some(found) = not_finite(&plan, &modules)? {
            note(path, &found);
        }
        let weights = FlatWeights::gather(&plan, &modules, device)?;
        Ok(Self { plan, weights })
    }
}

/// A sentence about weights that are not finite, if there are any: whatever is computed from them means
/// nothing.
fn not_finite(plan: &Plan, modules: &[ModuleWeights]) -> anyhow::Result<Option<String>> {
    let (mut names, mut count) = (Vec::new(), 0);
    for (name, tensor) in to_named(plan, modules) {
        let bad = tensor.f_isfinite()?.f_logical_not()?.f_sum(Elements::Int64)?.f_int64_value(&[])?;
        if bad > 0 {
            names.push(name);
            count += bad;
        }
    }
    let [first, rest @ ..] = &names[..] else { return Ok(None) };
    let more = if rest.is_empty() { String::new() } else { format!(" and {} more tensors", rest.len()) };
    let are = if count == 1 { "1 weight is" } else { &format!("{count} weights are") };
    Ok(Some(format!("{are} not finite (NaN or infinite), in `{first}`{more}; the results are meaningless")))
}

/// Reads a file, one of the names in a file (`FILE:NAME`), a published name, or a genotype that is written out.
pub(super) fn genotype(text: &str) -> anyhow::Result<Genotype> {
    let path = Path::new(text);
    if fs::metadata(path).is_ok_and(|found| !found.is_dir()) {
        return chosen(path, None).with_context(|| format!("--arch {text}"));
    }
    if let Some(genotype) = published::genotype(text) {
        return Ok(genotype);
    }
    if text.contains(['(', '{']) {
        return Genotype::parse(text).context("--arch");
    }
    if let Some((file, name)) = text.rsplit_once(':')
        && Path::new(file).is_file()
    {
        return chosen(Path::new(file), Some(name)).with_context(|| format!("--arch {text}"));
    }
    if !text.contains(['/', '.']) {
        return published::find(text).context("--arch");
    }
    bail!("--arch {text}: there is no such file")
}

/// The greatest length in bytes of a file with genotypes.
const LONGEST_GENOTYPES: u64 = 1 << 20;

fn chosen(path: &Path, name: Option<&str>) -> anyhow::Result<Genotype> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path).context("cannot be read")?;
    file.take(LONGEST_GENOTYPES + 1).read_to_end(&mut bytes).context("cannot be read")?;
    ensure!(
        bytes.len() as u64 <= LONGEST_GENOTYPES,
        "it is too long for a genotype: it has more than {LONGEST_GENOTYPES} bytes"
    );
    Ok(Genotype::choose(&decode_text(&bytes)?, name)?.genotype)
}

fn judge(
    arguments: &EvaluateArguments,
    trained: &Trained,
    source: &ImageSource,
    ranks: &dyn Ranks,
) -> anyhow::Result<Evaluation> {
    let limit = arguments.limit.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
    let images = source.len().min(limit);
    ensure!(images > 0, "the data has no test images");
    let lively = ranks.is_first() && io::stderr().is_terminal();
    let (done, shown) = (Cell::new(0), Cell::new(Instant::now()));
    let progress = |batch: BatchDone| {
        done.set(done.get() + batch.images);
        if lively && shown.get().elapsed() > PROGRESS_EVERY {
            shown.set(Instant::now());
            // A failure to print progress is ignored.
            let _ = write!(io::stderr(), "\r{} of {images} images ", done.get());
        }
        Flow::Go
    };
    let threads = device::threads_of_rank(0, ranks.place());
    let network = FrozenNetwork::new(&trained.plan, &trained.weights, arguments.precision, threads)?;
    let found = training::evaluate(&network, source, arguments.batch as usize, limit, ranks, &progress)?;
    if lively {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
    found.context("the evaluation was ended early")
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde::Deserialize;
    use tch::Tensor;

    use super::*;
    use crate::{data::samples::sample, ranks::Alone};

    const CHECKPOINTS: [&str; 2] = ["dataparallel_legacy.pt", "dataparallel_zip.pt"];

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        evaluate: EvaluateArguments,
    }

    /// Arguments as they are typed, for the network of the sample checkpoints.
    fn typed(weights: &Path, more: &[&str]) -> EvaluateArguments {
        let weights = weights.to_str().unwrap();
        let network = ["--arch", "RelativeNAS", "--kind", "cifar", "--channels", "4", "--cells", "3"];
        let rest = ["--classes", "10", "--no-auxiliary", "--device", "cpu", "--weights", weights];
        let line = [&["evaluate"][..], &network, &rest, more].concat();
        Line::try_parse_from(line).unwrap().evaluate
    }

    fn checkpoint(name: &str) -> PathBuf {
        sample("checkpoints").join(name)
    }

    #[test]
    fn sample_checkpoints_give_pytorch_s_logits() {
        #[derive(Deserialize)]
        struct Expected {
            logits_eval: Vec<f64>,
        }
        let text = fs::read_to_string(checkpoint("expected.json")).unwrap();
        let expected: Expected = serde_json::from_str(&text).unwrap();
        let unit = |i: u32| f64::from(i.wrapping_mul(2_654_435_761)) / 4_294_967_296.0 - 0.5;
        let images: Vec<f32> = (0..2 * 3 * 32 * 32).map(|i| unit(i) as f32).collect();
        let images = device::channels_last(&Tensor::from_slice(&images).view([2, 3, 32, 32])).unwrap();
        for name in CHECKPOINTS {
            let trained = Trained::load(&typed(&checkpoint(name), &[]), 10, Device::Cpu, true).unwrap();
            let network = FrozenNetwork::new(&trained.plan, &trained.weights, Precision::F32, 2).unwrap();
            let logits = network.logits(&images).unwrap().to_kind(Elements::Double);
            let error = (logits.flatten(0, -1) - Tensor::from_slice(&expected.logits_eval)).abs().max();
            assert!(error.double_value(&[]) < 1e-4 * 0.26, "{name}: {error:?}");
        }
    }

    #[test]
    fn containers_prefixes_layouts_and_batches_change_no_figure() {
        let found = |weights: &Path, data: &str, batch| {
            let data = sample(data);
            let arguments = typed(weights, &["--data", data.to_str().unwrap(), "--batch", batch]);
            let Opened { source, classes, .. } = arguments.open(Device::Cpu).unwrap();
            let trained = Trained::load(&arguments, classes, Device::Cpu, true).unwrap();
            judge(&arguments, &trained, &source, &Alone).unwrap()
        };
        let folder = tempfile::tempdir().unwrap();
        let plain = folder.path().join("plain.safetensors");
        let tensors = weights_file::read(&checkpoint(CHECKPOINTS[0])).unwrap();
        assert!(tensors.keys().all(|name| !name.starts_with("module.")));
        weights_file::write(&plain, &tensors).unwrap();
        let expected = found(&plain, "cifar-10-batches-bin", "20");
        assert_eq!(expected.images, 20);
        assert!(expected.top1 <= expected.top5 && expected.loss.0 > 0.0, "{expected:?}");
        for data in ["cifar-10-batches-bin", "cifar-10-batches-py", "cifar-10-batches-py3"] {
            for weights in CHECKPOINTS.map(checkpoint) {
                assert_eq!(found(&weights, data, "20"), expected, "{data} {}", weights.display());
            }
        }
        let pieces = found(&plain, "cifar-10-batches-bin", "7");
        assert!((pieces.loss - expected.loss).abs() < 1e-5, "{pieces:?} {expected:?}");
        assert_eq!((pieces.top1, pieces.top5), (expected.top1, expected.top5));
    }

    #[test]
    fn weights_of_another_network_are_listed_by_name() {
        let arguments = typed(&checkpoint(CHECKPOINTS[1]), &[]);
        let arguments = EvaluateArguments { no_auxiliary: false, ..arguments };
        let error = Trained::load(&arguments, 10, Device::Cpu, true).err().unwrap();
        let error = format!("{error:#}");
        assert!(error.contains("missing: auxiliary_head.classifier.bias"), "{error}");
        assert!(error.contains("they fit with `--no-auxiliary`"), "{error}");
        let arguments = EvaluateArguments { no_auxiliary: true, channels: Some(6), ..arguments };
        let error = format!("{:#}", Trained::load(&arguments, 10, Device::Cpu, true).err().unwrap());
        assert!(error.contains("of another shape") && error.contains("dataparallel_zip.pt"), "{error}");
        assert!(error.contains("they fit with `--channels 4`"), "{error}");
    }

    #[test]
    fn weights_that_are_no_numbers_are_said() {
        let trained = Trained::load(&typed(&checkpoint(CHECKPOINTS[1]), &[]), 10, Device::Cpu, true).unwrap();
        let (plan, modules) = (&trained.plan, trained.weights.scatter(&trained.plan).unwrap());
        assert_eq!(not_finite(plan, &modules).unwrap(), None);
        let mut named = to_named(plan, &modules);
        for (name, value) in [("stem.1.bias", f64::NAN), ("classifier.bias", f64::INFINITY)] {
            let broken = named[name].copy();
            let _ = broken.get(1).fill_(value);
            named.insert(name.to_owned(), broken);
        }
        let modules = from_named(plan, named).unwrap();
        assert_eq!(
            not_finite(plan, &modules).unwrap().unwrap(),
            "2 weights are not finite (NaN or infinite), in `classifier.bias` and 1 more tensors; the results \
             are meaningless"
        );
    }

    #[test]
    fn other_classes_than_the_data_has_are_refused() {
        let arguments = typed(&checkpoint(CHECKPOINTS[1]), &[]);
        let error = arguments.shape(100).unwrap_err().to_string();
        assert!(error.starts_with("--classes 10: the data has 100 classes"), "{error}");
    }

    #[test]
    fn an_architecture_is_a_name_a_file_or_a_text() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cell.txt");
        let published = published::genotype("DARTS_V2").unwrap();
        let text = published.format(relativenas_core::genotype::GenotypeFormat::Darts);
        fs::write(&file, &text).unwrap();
        for typed in ["darts_v2", file.to_str().unwrap(), &text] {
            assert_eq!(genotype(typed).unwrap(), published, "{typed}");
        }
        let error = format!("{:#}", genotype("darts_v3").unwrap_err());
        assert!(error.contains("did you mean `DARTS_V1`"), "{error}");
    }
}
