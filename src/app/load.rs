//! What an engine takes of its machine: processor and memory, as Linux tells of any process, and of its graphics
//! processors where it works on them.

mod gpu;

use std::{
    fs,
    time::{Duration, Instant},
};

use relativenas_ui::messages::Load;

use self::gpu::Devices;
use crate::{
    engine::liveness::{address, holder, this_host},
    folder::RunFolder,
};

/// How often it is looked up.
const PERIOD: Duration = Duration::from_secs(5);
/// Bytes of the steps in which memory is told, so that an engine at rest always takes the same.
const STEP: u64 = 10_000_000;

/// Clock ticks per second in what Linux tells of a process, whatever the kernel's own clock does.
const TICKS: f64 = 100.0;

/// Looks at an engine now and then.
pub struct Gauge {
    /// The process; `None` if it is on another machine, or of another kernel's numbering.
    pid: Option<u32>,
    /// When it was last looked at, and the processor time that it had taken by then, in clock ticks.
    last: Option<(Instant, u64)>,
    /// The devices that it may work on; `None` if it works on the processor, or nothing is told of devices.
    devices: Option<Box<dyn Devices>>,
}

impl Gauge {
    /// A gauge of the engine that holds a run, and says to work on this `device`.
    pub fn of(folder: &RunFolder, device: &str) -> Self {
        let here = address(folder).is_some_and(|address| address.host == this_host());
        // The kernel names the process that holds the lock by the number that it has here.
        let pid = holder(folder).filter(|_| here);
        let devices = pid.filter(|_| device.starts_with("cuda")).and_then(|_| gpu::devices());
        Self { pid, last: None, devices }
    }

    /// What the engine takes, if it is time `now` to measure again and that can be told.
    pub fn measure(&mut self, now: Instant) -> Option<Load> {
        let pid = self.pid?;
        if self.last.is_some_and(|(looked, _)| now.duration_since(looked) < PERIOD) {
            return None;
        }
        let ticks = ticks(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
        let memory = resident(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)?;
        let (looked, before) = self.last.replace((now, ticks))?;
        let share = ticks.saturating_sub(before) as f64 / TICKS / now.duration_since(looked).as_secs_f64();
        let gpu = self.devices.as_ref().and_then(|devices| gpu::load_of(&devices.states(), pid));
        Some(Load { cpu: (100.0 * share).round() as u32, memory: memory.div_ceil(STEP), gpu })
    }
}

/// The processor time of a process in `/proc/PID/stat`, its own and the kernel's for it, in clock ticks.
fn ticks(stat: &str) -> Option<u64> {
    // The name in parentheses may hold blanks and parentheses itself.
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

/// The resident memory of a process in `/proc/PID/status`, in bytes.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use relativenas_ui::messages::{GpuLoad, MemoryOwner};

    use super::{
        gpu::{DeviceProcess, DeviceState},
        *,
    };

    #[test]
    fn figures_are_found_whatever_the_process_is_called() {
        let stat = "41 (a) R (b) S 1 41 41 0 -1 4194304 100 0 0 0 250 31 0 0 20 0 3 0 100 1 2";
        assert_eq!(ticks(stat), Some(281));
        assert_eq!(ticks("41 (a) S 1"), None);
        assert_eq!(resident("Name:\ta\nVmRSS:\t  204800 kB\nThreads:\t3\n"), Some(209_715_200));
        assert_eq!(resident("Name:\ta\n"), None);
    }

    #[test]
    fn a_process_is_looked_at_now_and_then() {
        let mut gauge = Gauge { pid: Some(std::process::id()), last: None, devices: None };
        let begun = Instant::now();
        assert_eq!(gauge.measure(begun), None, "there is nothing to compare with yet");
        assert_eq!(gauge.measure(begun + PERIOD - Duration::from_millis(1)), None, "it is too early");
        assert!(gauge.measure(begun + PERIOD).is_some_and(|load| load.memory > 0 && load.gpu.is_none()));
        assert_eq!(Gauge { pid: None, last: None, devices: None }.measure(begun), None);
    }

    /// A machine with one device, on which the process computes.
    struct OneDevice(u32);

    impl Devices for OneDevice {
        fn states(&self) -> Vec<DeviceState> {
            let process = DeviceProcess { pid: self.0, used: Some(2_105_000_000) };
            vec![DeviceState { busy: 87, used: 3_000_000_000, processes: vec![process] }]
        }
    }

    #[test]
    fn a_process_on_a_device_is_told_with_what_it_takes_of_it() {
        let pid = std::process::id();
        let mut gauge = Gauge { pid: Some(pid), last: None, devices: Some(Box::new(OneDevice(pid))) };
        let begun = Instant::now();
        assert_eq!(gauge.measure(begun), None);
        let load = gauge.measure(begun + PERIOD).expect("it is time");
        assert_eq!(load.gpu, Some(GpuLoad { busy: 87, memory: 211, owner: MemoryOwner::Engine }));
    }
}
