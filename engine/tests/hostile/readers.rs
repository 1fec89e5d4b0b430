//! Readers of what people bring: files that hold genotypes, photographs in folders, weights without pickles, and the
//! files of a run's folder.

use std::{fs, path::Path};

use relativenas_core::{
    config::Layers,
    genotype::{Genotype, GenotypeFormat, decode_text},
    manifest::{BUILD, Job, Manifest, RUN_FORMAT},
    published,
    randomness::RANDOMNESS_VERSION,
};
use relativenas_engine::{data, weights_file};
use relativenas_run::{
    address::address,
    folder::RunFolder,
    sessions::{sessions, was_left_in_order},
};

use crate::{PHOTOGRAPH_GROWTH, samples, survives, survives_in};

/// Genotypes as logs and scripts hold them, in every form of literals.
fn genotype_files() -> Vec<Vec<u8>> {
    let text = |name: &str| {
        published::genotype(name).expect("published").format(GenotypeFormat::Darts).trim_end().to_owned()
    };
    let (first, second) = (text("DARTS_V1"), text("DARTS_V2"));
    let nested = "Genotype(normal=[[('sep_conv_3x3', 1), ('sep_conv_3x3', 0)], [('skip_connect', 0, 3), ('none', 2, 3)]], \
                  normal_concat=list(range(2, 4)), reduce=[[(u'max_pool_3x3', np.int64(0)), ('skip_connect', 1)], \
                  [('max_pool_3x3', 0), ('avg_pool_3x3', 2)]], reduce_concat={2, 3})";
    let log =
        format!("2024-03-05 12:00:00 epoch 1\ngenotype = {first}\n[03/05] INFO genotypes.{second} # best\n");
    let script = format!(
        "from collections import namedtuple\n\nA = {first}\nB = \\\n  {second}\nC = {nested}\nDARTS = B\n"
    );
    let utf16 = |mark: u16, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        [mark].into_iter().chain(log.encode_utf16()).flat_map(bytes).collect()
    };
    let prefixed: String = log_lines(&first);
    let nni = br#"{"normal_n2_p0": "sepconv3x3", "normal_n2_p1": [], "normal_n2_switch": ["normal_n2_p0", "normal_n2_p1"],
        "reduce_n2_p0": "maxpool", "reduce_n2_p1": "none", "reduce_n2_switch": [0, 1]}"#;
    let space = br#"{"mutation": {"normal/op_2_0": "sep_conv_3x3", "normal/input_2_0": [0], "reduce/op_2_0": "none"}}"#;
    let bom = [b"\xef\xbb\xbf", script.as_bytes()].concat();
    vec![
        nested.as_bytes().to_vec(),
        utf16(0xfeff, u16::to_le_bytes),
        utf16(0xfeff, u16::to_be_bytes),
        log.into_bytes(),
        script.into_bytes(),
        bom,
        prefixed.into_bytes(),
        nni.to_vec(),
        space.to_vec(),
    ]
}

/// A genotype over several lines, as a logger writes it that begins each.
fn log_lines(genotype: &str) -> String {
    let lines = genotype.replace("), (", "),\n(");
    lines.lines().enumerate().map(|(i, line)| format!("\x1b[32m10:11:{i}\x1b[0m INFO {line}\n")).collect()
}

#[test]
fn damaged_files_with_genotypes() {
    survives("file with genotypes", &genotype_files(), 64, |bytes| {
        let Ok(text) = decode_text(bytes) else { return };
        for name in [None, Some("B"), Some("DARTS")] {
            if let Ok(chosen) = Genotype::choose(&text, name) {
                let _ = chosen.genotype.encode();
            }
        }
    });
}

pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}

/// The first pass over a folder, which walks scans without computing pixels; what it lets pass is then decoded.
#[test]
fn damaged_photographs_in_a_folder_that_may_be_gone_on_without() {
    let folder = tempfile::tempdir().expect("a folder");
    for class in ["cat", "dog"] {
        for part in ["train", "val"] {
            copy_folder(
                &samples().join("image-folder").join(part).join(class),
                &folder.path().join(part).join(class),
            );
        }
    }
    let victim = "train/cat/0003.jpg";
    let bytes = fs::read(folder.path().join(victim)).expect("a sample");
    let open = |bytes: &[u8]| {
        fs::write(folder.path().join(victim), bytes).expect("written");
        let listed = data::open_encoded(folder.path()).expect("names are whole");
        let skipped =
            data::survey_parts(&listed.train, &listed.valid, 1, 1, &|| false).expect("one is allowed");
        if skipped.train.is_empty() {
            let place = listed.train.names().iter().position(|name| name == "cat/0003.jpg").expect("listed");
            let _ = listed.train.decode(place);
        }
        skipped.train.len()
    };
    assert_eq!(open(&bytes), 0, "the sample is whole");
    survives("photograph in a folder", &[bytes], PHOTOGRAPH_GROWTH, |bytes| {
        open(bytes);
    });
}

#[test]
fn damaged_png() {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, 24, 20);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let rgb: Vec<u8> = (0..3 * 24 * 20).map(|i: u32| (i * i / 7 % 251) as u8).collect();
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&rgb).expect("encoded");
    writer.finish().expect("encoded");
    survives("PNG", &[file], PHOTOGRAPH_GROWTH, |bytes| {
        let _ = data::picture::Picture::decode(bytes);
    });
}

#[test]
fn damaged_safetensors() {
    let header = r#"{"a.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"I64","shape":[1],"data_offsets":[24,32]},"__metadata__":{"format":"pt"}}"#;
    let file = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[7; 32]].concat();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("weights.safetensors");
    survives("safetensors", &[file], 64, |bytes| {
        fs::write(&path, bytes).expect("written");
        let _ = weights_file::find(&path);
    });
}

fn manifest_of_a_training() -> Manifest {
    Manifest {
        format: RUN_FORMAT,
        randomness: RANDOMNESS_VERSION,
        job: Job::Train,
        build: BUILD.to_owned(),
        created: 1,
        follows: None,
        config: Layers::built_in().config().expect("valid"),
        origins: [("search.seed".to_owned(), "--seed 1".to_owned())].into(),
        genotype: published::genotype("DARTS_V2"),
        branched_from: None,
        engine: None,
        latency: None,
    }
}

/// Whoever opens a run reads all of these; each is damaged in turn.
fn damaged_in_a_run(victim: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    copy_folder(&samples().join("run"), folder.path());
    let begun_with = folder.path().join("begun-with.toml");
    for manifest in [folder.path().join("run.toml"), begun_with] {
        fs::write(manifest, manifest_of_a_training().format()).expect("written");
    }
    fs::write(
        folder.path().join("sessions.jsonl"),
        "{\"time\":1,\"pid\":2,\"what\":\"engine started\",\"did\":\"started\"}\n{\"time\":2,\"pid\":2,\"what\":\"steered: \
         {\\\"do\\\":\\\"pause\\\"}\"}\n",
    )
    .expect("written");
    fs::write(
        folder.path().join("engine.json"),
        r#"{"pid":7,"host":"here","socket":"/tmp/x.sock","build":"1","token":"a"}"#,
    )
    .expect("written");
    fs::write(folder.path().join("engine.log"), "starting\nrelativenas-engine: it is full\n")
        .expect("written");
    survives_in(folder.path(), victim, |path| {
        let Some(run) = RunFolder::at(path) else { return false };
        let _ = (run.edits(), run.complaint(0), was_left_in_order(&run), sessions(&run), address(&run));
        let _ = run.log().batch();
        run.manifest().is_ok()
    });
}

#[test]
fn damaged_manifests() {
    damaged_in_a_run("run.toml");
}

#[test]
fn damaged_manifests_of_the_beginning() {
    damaged_in_a_run("begun-with.toml");
}

#[test]
fn damaged_sessions() {
    damaged_in_a_run("sessions.jsonl");
}

#[test]
fn damaged_addresses() {
    damaged_in_a_run("engine.json");
}

#[test]
fn damaged_logs_of_engines() {
    damaged_in_a_run("engine.log");
}
