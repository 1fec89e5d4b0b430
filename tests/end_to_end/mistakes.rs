//! Wrong input: the errors say what is wrong, where, and what to do.

use std::fs;

use crate::stage::{Stage, samples, wait_until};

#[test]
fn an_unknown_setting_names_the_nearest_one() {
    let stage = Stage::new();
    fs::create_dir_all(stage.path("config/relativenas")).expect("made");
    let file = stage.path("config/relativenas/config.toml");
    fs::write(&file, "[search]\ngeneration = 3\n").expect("written");
    stage.relativenas(["config", "check"]).refused(
        2,
        &format!(
            "{}, line 2: there is no setting `search.generation`; did you mean `search.generations`?",
            file.display()
        ),
    );
}

#[test]
fn a_value_out_of_range_says_what_is_expected() {
    Stage::new().search("x", &["--set", "search.population=7"]).refused(
        2,
        "--set search.population=7: `search.population` = 7 is out of range; expected an even number from 2 to 10000",
    );
}

#[test]
fn a_colour_depth_that_there_is_not_is_refused_everywhere() {
    let refusal = "--color many: `screen.color` = \"many\" is out of range; expected one of auto, truecolor, 256, 16, none";
    for arguments in
        [&["--color", "many", "search", "--headless"][..], &["config", "check", "--color", "many"]]
    {
        Stage::new().relativenas(arguments.iter().copied()).refused(2, refusal);
    }
}

#[test]
fn a_missing_data_folder_says_how_to_get_the_data() {
    Stage::new().search("x", &["--data", "/nowhere/cifar"]).refused(
        2,
        "--data /nowhere/cifar: there is no folder /nowhere/cifar. CIFAR-10 and CIFAR-100 are at \
         https://www.cs.toronto.edu/~kriz/cifar.html",
    );
}

#[test]
fn a_truncated_batch_file_is_named_with_both_sizes() {
    let stage = Stage::new();
    let data = stage.path("cifar-10-batches-bin");
    fs::create_dir(&data).expect("made");
    for entry in fs::read_dir(samples().join("cifar-10-batches-bin")).expect("listed") {
        let entry = entry.expect("listed");
        fs::copy(entry.path(), data.join(entry.file_name())).expect("copied");
    }
    let batch = data.join("data_batch_3.bin");
    let whole = fs::read(&batch).expect("read");
    fs::write(&batch, &whole[..whole.len() - 5]).expect("written");
    stage.search("x", &["--data", data.to_str().expect("text")]).refused(
        1,
        &format!(
            "`{}` is truncated: it has {} bytes, expected whole records of 3073",
            batch.display(),
            whole.len() - 5
        ),
    );
    assert!(!stage.runs().join("x").exists(), "a run that did not begin is removed again");
}

#[test]
fn a_run_of_another_version_is_refused() {
    let stage = Stage::new();
    stage.search("old", &["--set", "search.generations=1"]).succeeded();
    let manifest = stage.runs().join("old/run.toml");
    let text = fs::read_to_string(&manifest).expect("read").replacen("format = 3", "format = 99", 1);
    fs::write(&manifest, text).expect("written");
    stage
        .relativenas(["resume", "old", "--headless"])
        .refused(1, "the run has format 99, this program reads 3");
}

#[test]
fn a_second_engine_on_a_live_run_is_refused() {
    let stage = Stage::new();
    let mut command = stage.command(stage.search_arguments("live", &["--paused"])).spawn().expect("starts");
    let folder = stage.runs().join("live");
    wait_until("the engine lives", || folder.join("engine.json").exists());
    let second =
        std::process::Command::new(crate::stage::engine()).arg("run").arg(&folder).output().expect("starts");
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    // An engine knows no directory of runs, so it names the folder.
    let attach = format!("`relativenas attach {}`", folder.display());
    assert!(said.contains("another engine (process ") && said.contains(&attach), "{said}");
    assert_eq!(second.status.code(), Some(1));
    stage.relativenas(["stop", "live"]).succeeded();
    command.wait().expect("the command ends");
}

#[test]
fn cuda_where_there_is_none_names_the_way_out() {
    if std::path::Path::new("/dev/nvidiactl").exists() {
        return; // There is one; nothing to refuse.
    }
    let stage = Stage::new();
    let ran = stage.search("x", &["--device", "cuda:0"]);
    ran.refused(1, "cuda:0 was asked for, but libtorch finds no CUDA device");
}
