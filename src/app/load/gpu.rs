//! The use that an engine makes of the graphics processors of its machine, as NVIDIA's management library (NVML)
//! reports it.
//!
//! The library comes with the driver and is loaded when an engine on CUDA is looked at, so this program can be built
//! without it, and a machine without a driver has no devices.

use std::ffi::OsStr;

use nvml_wrapper::{
    Device, Nvml, enums::device::UsedGpuMemory, error::NvmlError, struct_wrappers::device::ProcessInfo,
};
use relativenas_ui::messages::{GpuLoad, MemoryOwner};

use super::STEP;

/// The name of the library in the driver's packages; the one without a number is in those for developers.
const LIBRARY: &str = "libnvidia-ml.so.1";

/// A device as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceState {
    /// The share of the last moments, in per cent, in which it was at work.
    pub busy: u32,
    /// Bytes of its memory that are in use.
    pub used: u64,
    pub processes: Vec<DeviceProcess>,
}

/// A process that computes on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceProcess {
    pub pid: u32,
    /// Bytes of the device's memory that it uses; `None` if the driver does not report them.
    pub used: Option<u64>,
}

/// A source of the states of a machine's devices.
pub trait Devices: Send {
    /// The states of all devices. If there are several, one whose state is unknown is reported as idle, with no
    /// memory in use and no processes; if there is only one, and its state is unknown, the list is empty.
    fn states(&self) -> Vec<DeviceState>;
}

/// The devices of this machine; `None` if there is no driver that reports on any.
pub fn devices() -> Option<Box<dyn Devices>> {
    let nvml = Nvml::builder().lib_path(OsStr::new(LIBRARY)).init().ok()?;
    Some(Box::new(Driver(nvml)))
}

struct Driver(Nvml);

impl Devices for Driver {
    fn states(&self) -> Vec<DeviceState> {
        let state = |index| state(&self.0.device_by_index(index).ok()?).ok();
        match self.0.device_count().unwrap_or(0) {
            1 => state(0).into_iter().collect(),
            // A device whose state is unknown still counts as one of several.
            count => (0..count).map(|index| state(index).unwrap_or_default()).collect(),
        }
    }
}

fn state(device: &Device<'_>) -> Result<DeviceState, NvmlError> {
    // In a container the driver may not report processes.
    let processes = device.running_compute_processes().unwrap_or_default();
    let process = |process: ProcessInfo| DeviceProcess {
        pid: process.pid,
        used: match process.used_gpu_memory {
            UsedGpuMemory::Used(bytes) => Some(bytes),
            UsedGpuMemory::Unavailable => None,
        },
    };
    Ok(DeviceState {
        busy: device.utilization_rates()?.gpu,
        used: device.memory_info()?.used,
        processes: processes.into_iter().map(process).collect(),
    })
}

/// The load of a process on the devices on which it computes: the mean of their utilization, and the sum of its
/// memory on them.
///
/// In a container with process ids of its own, the driver reports the process on no device. Then the device is
/// certain only on a machine with a single one, and the memory in use on that device is reported instead. `None` if
/// nothing is known.
pub fn load_of(states: &[DeviceState], pid: u32) -> Option<GpuLoad> {
    let of_process = |state: &DeviceState| state.processes.iter().find(|process| process.pid == pid).copied();
    let own: Vec<_> = states.iter().filter_map(|state| Some((state, of_process(state)?))).collect();
    let (on, owner, bytes) = match (&own[..], states) {
        ([], [only]) => (vec![only], MemoryOwner::Device, only.used),
        ([], _) => return None,
        (own, _) => {
            let devices: Vec<_> = own.iter().map(|(state, _)| *state).collect();
            let used: Option<u64> = own.iter().map(|(_, process)| process.used).sum();
            match used {
                Some(bytes) => (devices, MemoryOwner::Engine, bytes),
                None => {
                    let bytes = devices.iter().map(|state| state.used).sum();
                    (devices, MemoryOwner::Device, bytes)
                }
            }
        }
    };
    let busy: u32 = on.iter().map(|state| state.busy).sum();
    let devices = u32::try_from(on.len()).ok()?;
    Some(GpuLoad { busy: (busy + devices / 2) / devices, memory: bytes.div_ceil(STEP), owner })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1_000_000_000;

    fn state(busy: u32, used: u64, processes: &[(u32, Option<u64>)]) -> DeviceState {
        let processes = processes.iter().map(|&(pid, used)| DeviceProcess { pid, used }).collect();
        DeviceState { busy, used, processes }
    }

    #[test]
    fn an_engine_has_the_devices_on_which_it_computes() {
        let check = |states: &[DeviceState], expected: Option<(u32, u64, MemoryOwner)>| {
            let expected = expected.map(|(busy, memory, owner)| GpuLoad { busy, memory, owner });
            assert_eq!(load_of(states, 41), expected, "{states:?}");
        };
        let other = state(100, 70 * GB, &[(7, Some(69 * GB))]);
        let own = state(87, 5 * GB, &[(7, Some(GB)), (41, Some(3 * GB))]);
        check(&[other.clone(), own.clone()], Some((87, 300, MemoryOwner::Engine)));
        let second = state(40, 2 * GB, &[(41, Some(2 * GB))]);
        check(&[own, other.clone(), second], Some((64, 500, MemoryOwner::Engine)));
        // The driver names the process but not its memory.
        check(&[other.clone(), state(9, GB, &[(41, None)])], Some((9, 100, MemoryOwner::Device)));
        // It names no process: then the only device must be it, and of several none is known to be.
        check(&[state(9, GB, &[])], Some((9, 100, MemoryOwner::Device)));
        check(&[state(9, GB, &[]), other], None);
        check(&[], None);
    }

    #[test]
    fn a_machine_without_a_driver_has_no_devices_and_nothing_fails() {
        // With a driver, whatever is there can be told.
        if let Some(devices) = devices() {
            drop(devices.states());
        }
        assert!(Nvml::builder().lib_path(OsStr::new("libnvidia-ml-missing.so.1")).init().is_err());
    }
}
