//! The load of an engine on its machine: processor time and memory, as Linux reports them for any process, and the
//! use of graphics processors, if the engine works on them.

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

/// How often the load is measured.
const PERIOD: Duration = Duration::from_secs(5);
/// Memory is reported in multiples of so many bytes, so that the figure of an engine at rest does not change.
const STEP: u64 = 10_000_000;

/// Clock ticks per second in `/proc/PID/stat`; Linux reports them at this rate whatever the rate of its own timer.
const TICKS: f64 = 100.0;

/// Measures the load of an engine from time to time.
pub struct Gauge {
    /// The engine's process; `None` if it is on another machine, or in a container with process ids of its own.
    pid: Option<u32>,
    /// When it was last looked at, and the processor time that it had taken by then, in clock ticks.
    last: Option<(Instant, u64)>,
    /// The devices that it may work on; `None` if it works on the processor, or no driver reports on devices.
    devices: Option<Box<dyn Devices>>,
}

impl Gauge {
    /// A gauge of the engine that holds a run; `device` is the device that it reports to work on.
    pub fn of(folder: &RunFolder, device: &str) -> Self {
        let here = address(folder).is_some_and(|address| address.host == this_host());
        // The kernel names the process that holds the lock by the number that it has here.
        let pid = holder(folder).filter(|_| here);
        let devices = pid.filter(|_| device.starts_with("cuda")).and_then(|_| gpu::devices());
        Self { pid, last: None, devices }
    }

    /// The load of the engine at the time `now`; `None` if it is not yet time to measure again, or it cannot be
    /// measured.
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
