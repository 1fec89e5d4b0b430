//! Named tensors as the bytes of a safetensors file, and back.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    path::Path,
};

use relativenas_core::trained_network::{self, TrainedNetwork};
use safetensors::{Dtype, SafeTensors, View};
use tch::{Device, Kind, TchError, Tensor};

/// Why tensors could not be written as, or read from, the bytes of a safetensors file.
#[derive(Debug, thiserror::Error)]
pub enum TensorsError {
    #[error("{file}: {message}")]
    File { file: String, message: String },
    #[error(transparent)]
    Device(#[from] TchError),
}

/// A tensor on the CPU, as the bytes of its `f32` values, row-major.
struct F32Bytes {
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for &F32Bytes {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// The bytes of a safetensors file, which are the same for the same values.
///
/// # Errors
/// If a tensor cannot be brought to the CPU.
pub fn to_safetensors(tensors: &BTreeMap<String, Tensor>) -> Result<Vec<u8>, TensorsError> {
    serialized(tensors, None)
}

/// The bytes of a safetensors file with a description of the network in its metadata.
///
/// # Errors
/// If a tensor cannot be brought to the CPU.
pub fn of_network(
    tensors: &BTreeMap<String, Tensor>,
    network: &TrainedNetwork,
) -> Result<Vec<u8>, TensorsError> {
    // There is one entry only: several would be in any order, and the bytes would differ from time to time.
    serialized(tensors, Some(HashMap::from([(trained_network::KEY.to_owned(), network.format())])))
}

fn serialized(
    tensors: &BTreeMap<String, Tensor>,
    metadata: Option<HashMap<String, String>>,
) -> Result<Vec<u8>, TensorsError> {
    let mut plain = BTreeMap::new();
    for ((name, tensor), values) in tensors.iter().zip(values(tensors.values())?) {
        let mut bytes = vec![0; values.numel() * size_of::<f32>()];
        values.f_copy_data_u8(&mut bytes, values.numel())?;
        let shape = tensor.size().into_iter().map(|n| usize::try_from(n).unwrap_or(0)).collect();
        plain.insert(name.as_str(), F32Bytes { shape, bytes });
    }
    safetensors::serialize(plain.iter(), metadata)
        .map_err(|e| TensorsError::File { file: "safetensors".to_owned(), message: e.to_string() })
}

/// The values of tensors on the CPU, row-major. Tensors on another device are copied in one piece: every copy
/// from there waits for all work that the device was given before.
fn values<'a>(tensors: impl Iterator<Item = &'a Tensor>) -> Result<Vec<Tensor>, TchError> {
    let flat = |tensor: &Tensor| tensor.f_to_kind(Kind::Float)?.f_contiguous()?.f_view([-1]);
    let mut values = tensors.map(flat).collect::<Result<Vec<_>, _>>()?;
    let elsewhere: Vec<_> = values.iter_mut().filter(|tensor| tensor.device() != Device::Cpu).collect();
    if elsewhere.is_empty() {
        return Ok(values);
    }
    let together = Tensor::f_cat(&elsewhere, 0)?.f_to_device(Device::Cpu)?;
    let mut start = 0;
    for tensor in elsewhere {
        let length = tensor.numel() as i64;
        *tensor = together.f_narrow(0, start, length)?;
        start += length;
    }
    Ok(values)
}

/// Reads the bytes of a safetensors file; errors name `path`.
///
/// # Errors
/// If they are not safetensors, or hold numbers other than `f32`.
pub fn from_safetensors(path: &Path, bytes: &[u8]) -> Result<BTreeMap<String, Tensor>, TensorsError> {
    let wrong = |message: String| TensorsError::File { file: path.display().to_string(), message };
    let file = SafeTensors::deserialize(bytes).map_err(|e| wrong(e.to_string()))?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.tensors() {
        if view.dtype() != Dtype::F32 {
            return Err(wrong(format!("`{name}` holds {:?}, not F32", view.dtype())));
        }
        let shape: Vec<i64> = view.shape().iter().map(|&n| n as i64).collect();
        tensors.insert(name, Tensor::f_from_data_size(view.data(), &shape, Kind::Float)?);
    }
    Ok(tensors)
}
