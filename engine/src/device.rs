//! Every decision about devices: which one, how many threads, which memory format, how tensors are sent.
//!
//! A CUDA device works through a queue, and the program does not wait for it between batches: tensors are
//! sent ahead with [`send`], and sums of losses stay on the device until an epoch is done.

use std::{collections::BTreeMap, fmt, str::FromStr};

use tch::{Cuda, Device, Kind, TchError, Tensor};

use crate::{batches::members, memory::values_mut, ranks::RankPlace};

/// The device that a person asks for: `auto`, `cpu` or `cuda:N`.
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
        "the devices in device.kind = \"{0}\" cannot work together; name CUDA devices alone, as in \"cuda:0,cuda:1\", \
         or the CPU alone, as in \"cpu,cpu\""
    )]
    Mixed(String),
    #[error(
        "device.kind = \"{kind}\" names {device} twice; name each device once; learners on one device take turns"
    )]
    Twice { kind: String, device: DeviceChoice },
    #[error(
        "device.kind names {devices} devices, and no more than {learners} can be at work at once: a search uses a \
         device for each learner that it estimates at once, which are the two of a pair, or more with \
         search.pairs_at_once; a training uses one for each rank (--ranks {devices})"
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
    /// Returns the device to use, ready for work.
    ///
    /// cuDNN tries its algorithms for a convolution and keeps the fastest. Which one that is may differ from
    /// run to run, and with it the last bits of the results of a CUDA device.
    ///
    /// # Errors
    /// If a CUDA device is asked for by number and is not there, or cannot be used.
    pub fn resolve(self) -> Result<Device, DeviceError> {
        let device = self.find()?;
        if device.is_cuda() {
            Cuda::cudnn_set_benchmark(true);
            // libtorch locks memory for the device that is used first, and otherwise for cuda:0, whichever
            // device is meant.
            if let Err(error) = Tensor::f_zeros([1], (Kind::Float, device)) {
                return Err(DeviceError::Unusable { device, why: error.to_string() });
            }
        }
        Ok(device)
    }

    /// The devices that the setting `device.kind` names: one, or several that work together, as in
    /// `cuda:0,cuda:1`.
    ///
    /// # Errors
    /// If `kind` names no device, or several that cannot work together.
    pub fn all(kind: &str) -> Result<Vec<Self>, DeviceError> {
        let named = kind.split(',').map(|name| name.trim().parse()).collect::<Result<Vec<Self>, _>>()?;
        let cpus = named.iter().filter(|choice| **choice == Self::Cpu).count();
        if named.len() > 1 && (named.contains(&Self::Auto) || (1..named.len()).contains(&cpus)) {
            return Err(DeviceError::Mixed(kind.to_owned()));
        }
        // The CPU may be named twice: work is then divided as among two devices, so that this can be tried
        // out without them.
        let twice = (1..named.len()).find(|&i| cpus == 0 && named[..i].contains(&named[i]));
        match twice {
            Some(i) => Err(DeviceError::Twice { kind: kind.to_owned(), device: named[i] }),
            None => Ok(named),
        }
    }

    /// The device of a rank by the setting `device.kind`. Where `kind` leaves the choice (`auto` or `cuda`)
    /// or names several devices, each rank takes another device of its machine, of which `found` are CUDA
    /// devices. If the launcher shows each rank a single one (`one_is_shown`), the rank takes that.
    ///
    /// # Errors
    /// If `kind` is no device, there are fewer devices than ranks, or `kind` names several devices for a
    /// single rank.
    pub fn of_rank(
        kind: &str,
        place: RankPlace,
        found: usize,
        one_is_shown: bool,
    ) -> Result<Self, DeviceError> {
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

/// The number of CUDA devices that libtorch finds; 0 in its CPU variant.
pub fn cuda_devices() -> usize {
    if Cuda::is_available() { usize::try_from(Cuda::device_count()).unwrap_or(0) } else { 0 }
}

/// Names of devices as a person types them, separated by commas.
pub fn names(devices: &[Device]) -> String {
    devices.iter().map(|device| name(*device)).collect::<Vec<_>>().join(",")
}

/// The name of a device: `cpu` or `cuda:N`.
pub fn name(device: Device) -> String {
    match device {
        Device::Cuda(index) => format!("cuda:{index}"),
        _ => "cpu".to_owned(),
    }
}

/// Sets how many threads libtorch's CPU kernels use when called from this thread.
///
/// OpenMP keeps this number for each calling thread, so every thread that computes must set it.
pub fn set_threads_of_this_thread(threads: usize) {
    tch::set_num_threads(i32::try_from(threads.max(1)).unwrap_or(i32::MAX));
}

/// Returns the same `[N, C, H, W]` values, channels last in memory, which is the fastest format for depthwise
/// convolutions and pools on CPU and CUDA alike. Kernels follow the strides of their inputs.
///
/// # Errors
/// If the tensor has not four dimensions, or memory runs out.
pub fn channels_last(images: &Tensor) -> Result<Tensor, TchError> {
    // tch has no argument for the memory format.
    images.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2])
}

/// Sends a tensor to a device. From main memory to CUDA it is copied while both sides work on, queued like a
/// kernel.
///
/// Only page-locked memory can be copied that way: a copy of any other memory waits for the whole queue.
/// libtorch keeps the locked copy until it has arrived.
///
/// # Errors
/// If memory runs out.
pub fn send(tensor: &Tensor, device: Device) -> Result<Tensor, TchError> {
    if !device.is_cuda() || tensor.device() != Device::Cpu {
        return tensor.f_to_device(device);
    }
    // `pin_memory` would warn that its argument, which tch always passes, is deprecated.
    let locked = tensor.f_internal_pin_memory(device)?;
    locked.f_to_device_(device, tensor.f_kind()?, true, false)
}

/// Calls `change` with the numbers of a tensor in main memory. On a CPU they are changed in place; from CUDA
/// they are copied to page-locked memory and back, which waits for the device.
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

/// Waits until a device has finished all its work. Only measurements of time need this.
pub fn wait(device: Device) {
    if let Device::Cuda(index) = device {
        Cuda::synchronize(index as i64);
    }
}

/// How learners that are estimated together share devices and cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sharing {
    /// The number of learners that train at the same time; the others wait for their turn. A single one
    /// trains in the thread of the search.
    pub at_once: usize,
    /// The number of learners that are estimated together in a generation, unless fewer are left.
    pub together: usize,
    /// Threads of the CPU, for all learners together.
    pub threads: usize,
}

impl Sharing {
    /// If `at_once` is set, as many learners train at the same time as there are CUDA devices, or, on CPUs,
    /// threads. `together` is the number of learners that are estimated together in a generation, and `most`
    /// the greatest number that ever is.
    ///
    /// On one CUDA device learners take turns. tch and torch-sys 0.26 can neither make a stream nor choose
    /// one, so the kernels of two threads would be in one queue; and libtorch keeps cuDNN's plans for each
    /// thread, so a thread that lives for one learner would try all algorithms again. Taking turns costs one
    /// wait for the queue each epoch. With several devices it is worth trying the algorithms again for each
    /// learner. Ranks do not have to, because the thread of a rank lives as long as the run.
    pub fn of(devices: &[Device], threads: usize, at_once: bool, (together, most): (usize, usize)) -> Self {
        let cuda = devices.iter().any(|device| device.is_cuda());
        let places = if cuda { devices.len() } else { threads.max(devices.len()) };
        Self { at_once: if at_once { places.min(most).max(1) } else { 1 }, together, threads }
    }

    /// The number of threads in which these learners train.
    pub fn lanes(self, learners: usize) -> usize {
        self.at_once.min(learners).max(1)
    }

    /// The CPU threads of each learner: a part of them if learners train at once, else all. The last bits of
    /// the results depend on this number.
    pub fn threads_of_each(self, learners: usize) -> usize {
        (self.threads / self.lanes(learners)).max(1)
    }
}

/// A sentence about CPU threads that have nothing to do in the training steps of a search on kernels of our own, with
/// batches of so many images; `None` where all have work, or a CUDA device does it.
pub fn idle_threads(devices: &[Device], sharing: Sharing, batch: usize) -> Option<String> {
    if devices.iter().any(|device| device.is_cuda()) {
        return None;
    }
    let (lanes, share) = (sharing.lanes(sharing.together), sharing.threads_of_each(sharing.together));
    let busy = members(batch, share);
    let of_use = lanes * busy;
    if of_use >= sharing.threads {
        return None;
    }
    let more = if sharing.at_once < sharing.together {
        "device.parallel_learners = true or larger batches have work for more"
    } else {
        "larger batches, or more pairs at once (search.pairs_at_once), have work for more"
    };
    let why = if busy < share {
        let networks = if lanes == 1 { "a network".to_owned() } else { format!("each of {lanes} networks") };
        format!(
            "{share} threads for {networks} are no faster than {busy} on a batch of {batch} images; {more}"
        )
    } else {
        format!("{lanes} networks that train at once have as many threads as each other")
    };
    Some(format!("of {} threads {of_use} are of use in training: {why}", sharing.threads))
}

/// The number of CPU threads to use: as many as asked for, or, if that is 0, as many as there are cores.
pub fn threads(asked: usize) -> usize {
    match asked {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        asked => asked,
    }
}

/// The devices of a rank that estimates `learners` learners at once, ready for work: those that the setting
/// `device.kind` names, or one of them where several ranks share the machine.
///
/// # Errors
/// If there is no device for the rank, there are more devices than learners, or one cannot be used.
pub fn all_of_rank(kind: &str, place: RankPlace, learners: usize) -> Result<Vec<Device>, DeviceError> {
    let named = DeviceChoice::all(kind)?;
    if named.len() == 1 || place.of_host > 1 {
        return Ok(vec![of_rank(kind, place)?]);
    }
    if named.len() > learners {
        return Err(DeviceError::TooMany { devices: named.len(), learners });
    }
    named.into_iter().map(DeviceChoice::resolve).collect()
}

/// The device of a rank, ready for work; see [`DeviceChoice::of_rank`].
///
/// # Errors
/// If there is no device for the rank, or it cannot be used.
pub fn of_rank(kind: &str, place: RankPlace) -> Result<Device, DeviceError> {
    let found = cuda_devices();
    let one_is_shown = found == 1 && std::env::var_os("CUDA_VISIBLE_DEVICES").is_some();
    DeviceChoice::of_rank(kind, place, found, one_is_shown)?.resolve()
}

/// The number of CPU threads of one rank: as many as asked for, or, if that is 0, its part of the cores that
/// it shares with other ranks.
pub fn threads_of_rank(asked: usize, place: RankPlace) -> usize {
    match asked {
        0 => (threads(0) / place.on_cores.max(1)).max(1),
        asked => asked,
    }
}

/// Copies named tensors to a device.
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

/// Prints every device, as text or JSON, for `relativenas doctor`.
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
            DeviceChoice::of_rank(kind, RankPlace { on_host, of_host: 3, on_cores: 3 }, found, shown)
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
        let alone = |kind, learners| all_of_rank(kind, RankPlace::ALONE, learners).map_err(|e| e.to_string());
        assert_eq!(alone("cpu,cpu", 2), Ok(vec![Device::Cpu; 2]));
        let error = alone("cpu,cpu,cpu", 2).unwrap_err();
        assert!(
            error.starts_with("device.kind names 3 devices, and no more than 2 can be at work"),
            "{error}"
        );
        let error = alone("cuda:98,cuda:99", 2).unwrap_err();
        assert!(error.starts_with("cuda:98 was asked for, but "), "{error}");
        // A training has one learner, so it has one device.
        let error = of_rank("cpu,cpu", RankPlace::ALONE).unwrap_err().to_string();
        assert!(error.contains("(--ranks 2)"), "{error}");
    }

    #[test]
    fn of_several_that_are_named_each_rank_takes_its_own() {
        let of = |on_host, of_host| {
            let place = RankPlace { on_host, of_host, on_cores: of_host };
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
    fn threads_that_have_nothing_to_do_are_told_of() {
        let said = |device, threads, at_once, batch| {
            let sharing = Sharing::of(&[device], threads, at_once, (2, 2));
            idle_threads(&[device], sharing, batch).unwrap_or_default()
        };
        assert_eq!(said(Device::Cpu, 16, true, 256), "");
        assert_eq!(said(Device::Cpu, 2, true, 64), "");
        assert_eq!(said(Device::Cpu, 1, true, 64), "");
        assert_eq!(said(Device::Cuda(0), 200, true, 16), "");
        assert_eq!(
            said(Device::Cpu, 48, true, 16),
            "of 48 threads 32 are of use in training: 24 threads for each of 2 networks are no faster than 16 on a batch \
             of 16 images; larger batches, or more pairs at once (search.pairs_at_once), have work for more"
        );
        assert_eq!(
            said(Device::Cpu, 48, false, 32),
            "of 48 threads 32 are of use in training: 48 threads for a network are no faster than 32 on a batch \
             of 32 images; device.parallel_learners = true or larger batches have work for more"
        );
        assert_eq!(
            said(Device::Cpu, 3, true, 64),
            "of 3 threads 2 are of use in training: 2 networks that train at once have as many threads as each other"
        );
    }

    #[test]
    fn channels_last_changes_strides_and_not_values() {
        let images = Tensor::arange(2 * 3 * 4 * 5, (Kind::Float, Device::Cpu)).reshape([2, 3, 4, 5]);
        let turned = channels_last(&images).unwrap();
        assert_eq!(turned.stride(), [60, 1, 15, 3]);
        assert_eq!(turned, images);
    }
}
