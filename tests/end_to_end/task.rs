//! Trainings of the transfer tasks: runs like any other, whose files of weights describe their network, so that they
//! can be used for predictions and exports.

use std::fs;

use serde_json::Value;

use crate::{
    search::{lines, pid, signal},
    stage::{Stage, samples, wait_until},
};

/// A segmentation of the sample's streets that ends within seconds.
fn streets(name: &str, more: &[&str]) -> Vec<String> {
    let data = samples().join("transfer/cityscapes").display().to_string();
    let begin = ["train", "--task", "segmentation", "--arch", "RelativeNAS", "--headless", "--name", name];
    let begin =
        begin.into_iter().chain(["--data", &data, "--device", "cpu", "--channels", "4", "--cells", "3"]);
    let settings = ["retrain.epochs=4", "retrain.batch=2", "retrain.crop=64", "device.threads=1"];
    let settings = settings.into_iter().flat_map(|setting| ["--set", setting]);
    begin.chain(settings).chain(more.iter().copied()).map(Into::into).collect()
}

#[test]
fn a_killed_segmentation_goes_on_to_the_same_weights_which_predict_and_become_onnx() {
    let stage = Stage::new();
    stage.relativenas(streets("whole", &[])).succeeded();
    let mut command = stage.command(streets("cut", &[])).spawn().expect("starts");
    let folder = stage.runs().join("cut");
    wait_until("the first epoch is finished", || lines(&folder) >= 2);
    signal(pid(&folder), "-KILL");
    command.wait().expect("the command ends");
    assert!(lines(&folder) < 6, "killed too late to test anything");
    stage.relativenas(["resume", "cut", "--headless"]).succeeded();
    // Compared as text, because NaN does not equal itself.
    assert_eq!(format!("{:?}", stage.events("cut")), format!("{:?}", stage.events("whole")));
    let weights = |run: &str| stage.runs().join(run).join("weights/best.safetensors");
    assert!(fs::read(weights("cut")).expect("written") == fs::read(weights("whole")).expect("written"));

    let status = stage.relativenas(["status", "whole", "--json"]).succeeded();
    let status: Value = serde_json::from_str(&status.stdout).expect("JSON");
    assert_eq!(status["metric"]["name"], "miou");
    assert!(status["metric"]["value"].is_number(), "{status}");

    let file = weights("whole").display().to_string();
    let picture = samples().join("transfer/cityscapes/leftImg8bit/val/frankfurt");
    let picture = picture.join("frankfurt_000000_000294_leftImg8bit.png").display().to_string();
    let drawn = stage.path("drawn");
    let out = drawn.display().to_string();
    let ran = stage.relativenas(["predict", "--weights", &file, "--device", "cpu", "-o", &out, &picture]);
    let said: Value = serde_json::from_str(&ran.succeeded().stdout).expect("JSON");
    assert_eq!((said[0]["width"].as_u64(), said[0]["height"].as_u64()), (Some(128), Some(64)));
    assert!(drawn.join("frankfurt_000000_000294_leftImg8bit.png").is_file());

    let model = stage.path("streets.onnx");
    let model = model.to_str().expect("text");
    stage.relativenas(["export", "whole", "--format", "onnx", "-o", model]).succeeded();
    let bytes = fs::read(model).expect("written");
    assert!(bytes.len() as u64 > fs::metadata(&file).expect("there").len() / 2, "the weights are in it");
}

#[test]
fn what_a_task_cannot_do_is_said_before_anything_begins() {
    let stage = Stage::new();
    stage
        .relativenas(["train", "--task", "detection", "--arch", "RelativeNAS", "--headless"])
        .refused(2, "detection needs --data, a folder with Pascal VOC (VOC2007 or VOC2012 in it, or both)");
    stage.relativenas(streets("r", &["--ranks", "2"])).refused(
        2,
        "--ranks 2: `device.ranks` = 2 is out of range; expected 1 where retrain.task is not classification: \
         only classification is shared among ranks",
    );
    stage.relativenas(streets("r", &["--set", "retrain.crop=100"])).refused(
        2,
        "--set retrain.crop=100: `retrain.crop` = 100 is out of range; expected a multiple of 32 pixels, because the \
         network halves the resolution five times",
    );
    assert!(!stage.runs().join("r").exists());
}
