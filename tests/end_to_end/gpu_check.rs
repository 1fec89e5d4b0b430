//! The check of a machine with a GPU, rehearsed on the CPU: everything but the device.

use std::{fs, path::Path, process::Command};

use crate::stage::{Ran, Stage, engine};

/// The check, with a network and a number of images that take a second or two.
fn check(stage: &Stage, device: &str, page: &Path) -> Ran {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("engine/gpu-check"));
    command.args(["--device", device, "--tests", "none", "--images", "32", "--batch", "16"]);
    command.args(["--channels", "2", "--cells", "3", "--runs", "1", "--python", ""]);
    command.arg("--programs").arg(engine().parent().expect("a folder")).arg("--output").arg(page);
    command.env("XDG_DATA_HOME", stage.path("data")).env("XDG_CONFIG_HOME", stage.path("config"));
    Ran::of(command.output().expect("python3 is there, as for installing libtorch"))
}

#[test]
fn the_check_of_a_gpu_writes_its_page_with_every_section() {
    let stage = Stage::new();
    let page = stage.path("page.md");
    check(&stage, "cpu", &page).succeeded();
    let text = fs::read_to_string(&page).expect("the page");
    assert!(text.starts_with("# Rehearsal of the check of cpu\n"), "{text}");
    for section in ["## Golden tests", "## A search of two generations", "## Throughput"] {
        assert!(text.contains(section), "{section} is missing:\n{text}");
    }
    let rows: Vec<_> =
        text.lines().filter(|line| line.starts_with("| f32 ") || line.starts_with("| bfloat16 ")).collect();
    assert_eq!(rows.len(), 2, "{text}");
    for row in rows {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        assert!(cells[2..5].iter().all(|rate| rate.parse::<f64>().is_ok_and(|rate| rate > 0.0)), "{row}");
        assert_eq!(cells[9].split(' ').filter(|loss| loss.parse::<f64>().is_ok()).count(), 4, "{row}");
    }
}

#[test]
fn a_device_that_is_not_there_is_refused_with_the_way_out() {
    let stage = Stage::new();
    let page = stage.path("page.md");
    check(&stage, "cuda:99", &page).refused(1, "libtorch finds no cuda:99");
    assert!(!page.exists());
}
