//! A trained network as an ONNX file.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use relativenas_core::{
    genotype::Genotype,
    onnx::{self, WeightTensor},
    trained_network::{self, Seen, TrainedNetwork},
};

use safetensors::{Dtype, SafeTensors};

use super::{of_individual, of_rank};
use crate::{arguments::ExportArguments, context::Context, failure::misuse, operations::reading};

/// The height and width in pixels of the crops that a segmentation network sees, where the file of weights does not
/// tell them.
const PUBLISHED_CROP: usize = 1024;

/// The content of the ONNX file. The network's size follows from the weights.
///
/// # Errors
/// If there are no weights, they cannot be read, or are another network's.
pub(super) fn file(context: &Context, arguments: &ExportArguments) -> Result<Vec<u8>> {
    let (genotype, path) = match (&arguments.run, &arguments.arch) {
        (_, Some(arch)) => (reading::read(arch)?, None),
        (Some(run), None) => of_run(context, run, arguments)?,
        (None, None) => return Err(misuse("name a run, or give --arch with --weights")),
    };
    let path = arguments.weights.clone().or(path).ok_or_else(|| {
        misuse("the run has no trained weights: train what it found, or name some with --weights")
    })?;
    written(&genotype, &path).with_context(|| path.display().to_string())
}

/// The genotype of a run, and its best weights if it is a training.
fn of_run(context: &Context, run: &str, arguments: &ExportArguments) -> Result<(Genotype, Option<PathBuf>)> {
    let folder = context.find(run)?;
    let view = folder.view()?;
    super::check_choice(arguments, view.training.is_some())?;
    if let Some(training) = &view.training {
        let best = folder.best_weights();
        return Ok((training.genotype.clone(), best.is_file().then_some(best)));
    }
    let search = view.search.as_ref().filter(|search| !search.population.is_empty());
    let search = search.ok_or_else(|| misuse("the run has no population yet"))?;
    let position = match (arguments.individual, arguments.rank) {
        (Some(individual), _) => of_individual(search, individual)?,
        (None, rank) => of_rank(search, rank.unwrap_or(1))?,
    };
    let genotype = Genotype::decode(position)
        .map_err(|_| misuse("only cells have a network; architectures of NAS-Bench-201 have none here"))?;
    Ok((genotype, None))
}

/// A trained network as ONNX. Its task is recorded in the file of weights, or follows from the names of the tensors.
fn written(genotype: &Genotype, path: &Path) -> Result<Vec<u8>> {
    let bytes = fs::read(path).context("cannot be read")?;
    let weights = read(&bytes)?;
    let shape_of = |tensor: &WeightTensor| tensor.shape.iter().map(|&n| n as usize).collect();
    let shapes = weights.iter().map(|(name, tensor)| (name.clone(), shape_of(tensor))).collect();
    let seen = Seen::of(&shapes)
        .context("no weights of a known network: the stem, the cells or the classifier are missing")?;
    let crop = described(&bytes).and_then(|network| network.crop).unwrap_or(PUBLISHED_CROP);
    Ok(onnx::task(seen.task, genotype, &seen.network, crop, &weights)?)
}

/// The description of the network that a file of weights holds, if it holds one.
fn described(bytes: &[u8]) -> Option<TrainedNetwork> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).ok()?;
    TrainedNetwork::parse(metadata.metadata().as_ref()?.get(trained_network::KEY)?)
}

fn read(bytes: &[u8]) -> Result<BTreeMap<String, WeightTensor>> {
    let file = SafeTensors::deserialize(bytes).context(
        "no safetensors file; a checkpoint of PyTorch is turned into one with `safetensors.torch.save_file`",
    )?;
    let mut weights = BTreeMap::new();
    for (name, tensor) in file.iter() {
        if name.ends_with(".num_batches_tracked") {
            continue;
        }
        if tensor.dtype() != Dtype::F32 {
            bail!("`{name}` holds {:?}; weights have to be F32", tensor.dtype());
        }
        let shape = tensor.shape().iter().map(|&n| n as u64).collect();
        let numbers = tensor.data().chunks_exact(4);
        let values = numbers.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        weights.insert(name.to_owned(), WeightTensor { shape, values });
    }
    Ok(weights)
}

#[cfg(test)]
mod tests {
    use relativenas_core::published;
    use safetensors::tensor::TensorView;

    use super::*;

    fn message(tensors: &[(&str, Dtype, Vec<usize>, Vec<u8>)]) -> String {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let views = tensors.iter().map(|(name, dtype, shape, data)| {
            (*name, TensorView::new(*dtype, shape.clone(), data).expect("a tensor"))
        });
        fs::write(file.path(), safetensors::serialize(views, None).expect("written")).expect("written");
        let genotype = published::genotype("RelativeNAS").expect("published");
        format!("{:#}", written(&genotype, file.path()).expect_err("no network"))
    }

    #[test]
    fn weights_that_are_not_the_network_s_are_refused_by_name() {
        let floats = |name, shape: &[usize]| {
            (name, Dtype::F32, shape.to_vec(), vec![0; 4 * shape.iter().product::<usize>()])
        };
        assert_eq!(
            message(&[("stem.0.weight", Dtype::F16, vec![2], vec![0; 4])]),
            "`stem.0.weight` holds F16; weights have to be F32"
        );
        let expected = "no weights of a known network: the stem, the cells or the classifier are missing";
        assert_eq!(message(&[floats("backbone.stem0.0.weight", &[2])]), expected);
        let network = [
            floats("stem.0.weight", &[12, 3, 3, 3]),
            floats("cells.0.preprocess0.op.1.weight", &[4, 12, 1, 1]),
            floats("classifier.weight", &[10, 16]),
        ];
        let found = message(&network);
        assert!(found.contains("`cells.0._ops.2.op.1.weight` is missing"), "{found}");
    }

    #[test]
    fn what_is_no_safetensors_file_says_so() {
        let error = format!("{:#}", read(b"PK\x03\x04").expect_err("no weights"));
        assert!(error.starts_with("no safetensors file"), "{error}");
    }
}
