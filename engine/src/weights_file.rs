//! Files with the weights of a whole network: safetensors and PyTorch's checkpoints are read, safetensors are
//! written.
//!
//! A checkpoint is a pickle, which Python reads by executing it. Here nothing is executed: see
//! [`crate::pickle`].

mod archive;
mod names;
mod pytorch;
mod state_dict;
mod tensor;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use relativenas_core::trained_network::{self, TrainedNetwork};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use tch::{Device, Kind, TchError, Tensor};

use names::NormalisedNames;
pub use names::{LEFT_OUT, PREFIXES, is_left_out};
use pytorch::TorchCheckpoint;
pub use state_dict::{AVERAGED_WORDS, WEIGHTS_KEYS};
use tensor::{Element, PlainTensor};

/// The greatest size in bytes of a file or a pipe that is read.
const LONGEST: u64 = 4 << 30;
/// The number of bytes at the beginning of a file by which every format is recognised.
const HEAD: u64 = 512;
/// The types of elements as three libraries name them.
const ELEMENTS: [(Element, Kind, Dtype); 10] = [
    (Element::F64, Kind::Double, Dtype::F64),
    (Element::F32, Kind::Float, Dtype::F32),
    (Element::F16, Kind::Half, Dtype::F16),
    (Element::BF16, Kind::BFloat16, Dtype::BF16),
    (Element::I64, Kind::Int64, Dtype::I64),
    (Element::I32, Kind::Int, Dtype::I32),
    (Element::I16, Kind::Int16, Dtype::I16),
    (Element::I8, Kind::Int8, Dtype::I8),
    (Element::U8, Kind::Uint8, Dtype::U8),
    (Element::Bool, Kind::Bool, Dtype::BOOL),
];

/// Why a file gives no weights, or not those of the network.
#[derive(Debug, thiserror::Error)]
pub enum WeightsFileError {
    #[error("cannot read `{}`: {reason}", path.display())]
    Read { path: PathBuf, reason: io::Error },
    #[error("cannot write `{}`: {reason}", path.display())]
    Write { path: PathBuf, reason: io::Error },
    #[error(
        "`{}` is not a file of weights that can be read: {}expected safetensors, or a checkpoint that `torch.save` wrote",
        path.display(), known_otherwise(.otherwise)
    )]
    UnknownFormat { path: PathBuf, otherwise: Option<&'static str> },
    #[error("`{}` cannot be read: {problem}", path.display())]
    Malformed { path: PathBuf, problem: String },
    #[error("the weights are not those of this network. {0}")]
    Mismatch(Mismatch),
    #[error(transparent)]
    Torch(#[from] TchError),
}

/// How weights differ from those that a network expects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mismatch {
    /// Names that are expected and missing.
    pub missing: Vec<String>,
    /// Names that are there and not expected.
    pub unexpected: Vec<String>,
    /// Name, actual shape, and expected shape.
    pub misshaped: Vec<(String, Vec<i64>, Vec<i64>)>,
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let misshaped: Vec<_> = self
            .misshaped
            .iter()
            .map(|(name, found, wanted)| format!("{name} {found:?}, expected {wanted:?}"))
            .collect();
        let groups =
            [("missing", &self.missing), ("unexpected", &self.unexpected), ("of another shape", &misshaped)];
        let groups: Vec<_> = groups.into_iter().filter(|(_, names)| !names.is_empty()).collect();
        let counts: Vec<_> = groups.iter().map(|(what, names)| format!("{} {what}", names.len())).collect();
        write!(f, "{}", counts.join(", "))?;
        for (what, names) in groups {
            // All names are listed: when two files are compared by name, the last one is needed as much as
            // the first.
            write!(f, "\n{what}: {}", names.join(", "))?;
        }
        Ok(())
    }
}

/// Weights from a file.
#[derive(Debug)]
pub struct Weights {
    /// The tensors on the CPU, under the names that the network itself gives them.
    pub tensors: BTreeMap<String, Tensor>,
    /// The network that the weights belong to, if the file describes it.
    pub network: Option<Box<TrainedNetwork>>,
    /// Sentences about which part of the file was taken, and what was left out.
    pub notes: Vec<String>,
}

/// Reads named tensors to the CPU, from safetensors or from a checkpoint of any version of PyTorch.
///
/// The format is recognised by the content, not by the name. In a checkpoint that holds more than weights,
/// they are found by [`WEIGHTS_KEYS`]. Prefixes that wrappers put before names ([`PREFIXES`]) are removed,
/// and entries that are known not to be weights ([`LEFT_OUT`]) are left out.
///
/// # Errors
/// If the file has none of these formats, is damaged, or holds no state dict.
pub fn find(path: &Path) -> Result<Weights, WeightsFileError> {
    let bytes = read_file(path)?;
    let malformed = |problem| WeightsFileError::Malformed { path: path.to_owned(), problem };
    let mut network = None;
    let checkpoint = match Format::of(&bytes) {
        Some(Format::Archive) => pytorch::read_archive(&bytes),
        Some(Format::Legacy) => pytorch::read_legacy(&bytes),
        Some(Format::Safetensors) => {
            network = described(&bytes).map(Box::new);
            read_safetensors(&bytes).map(|tensors| TorchCheckpoint { tensors, notes: Vec::new() })
        }
        None => return Err(unknown(path, &bytes)),
    };
    let TorchCheckpoint { tensors, mut notes } = checkpoint.map_err(malformed)?;
    let NormalisedNames { tensors, prefix, beside } = names::normalise(tensors).map_err(malformed)?;
    if !prefix.is_empty() {
        notes.push(format!("removed the prefix `{prefix}` from all names"));
    }
    if !beside.is_empty() {
        notes.push(format!("left out entries that belong to no module: {}", beside.join(", ")));
    }
    let tensors = tensors.into_iter().map(|(name, plain)| Ok((name, tensor(&plain)?)));
    Ok(Weights { tensors: tensors.collect::<Result<_, TchError>>()?, network, notes })
}

/// As [`find`], without the notes.
///
/// # Errors
/// As [`find`].
pub fn read(path: &Path) -> Result<BTreeMap<String, Tensor>, WeightsFileError> {
    find(path).map(|weights| weights.tensors)
}

#[derive(Clone, Copy)]
enum Format {
    Archive,
    Legacy,
    Safetensors,
}

impl Format {
    /// The format, recognised by the first bytes.
    fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [b'P', b'K', 3, 4, ..] => Some(Self::Archive),
            _ if pytorch::is_legacy(bytes) => Some(Self::Legacy),
            [_, _, _, _, _, _, _, _, b'{', ..] => Some(Self::Safetensors),
            _ => None,
        }
    }
}

/// The bytes of a file or a pipe; only the first are read if they are of no known format.
fn read_file(path: &Path) -> Result<Vec<u8>, WeightsFileError> {
    let failed = |reason| WeightsFileError::Read { path: path.to_owned(), reason };
    let mut file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    (&mut file).take(HEAD).read_to_end(&mut bytes).map_err(failed)?;
    if Format::of(&bytes).is_none() {
        return Err(unknown(path, &bytes));
    }
    file.take(LONGEST).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LONGEST {
        return Err(failed(io::Error::other(format!("it is longer than {} GiB", LONGEST >> 30))));
    }
    Ok(bytes)
}

/// An error for a file of an unknown format, with a hint for files that are often taken for weights.
fn unknown(path: &Path, head: &[u8]) -> WeightsFileError {
    let otherwise = match head {
        [] => Some("it is empty"),
        [0x1f, 0x8b, ..] => Some("it is compressed; unpack it with `gunzip`"),
        [b'B', b'Z', b'h', ..] => Some("it is compressed; unpack it with `bunzip2`"),
        [0x89, b'H', b'D', b'F', ..] => Some("it is HDF5"),
        [0x80, 0..=5, ..] => Some("it is a pickle, but not one that `torch.save` wrote"),
        _ if head.starts_with(b"version https://git-lfs") => {
            Some("it only stands for the file that `git lfs pull` fetches")
        }
        _ if head.trim_ascii_start().starts_with(b"<") => {
            Some("it is a web page, not what was to be downloaded")
        }
        _ if head.get(257..262) == Some(b"ustar") => Some("it is a tar archive; unpack it with `tar -xf`"),
        _ => None,
    };
    WeightsFileError::UnknownFormat { path: path.to_owned(), otherwise }
}

fn known_otherwise(what: &Option<&'static str>) -> String {
    what.map_or_else(String::new, |what| format!("{what}; "))
}

/// Writes named tensors as safetensors, in their own types; the file appears whole or not at all.
///
/// # Errors
/// If a tensor has a type that safetensors lack, or the file cannot be written.
pub fn write(path: &Path, tensors: &BTreeMap<String, Tensor>) -> Result<(), WeightsFileError> {
    let malformed = |problem| WeightsFileError::Malformed { path: path.to_owned(), problem };
    let mut plain = BTreeMap::new();
    for (name, tensor) in tensors {
        plain.insert(name, bytes_of(tensor)?);
    }
    let mut views = BTreeMap::new();
    for (name, plain) in &plain {
        let entry = ELEMENTS.iter().find(|(element, ..)| *element == plain.element);
        let dtype = entry.map_or(Dtype::F32, |&(_, _, dtype)| dtype);
        let view = TensorView::new(dtype, plain.shape.clone(), &plain.bytes);
        views.insert(name, view.map_err(|error| malformed(error.to_string()))?);
    }
    let bytes = safetensors::serialize(views, None).map_err(|error| malformed(error.to_string()))?;
    let partial = path.with_extension("partial");
    let written = fs::write(&partial, bytes).and_then(|()| fs::rename(&partial, path));
    written.map_err(|source| WeightsFileError::Write { path: path.to_owned(), reason: source })
}

/// Checks that weights are those of a network: the same names, each with the expected shape.
///
/// # Errors
/// If anything differs; the error names all differences. Entries that are known not to be weights
/// ([`LEFT_OUT`]) may be there or not.
pub fn compare<'a>(
    found: &BTreeMap<String, Tensor>,
    expected: impl IntoIterator<Item = (&'a str, Vec<i64>)>,
) -> Result<(), WeightsFileError> {
    let expected: BTreeMap<&str, Vec<i64>> = expected.into_iter().collect();
    let counts = |name: &str| !is_left_out(name);
    let mut mismatch = Mismatch::default();
    for (&name, shape) in expected.iter().filter(|(name, _)| counts(name)) {
        match found.get(name) {
            None => mismatch.missing.push(name.to_owned()),
            Some(tensor) if tensor.size() != *shape => {
                mismatch.misshaped.push((name.to_owned(), tensor.size(), shape.clone()));
            }
            Some(_) => {}
        }
    }
    let unexpected = found.keys().filter(|name| counts(name) && !expected.contains_key(name.as_str()));
    mismatch.unexpected.extend(unexpected.cloned());
    if mismatch == Mismatch::default() { Ok(()) } else { Err(WeightsFileError::Mismatch(mismatch)) }
}

/// The description of the network in a safetensors file.
fn described(bytes: &[u8]) -> Option<TrainedNetwork> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).ok()?;
    TrainedNetwork::parse(metadata.metadata().as_ref()?.get(trained_network::KEY)?)
}

fn read_safetensors(bytes: &[u8]) -> Result<BTreeMap<String, PlainTensor>, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.iter() {
        let entry = ELEMENTS.iter().find(|(_, _, dtype)| *dtype == view.dtype());
        let Some(&(element, ..)) = entry else {
            return Err(format!("tensor `{name}` has elements of {}, which is not supported", view.dtype()));
        };
        let plain = PlainTensor { element, shape: view.shape().to_vec(), bytes: view.data().to_vec() };
        tensors.insert(name.to_owned(), plain);
    }
    Ok(tensors)
}

fn tensor(plain: &PlainTensor) -> Result<Tensor, TchError> {
    let kind = ELEMENTS.iter().find(|(element, ..)| *element == plain.element);
    let kind = kind.map_or(Kind::Float, |&(_, kind, _)| kind);
    let shape: Vec<i64> = plain.shape.iter().map(|&n| n as i64).collect();
    Tensor::f_from_data_size(&plain.bytes, &shape, kind)
}

fn bytes_of(tensor: &Tensor) -> Result<PlainTensor, TchError> {
    let tensor = tensor.f_to_device(Device::Cpu)?.f_contiguous()?;
    let kind = tensor.kind();
    let Some(&(element, ..)) = ELEMENTS.iter().find(|(_, known, _)| *known == kind) else {
        return Err(TchError::Convert(format!("tensors of {kind:?} cannot be written")));
    };
    let mut bytes = vec![0; tensor.numel() * element.size()];
    tensor.f_copy_data_u8(&mut bytes, tensor.numel())?;
    let shape = tensor.size().into_iter().map(|n| n as usize).collect();
    Ok(PlainTensor { element, shape, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::samples::sample;

    fn checkpoint() -> BTreeMap<String, Tensor> {
        read(&sample("checkpoints/dataparallel_zip.pt")).expect("the sample")
    }

    #[test]
    fn names_lose_the_prefix_of_data_parallelism() {
        for file in ["dataparallel_zip.pt", "dataparallel_legacy.pt"] {
            let tensors = read(&sample("checkpoints").join(file)).expect("the sample");
            assert_eq!(tensors["stem.0.weight"].size(), [12, 3, 3, 3], "{file}");
            assert!(tensors.values().eq(checkpoint().values()), "{file}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("weights.safetensors");
        let mut written = checkpoint();
        written.insert("a.half".into(), Tensor::from_slice(&[1.5_f32, -2.0]).to_kind(Kind::Half));
        written.insert("a.transposed".into(), Tensor::from_slice2(&[[1_i64, 2], [3, 4]]).tr());
        write(&path, &written).expect("written");
        let read = read(&path).expect("read");
        assert!(read.keys().eq(written.keys()));
        for (name, tensor) in &written {
            assert_eq!((&read[name], read[name].kind()), (tensor, tensor.kind()), "{name}");
        }
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1, "nothing is left beside it");
    }

    #[test]
    fn every_difference_is_named() {
        let found = checkpoint();
        let mut shapes: BTreeMap<String, Vec<i64>> =
            found.iter().map(|(name, tensor)| (name.clone(), tensor.size())).collect();
        let check = |shapes: &BTreeMap<String, Vec<i64>>| {
            compare(&found, shapes.iter().map(|(name, shape)| (name.as_str(), shape.clone())))
        };
        check(&shapes).expect("the same");
        shapes.remove("stem.1.num_batches_tracked");
        check(&shapes).expect("not counted");
        shapes.remove("classifier.bias");
        shapes.insert("classifier.weight".into(), vec![100, 16]);
        for name in ["a", "b", "c", "d", "e", "f"] {
            shapes.insert(format!("auxiliary_head.{name}"), vec![]);
        }
        let [classes, inputs] = found["classifier.weight"].size()[..] else { panic!("a matrix") };
        assert_eq!(
            check(&shapes).expect_err("different").to_string(),
            format!(
                "the weights are not those of this network. 6 missing, 1 unexpected, 1 of another shape\n\
                 missing: auxiliary_head.a, auxiliary_head.b, auxiliary_head.c, auxiliary_head.d, auxiliary_head.e, \
                 auxiliary_head.f\n\
                 unexpected: classifier.bias\n\
                 of another shape: classifier.weight [{classes}, {inputs}], expected [100, 16]"
            )
        );
    }

    #[test]
    fn what_holds_no_weights_is_said() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("weights.pt");
        let check = |bytes: &[u8], expected: &str| {
            fs::write(&path, bytes).expect("written");
            let error = read(&path).expect_err("no weights").to_string();
            assert_eq!(error, expected.replace("FILE", &path.display().to_string()));
        };
        check(
            b"hello",
            "`FILE` is not a file of weights that can be read: expected safetensors, or a checkpoint that `torch.save` wrote",
        );
        check(b"PK\x03\x04", "`FILE` cannot be read: the archive has no directory: it is truncated");
        fs::remove_file(&path).expect("removed");
        assert!(
            read(&path)
                .expect_err("missing")
                .to_string()
                .starts_with(&format!("cannot read `{}`", path.display()))
        );
    }
}
