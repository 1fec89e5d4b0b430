//! Every decision about devices: which one, how many threads, which memory format, what travels how.
//!
//! A CUDA device works through a queue, and nobody waits for it between batches: what it needs is
//! sent ahead with [`send`], and sums of losses stay with it until an epoch is done.

use std::{collections::BTreeMap, fmt, str::FromStr};

use tch::{Cuda, Device, Kind, TchError, Tensor};

use crate::{memory::values_mut, ranks::Place};

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
        "device.kind = \"{0}\" cannot work together; several devices are CUDA devices, as in \"cuda:0,cuda:1\", or cpu \
         for each"
    )]
    Mixed(String),
    #[error(
        "device.kind = \"{kind}\" names {device} twice; name each device once: learners take turns on it"
    )]
    Twice { kind: String, device: DeviceChoice },
    #[error(
        "device.kind names {devices} devices, and no more than {learners} can be at work at once: a search has a device \
         for each learner that it estimates at once, two of a pair and more with search.pairs_at_once; a training has \
         one a rank (--ranks {devices})"
    )]
    TooMany { devices: usize, learners: usize },
    #[error("{ranks} ranks are on this machine, and device.kind names {named} devices; name one for each")]
    NotOneEach { ranks: usize, named: usize },
    #[error(
        "cuda:{asked} was asked for, but {}; use `auto` or `cpu`, or see `relativenas doctor`",
        missing(*found)
    )]
    Missing { asked: usize, found: usize },
    #[error(
        "{ranks} ranks are on this machine, but {}; start fewer, or all of them on the CPU with device.kind = \"cpu\"",
        missing(*found)
    )]
    TooFew { ranks: usize, found: usize },
    #[error("{} cannot be used: {why}; use `cpu`, or see `relativenas doctor`", name(*device))]
    Unusable { device: Device, why: String },
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
    /// The device to use, made ready.
    ///
    /// cuDNN tries its algorithms for a convolution and keeps the fastest. Which one that is may
    /// differ from run to run, and with it the last bits of what a CUDA device computes.
    ///
    /// # Errors
    /// If a CUDA device is asked for by number and is not there, or cannot be used.
    pub fn resolve(self) -> Result<Device, DeviceError> {
        let device = self.find()?;
        if device.is_cuda() {
            Cuda::cudnn_set_benchmark(true);
            // Locked memory belongs to the device that is used first; else to cuda:0, whoever is meant.
            if let Err(error) = Tensor::f_zeros([1], (Kind::Float, device)) {
                return Err(DeviceError::Unusable { device, why: error.to_string() });
            }
        }
        Ok(device)
    }

    /// What `kind` (as in settings) names: a device, or several that work together, as in `cuda:0,cuda:1`.
    ///
    /// # Errors
    /// If that is none, or they cannot work together.
    pub fn all(kind: &str) -> Result<Vec<Self>, DeviceError> {
        let named = kind.split(',').map(|name| name.trim().parse()).collect::<Result<Vec<Self>, _>>()?;
        let cpus = named.iter().filter(|choice| **choice == Self::Cpu).count();
        if named.len() > 1 && (named.contains(&Self::Auto) || (1..named.len()).contains(&cpus)) {
            return Err(DeviceError::Mixed(kind.to_owned()));
        }
        // The CPU may stand there twice: that is the same work as on two devices, to be looked at without them.
        let twice = (1..named.len()).find(|&i| cpus == 0 && named[..i].contains(&named[i]));
        match twice {
            Some(i) => Err(DeviceError::Twice { kind: kind.to_owned(), device: named[i] }),
            None => Ok(named),
        }
    }

    /// What a rank takes of the devices of its machine where `kind` (as in settings) leaves it the choice, or names
    /// several: one of its own. Where whoever started the ranks shows each a single device, that is its own.
    ///
    /// # Errors
    /// If `kind` is no device, or there are fewer devices than ranks.
    pub fn of_rank(kind: &str, place: Place, found: usize, one_is_shown: bool) -> Result<Self, DeviceError> {
        let named = Self::all(kind)?;
        let choice = match named[..] {
            [choice] => choice,
            _ if place.of_host == 1 => {
                return Err(DeviceError::TooMany { devices: named.len(), learners: 1 });
            }
            _ => {
                let missing = DeviceError::NotOneEach { ranks: place.of_host, named: named.len() };
                return named.get(place.on_host).copied().ok_or(missing);
            }
        };
        let free = choice == Self::Auto || kind == "cuda";
        match place.on_host {
            _ if !free || found == 0 || place.of_host == 1 => Ok(choice),
            _ if one_is_shown => Ok(Self::Cuda(0)),
            own if own < found => Ok(Self::Cuda(own)),
            _ => Err(DeviceError::TooFew { ranks: place.of_host, found }),
        }
    }

    fn find(self) -> Result<Device, DeviceError> {
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

/// As a person types them.
pub fn names(devices: &[Device]) -> String {
    devices.iter().map(|device| name(*device)).collect::<Vec<_>>().join(",")
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

/// A tensor on a device. From main memory to CUDA it travels while both sides work on, queued like
/// a kernel.
///
/// Only memory that is locked into main memory can travel so: a copy of any other waits for the
/// whole queue. libtorch keeps the locked copy until it has arrived.
///
/// # Errors
/// If memory runs out.
pub fn send(tensor: &Tensor, device: Device) -> Result<Tensor, TchError> {
    if !device.is_cuda() || tensor.device() != Device::Cpu {
        return tensor.f_to_device(device);
    }
    // `pin_memory` would warn that its argument, which tch always gives, is deprecated.
    let locked = tensor.f_internal_pin_memory(device)?;
    locked.f_to_device_(device, tensor.f_kind()?, true, false)
}

/// Lets numbers be changed where the main processor and the network reach them: in place on a CPU; from CUDA
/// they travel to locked memory and back, and this waits for the device.
///
/// # Errors
/// If memory runs out, or the change fails.
pub fn in_main_memory<E: From<TchError>>(
    numbers: &mut Tensor,
    change: impl FnOnce(&mut [f32]) -> Result<(), E>,
) -> Result<(), E> {
    let device = numbers.device();
    if !device.is_cuda() {
        return change(values_mut(numbers)?);
    }
    let size = numbers.size();
    let mut staged = Tensor::f_empty(&size, (Kind::Float, Device::Cpu))?.f_internal_pin_memory(device)?;
    staged.f_copy_(numbers)?;
    change(values_mut(&mut staged)?)?;
    numbers.f_copy_(&staged)?;
    Ok(())
}

/// Waits until a device has done all that was asked of it. For clocks: nothing else needs it.
pub fn wait(device: Device) {
    if let Device::Cuda(index) = device {
        Cuda::synchronize(index as i64);
    }
}

/// How learners that are estimated together share devices and cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sharing {
    /// As many train at the same time; the others wait for their turn. One alone does it in the thread that searches.
    pub at_once: usize,
    /// As many are estimated together in a generation, unless fewer are left.
    pub together: usize,
    /// Of the CPU, for all learners together.
    pub threads: usize,
}

impl Sharing {
    /// At once, if it is asked for, as many as there are CUDA devices; on a CPU, as there are threads. There are never
    /// more than `most` to be estimated, and `together` in a generation.
    ///
    /// On one CUDA device they take turns. tch and torch-sys 0.26 can neither make a stream nor choose one, so
    /// the kernels of two threads would stand in one queue; and libtorch keeps cuDNN's plans by
    /// thread, so a thread that lives for one learner would try all algorithms again. Turns cost one
    /// wait for the queue an epoch. On several devices the trying is worth it; ranks do without, each in a thread that
    /// stays.
    pub fn of(devices: &[Device], threads: usize, at_once: bool, (together, most): (usize, usize)) -> Self {
        let cuda = devices.iter().any(|device| device.is_cuda());
        let places = if cuda { devices.len() } else { threads.max(devices.len()) };
        Self { at_once: if at_once { places.min(most).max(1) } else { 1 }, together, threads }
    }

    /// Threads in which so many learners train.
    pub fn lanes(self, learners: usize) -> usize {
        self.at_once.min(learners).max(1)
    }

    /// Threads of the CPU for each of so many learners: a part of them if they learn at once, else all. The last
    /// bits of what a learner computes depend on it.
    pub fn threads_of_each(self, learners: usize) -> usize {
        (self.threads / self.lanes(learners)).max(1)
    }
}

/// Threads of the CPU to use: as many as asked for, or as there are cores.
pub fn threads(asked: usize) -> usize {
    match asked {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        asked => asked,
    }
}

/// The devices of a rank that has so many learners to estimate at once, made ready: those that `kind` (as in settings)
/// names, or one of them where the rank is not alone on its machine.
///
/// # Errors
/// If there is none for it, there are more than learners, or one cannot be used.
pub fn all_of_rank(kind: &str, place: Place, learners: usize) -> Result<Vec<Device>, DeviceError> {
    let named = DeviceChoice::all(kind)?;
    if named.len() == 1 || place.of_host > 1 {
        return Ok(vec![of_rank(kind, place)?]);
    }
    if named.len() > learners {
        return Err(DeviceError::TooMany { devices: named.len(), learners });
    }
    named.into_iter().map(DeviceChoice::resolve).collect()
}

/// The device of a rank, made ready; see [`DeviceChoice::of_rank`].
///
/// # Errors
/// If there is none for it, or it cannot be used.
pub fn of_rank(kind: &str, place: Place) -> Result<Device, DeviceError> {
    let found = cuda_devices();
    let one_is_shown = found == 1 && std::env::var_os("CUDA_VISIBLE_DEVICES").is_some();
    DeviceChoice::of_rank(kind, place, found, one_is_shown)?.resolve()
}

/// Threads of one rank: its part of the cores that it shares with others.
pub fn threads_of_rank(asked: usize, place: Place) -> usize {
    match asked {
        0 => (threads(0) / place.on_cores.max(1)).max(1),
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
    fn each_rank_of_a_machine_has_a_device_of_its_own_unless_a_number_was_asked_for() {
        let of = |kind, on_host, found, shown| {
            DeviceChoice::of_rank(kind, Place { on_host, of_host: 3, on_cores: 3 }, found, shown)
                .map_err(|error| error.to_string())
        };
        for kind in ["auto", "cuda"] {
            assert_eq!(of(kind, 2, 3, false), Ok(DeviceChoice::Cuda(2)));
            assert_eq!(of(kind, 2, 1, true), Ok(DeviceChoice::Cuda(0)));
            let error = of(kind, 2, 2, false).unwrap_err();
            assert!(
                error.starts_with("3 ranks are on this machine, but there are only cuda:0 to cuda:1"),
                "{error}"
            );
        }
        assert_eq!(of("auto", 2, 0, false), Ok(DeviceChoice::Auto));
        assert_eq!(of("cuda:1", 2, 2, false), Ok(DeviceChoice::Cuda(1)));
        assert_eq!(of("cpu", 2, 2, false), Ok(DeviceChoice::Cpu));
    }

    #[test]
    fn several_devices_are_cuda_devices_each_once_and_no_more_than_learners() {
        let named = |kind| DeviceChoice::all(kind).map_err(|error| error.to_string());
        assert_eq!(named("cuda:0,cuda:1"), Ok(vec![DeviceChoice::Cuda(0), DeviceChoice::Cuda(1)]));
        assert_eq!(named("cpu, cpu"), Ok(vec![DeviceChoice::Cpu; 2]));
        for (kind, problem) in [
            ("cuda:0,cuda:0", "names cuda:0 twice"),
            ("cuda,cuda:1,cuda:0", "names cuda:0 twice"),
            ("cpu,cuda:1", "cannot work together"),
            ("auto,cuda:1", "cannot work together"),
            ("cuda:0,", "`` is not a device"),
        ] {
            let error = named(kind).unwrap_err();
            assert!(error.contains(problem), "{kind}: {error}");
        }
        let alone = |kind, learners| all_of_rank(kind, Place::ALONE, learners).map_err(|e| e.to_string());
        assert_eq!(alone("cpu,cpu", 2), Ok(vec![Device::Cpu; 2]));
        let error = alone("cpu,cpu,cpu", 2).unwrap_err();
        assert!(
            error.starts_with("device.kind names 3 devices, and no more than 2 can be at work"),
            "{error}"
        );
        let error = alone("cuda:98,cuda:99", 2).unwrap_err();
        assert!(error.starts_with("cuda:98 was asked for, but "), "{error}");
        // A training has one learner.
        let error = of_rank("cpu,cpu", Place::ALONE).unwrap_err().to_string();
        assert!(error.contains("(--ranks 2)"), "{error}");
    }

    #[test]
    fn of_several_that_are_named_each_rank_takes_its_own() {
        let of = |on_host, of_host| {
            let place = Place { on_host, of_host, on_cores: of_host };
            DeviceChoice::of_rank("cuda:3,cuda:1", place, 4, false).map_err(|error| error.to_string())
        };
        assert_eq!([of(0, 2), of(1, 2)], [Ok(DeviceChoice::Cuda(3)), Ok(DeviceChoice::Cuda(1))]);
        let error = of(2, 3).unwrap_err();
        assert!(error.starts_with("3 ranks are on this machine, and device.kind names 2 devices"), "{error}");
    }

    #[test]
    fn learners_share_the_cores_of_a_cpu_and_take_turns_on_one_cuda_device() {
        let pair = (2, 2);
        let sharing = |devices: &[Device], threads, at_once, learners| {
            let sharing = Sharing::of(devices, threads, at_once, learners);
            (sharing.at_once, [1, 2, 4].map(|learners| sharing.threads_of_each(learners)))
        };
        assert_eq!(sharing(&[Device::Cpu], 5, true, pair), (2, [5, 2, 2]));
        assert_eq!(sharing(&[Device::Cpu], 5, false, pair), (1, [5, 5, 5]));
        assert_eq!(sharing(&[Device::Cpu], 1, true, pair), (1, [1, 1, 1]));
        assert_eq!(sharing(&[Device::Cpu], 8, true, (4, 4)), (4, [8, 4, 2]));
        assert_eq!(sharing(&[Device::Cpu; 2], 1, true, pair), (2, [1, 1, 1]));
        assert_eq!(sharing(&[Device::Cuda(0)], 8, true, pair), (1, [8, 8, 8]));
        assert_eq!(sharing(&[Device::Cuda(0), Device::Cuda(1)], 8, true, (4, 4)), (2, [8, 4, 4]));
    }

    #[test]
    fn channels_last_changes_strides_and_not_values() {
        let images = Tensor::arange(2 * 3 * 4 * 5, (Kind::Float, Device::Cpu)).reshape([2, 3, 4, 5]);
        let turned = channels_last(&images).unwrap();
        assert_eq!(turned.stride(), [60, 1, 15, 3]);
        assert_eq!(turned, images);
    }
}
