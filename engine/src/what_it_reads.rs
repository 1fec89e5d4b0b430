//! Compares the README's table "What it reads" with the readers: what it names is read, and what is read is
//! named.

use std::path::Path;

use relativenas_core::{
    genotype::{Genotype, GenotypeFormat, decode_text},
    published,
};

use crate::{
    data::{self, DataError},
    weights_file::{self, AVERAGED_WORDS, LEFT_OUT, PREFIXES, WEIGHTS_KEYS},
};

fn row(title: &str) -> &'static str {
    let (_, rest) = include_str!("../../README.md").split_once("### What it reads").expect("the table");
    let start = format!("| {title} |");
    rest.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("no row `{title}`"))
}

/// The texts between backquotes in a row.
fn quoted(title: &str) -> Vec<&'static str> {
    row(title).split('`').skip(1).step_by(2).collect()
}

fn sample(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/samples").join(name)
}

#[test]
fn every_layout_of_data_is_named_and_every_one_that_is_named_is_read() {
    let empty = tempfile::tempdir().expect("a folder");
    let Err(DataError::UnknownLayout { looked_for, .. }) = data::open(Some(empty.path())) else {
        panic!("an empty folder holds no data set");
    };
    // The layout that the reader looks for, what the row calls it, and a sample of it.
    let known = [
        ("data_batch_1.bin", "CIFAR-10 ", "cifar-10-batches-bin"),
        ("data_batch_1 ", "CIFAR-10 ", "cifar-10-batches-py"),
        ("train.bin", "CIFAR-100 ", "cifar-100-binary"),
        ("the files train and test", "CIFAR-100 ", "cifar-100-python"),
        ("train-images-idx3-ubyte", "IDX files", "idx"),
        ("train_datalist.txt", "LMDB", "lmdb"),
        ("the folders train and val", "folders of JPEG and PNG images", "image-folder"),
    ];
    assert_eq!(looked_for.len(), known.len(), "a layout is not in this list: {looked_for:?}");
    for ((beginning, words, folder), description) in known.into_iter().zip(&looked_for) {
        assert!(description.starts_with(beginning), "{description}");
        assert!(row("data").contains(words), "{words}");
        data::open(Some(&sample(folder))).unwrap_or_else(|error| panic!("{folder}: {error}"));
    }
}

#[test]
fn every_container_of_weights_is_named_and_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let written = folder.path().join("a.safetensors");
    let read = |path: &Path| weights_file::find(path).unwrap_or_else(|error| panic!("{error}")).tensors;
    let plain = read(&sample("checkpoints/kinds/plain.pt"));
    weights_file::write(&written, &plain).expect("written");
    let mut kinds = vec![("safetensors", written)];
    let mut add = |words, name: &str| kinds.push((words, sample("checkpoints/kinds").join(name)));
    add("zip archive", "stored_through_a_pipe.pt");
    add("compressed too", "deflated.pt");
    for protocol in ["zip_protocol0.pt", "zip_protocol5.pt"] {
        add("protocols 0 to 5", protocol);
    }
    for protocol in 0..=5 {
        add("legacy", &format!("legacy_protocol{protocol}.pt"));
    }
    for (words, path) in kinds {
        assert!(row("containers of weights").contains(words), "{words}");
        let names: Vec<_> = read(&path).into_keys().collect();
        assert_eq!(names, plain.keys().cloned().collect::<Vec<_>>(), "{}", path.display());
    }
}

#[test]
fn keys_prefixes_and_what_is_left_out_are_the_readers_own() {
    let keys: Vec<_> = WEIGHTS_KEYS.into_iter().chain(AVERAGED_WORDS).collect();
    assert_eq!(quoted("where the weights are"), keys, "in the order in which they are taken");
    assert_eq!(quoted("prefixes"), PREFIXES.map(|prefix| format!("{prefix}.")));
    assert_eq!(quoted("left out"), LEFT_OUT);
}

/// A genotype as NNI's DARTS example exports it.
fn nni(genotype: &Genotype) -> String {
    let mut entries = Vec::new();
    for (name, cell) in [("normal", &genotype.normal), ("reduce", &genotype.reduction)] {
        for node in 0..cell.nodes() {
            let inputs = cell.node(node).iter().map(|gene| gene.input);
            entries.push(format!("\"{name}_n{}_switch\": {:?}", node + 2, inputs.collect::<Vec<_>>()));
            for gene in cell.node(node) {
                let operation = gene.operation.name().replace('_', "");
                entries.push(format!("\"{name}_n{}_p{}\": \"{operation}\"", node + 2, gene.input));
            }
        }
    }
    format!("{{{}}}", entries.join(", "))
}

#[test]
fn the_data_of_the_transfer_tasks_is_named_and_read() {
    for (words, folder, kind) in [
        ("Pascal VOC", "transfer/VOCdevkit", "voc"),
        ("Cityscapes", "transfer/cityscapes", "cityscapes"),
        ("COCO", "transfer/coco", "coco"),
    ] {
        assert!(row("data of tasks").contains(words), "{words}");
        assert_eq!(data::check::check(&sample(folder)).expect("known").kind, kind);
    }
}

#[test]
fn every_form_of_a_genotype_that_is_named_is_read() {
    let genotype = published::genotype("DARTS_V2").expect("published");
    let text = genotype.format(GenotypeFormat::Darts);
    let log = format!("03/05 12:00 PM genotype = {}03/05 13:00 PM genotype = {text}", text.replace('3', "5"));
    let file = format!("A = {}\nB = {text}", text.replace('3', "5"));
    let forms = [
        ("DARTS's text", text.clone(), None),
        ("over several lines", format!("10:11:12 {}", text.replace("), (", "),\n10:11:13 (")), None),
        ("NNI", nni(&genotype), None),
        ("a log", log, None),
        ("`genotypes.py`", file, Some("B")),
        ("JSON", genotype.format(GenotypeFormat::Json), None),
        ("TOML", genotype.format(GenotypeFormat::Toml), None),
    ];
    for (words, text, name) in forms {
        assert!(row("genotypes").contains(words), "{words}");
        let utf16: Vec<u8> =
            [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        for bytes in [text.into_bytes(), utf16] {
            let text = decode_text(&bytes).expect("UTF-8 or UTF-16");
            assert_eq!(Genotype::choose(&text, name).expect(words).genotype, genotype, "{words}");
        }
    }
    assert!(row("genotypes").contains("UTF-8, or UTF-16"));
}
