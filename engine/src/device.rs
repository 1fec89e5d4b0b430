//! Every decision about devices: which one, how many threads, which memory format.

use std::{collections::BTreeMap, fmt, str::FromStr};

use tch::{Cuda, Device, TchError, Tensor};

/// What a person may ask for: `auto`, `cpu` or `cuda:N`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first CUDA device if there is one, otherwise the CPU.
    #[default]
    Auto,
    Cpu,
    Cuda(usize),
}

/// Why a device cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    #[error("`{0}` is not a device; use `auto`, `cpu` or `cuda:N` with N from 0")]
    Unknown(String),
    #[error(
        "cuda:{asked} was asked for, but {}; use `auto` or `cpu`, or see `relativenas doctor`",
        missing(*found)
    )]
    Missing { asked: usize, found: usize },
}

fn missing(found: usize) -> String {
    match found {
        0 => "libtorch finds no CUDA device (no driver, no GPU, or the CPU variant of libtorch)".to_owned(),
        1 => "there is only cuda:0".to_owned(),
        n => format!("there are only cuda:0 to cuda:{}", n - 1),
    }
}

impl FromStr for DeviceChoice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|n| n.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| DeviceError::Unknown(text.to_owned())),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.pad("auto"),
            Self::Cpu => f.pad("cpu"),
            Self::Cuda(index) => f.pad(&format!("cuda:{index}")),
        }
    }
}

impl DeviceChoice {
    /// The device to use.
    ///
    /// # Errors
    /// If a CUDA device is asked for by number and is not there.
    pub fn resolve(self) -> Result<Device, DeviceError> {
        let found = cuda_devices();
        match self {
            Self::Auto if found > 0 => Ok(Device::Cuda(0)),
            Self::Auto | Self::Cpu => Ok(Device::Cpu),
            Self::Cuda(asked) if asked < found => Ok(Device::Cuda(asked)),
            Self::Cuda(asked) => Err(DeviceError::Missing { asked, found }),
        }
    }
}

/// How many CUDA devices libtorch sees; 0 in its CPU variant.
pub fn cuda_devices() -> usize {
    if Cuda::is_available() { usize::try_from(Cuda::device_count()).unwrap_or(0) } else { 0 }
}

/// `cpu` or `cuda:N`.
pub fn name(device: Device) -> String {
    match device {
        Device::Cuda(index) => format!("cuda:{index}"),
        _ => "cpu".to_owned(),
    }
}

/// Sets how many threads libtorch's CPU kernels use when called from this thread.
///
/// OpenMP keeps this number per calling thread, so every thread that computes must set it.
pub fn set_threads_of_this_thread(threads: usize) {
    tch::set_num_threads(i32::try_from(threads.max(1)).unwrap_or(i32::MAX));
}

/// The same `[N, C, H, W]` values, channels last in memory: what depthwise convolutions and pools
/// are fastest with on CPU and CUDA alike. Kernels follow the strides of their inputs.
///
/// # Errors
/// If the tensor has not four dimensions, or memory runs out.
pub fn channels_last(images: &Tensor) -> Result<Tensor, TchError> {
    // tch has no argument for the memory format.
    images.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2])
}

/// Threads of the CPU to use: as many as asked for, or as there are cores.
pub fn threads(asked: usize) -> usize {
    match asked {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        asked => asked,
    }
}

/// Brings named tensors to a device.
///
/// # Errors
/// If its memory runs out.
pub fn place_all(
    tensors: BTreeMap<String, Tensor>,
    device: Device,
) -> Result<BTreeMap<String, Tensor>, TchError> {
    tensors.into_iter().map(|(name, tensor)| Ok((name, tensor.f_to_device(device)?))).collect()
}

/// The version of libtorch that this program was built for.
pub const LIBTORCH: &str = "2.13.0";

/// Prints every device, for `relativenas doctor` and people.
pub fn print(json: bool) {
    let found = cuda_devices();
    if json {
        let devices: Vec<_> =
            std::iter::once("cpu".to_owned()).chain((0..found).map(|i| format!("cuda:{i}"))).collect();
        println!("{}", serde_json::json!({"libtorch": LIBTORCH, "threads": threads(0), "devices": devices}));
        return;
    }
    println!("libtorch {LIBTORCH}");
    println!("cpu: {} threads", threads(0));
    for index in 0..found {
        println!("cuda:{index}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_as_people_type_them() {
        for text in ["auto", "cpu", "cuda:3"] {
            assert_eq!(text.parse::<DeviceChoice>().unwrap().to_string(), text);
        }
        assert!("gpu".parse::<DeviceChoice>().unwrap_err().to_string().contains("`auto`, `cpu` or `cuda:N`"));
    }

    #[test]
    fn a_missing_cuda_device_is_an_error_with_a_way_out() {
        let error = DeviceChoice::Cuda(99).resolve().unwrap_err().to_string();
        assert!(error.contains("cuda:99") && error.contains("`auto`"), "{error}");
        assert!(DeviceChoice::Auto.resolve().is_ok());
    }

    #[test]
    fn channels_last_changes_strides_and_not_values() {
        let images = Tensor::arange(2 * 3 * 4 * 5, (tch::Kind::Float, Device::Cpu)).reshape([2, 3, 4, 5]);
        let turned = channels_last(&images).unwrap();
        assert_eq!(turned.stride(), [60, 1, 15, 3]);
        assert_eq!(turned, images);
    }
}
