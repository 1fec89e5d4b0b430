//! Whatever a file or a line holds, reading it ends with a value or an error: no panic, and no memory
//! beyond what the file's size warrants.
//!
//! Samples are damaged over and over, for a fraction of a second each; `RELATIVENAS_FUZZ_SECONDS=600`
//! makes it ten minutes each. A failure prints the seed that repeats it, for
//! `RELATIVENAS_FUZZ_SEED`.

mod damage;
mod memory;
mod readers;
mod transfer;

use std::{
    env,
    fs::{self, File},
    io::Read as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use damage::{Dice, damage};
use relativenas_core::{
    config::Layers,
    event::Line,
    genotype::{Genotype, GenotypeFormat},
    population::IndividualId,
    protocol::{Command, Request, StepUnit},
    published,
    view::RunView,
};
use relativenas_engine::{data, pickle, weights_file};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// Bytes that any reader may need, whatever the file: names, errors, tables.
const ALWAYS: usize = 1 << 18;

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/samples")
}

fn number(name: &str) -> Option<f64> {
    env::var(name).ok()?.parse().ok()
}

/// Damages the samples in turn and has them read, until the time is over. `growth` is how many times
/// a file's size a reader may hold in memory.
fn survives(reader: &str, samples: &[Vec<u8>], growth: usize, read: impl FnMut(&[u8])) {
    survives_within(reader, samples, growth, ALWAYS, read);
}

/// As [`survives`], for readers that may take `always` bytes whatever the file.
fn survives_within(
    reader: &str,
    samples: &[Vec<u8>],
    growth: usize,
    always: usize,
    mut read: impl FnMut(&[u8]),
) {
    let time = Duration::from_secs_f64(number("RELATIVENAS_FUZZ_SECONDS").unwrap_or(0.3));
    let first = number("RELATIVENAS_FUZZ_SEED").map(|seed| seed as u64);
    let begin = Instant::now();
    let mut seed = first.unwrap_or(0);
    let mut worst = 0;
    while seed == first.unwrap_or(0) || (first.is_none() && begin.elapsed() < time) {
        let mut dice = Dice::new(seed);
        let mut bytes = samples[dice.below(samples.len())].clone();
        let other = &samples[dice.below(samples.len())];
        damage(&mut bytes, other, &mut dice);
        let mut outcome = Ok(());
        let peak = memory::peak(|| outcome = catch_unwind(AssertUnwindSafe(|| read(&bytes))));
        assert!(outcome.is_ok(), "{reader}: panicked; RELATIVENAS_FUZZ_SEED={seed} repeats it");
        let size = bytes.len();
        assert!(
            peak <= growth * size + always,
            "{reader}: held {peak} bytes for a file of {size}; RELATIVENAS_FUZZ_SEED={seed} repeats it"
        );
        worst = worst.max(peak);
        seed += 1;
    }
    let files = seed - first.unwrap_or(0);
    println!("{reader}: {files} files in {:.1} s, held at most {worst} bytes", begin.elapsed().as_secs_f64());
}

/// Damages one file of a folder while the others stay whole, and has the folder opened.
fn survives_in(folder: &Path, victim: &str, open: impl Fn(&Path) -> bool) {
    assert!(open(folder), "the samples are whole");
    let path = folder.join(victim);
    let bytes = fs::read(&path).expect("a sample");
    // Pixels are held as read and as gathered; the other files of the folder are read with it.
    survives(victim, &[bytes], 16, |bytes| {
        fs::write(&path, bytes).expect("written");
        open(folder);
    });
}

fn opens_as_data(folder: &Path) -> bool {
    data::open(Some(folder)).is_ok()
}

fn read_as_data(sample: &str, victim: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    for entry in fs::read_dir(samples().join(sample)).expect("samples") {
        let path = entry.expect("a sample").path();
        fs::copy(&path, folder.path().join(path.file_name().expect("a file"))).expect("copied");
    }
    survives_in(folder.path(), victim, opens_as_data);
}

#[test]
fn damaged_cifar_in_the_binary_layout() {
    read_as_data("cifar-10-batches-bin", "data_batch_2.bin");
}

#[test]
fn damaged_cifar_100_in_the_binary_layout() {
    read_as_data("cifar-100-binary", "train.bin");
}

#[test]
fn damaged_cifar_as_python_2_wrote_it() {
    read_as_data("cifar-10-batches-py", "data_batch_2");
}

#[test]
fn damaged_cifar_as_python_3_wrote_it() {
    read_as_data("cifar-100-python3", "train");
}

#[test]
fn damaged_cifar_with_labels_of_numpy() {
    read_as_data("cifar-10-numpy-labels", "data_batch_2");
}

/// A block of 8×8 pixels in three colours may take two bits of a file.
const PHOTOGRAPH_GROWTH: usize = 4096;

#[test]
fn damaged_photographs() {
    let mut files: Vec<_> = ["cat/0003.jpg", "dog/0015.jpg"]
        .iter()
        .map(|name| fs::read(samples().join("image-folder/train").join(name)).expect("a sample"))
        .collect();
    let rgb: Vec<u8> = (0..3 * 48 * 40).map(|i: u32| (i * i / 7 % 251) as u8).collect();
    for (progressive, restart) in [(true, 0), (false, 3), (true, 4)] {
        let mut bytes = Vec::new();
        let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 60);
        encoder.set_progressive(progressive);
        if restart > 0 {
            encoder.set_restart_interval(restart);
        }
        encoder.encode(&rgb, 48, 40, jpeg_encoder::ColorType::Rgb).expect("encoded");
        files.push(bytes);
    }
    survives("photograph", &files, PHOTOGRAPH_GROWTH, |bytes| {
        let _ = data::picture::Picture::decode(bytes);
    });
}

fn unpacked(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let file = File::open(samples().join("idx").join(name)).expect("a sample");
    flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).expect("compressed");
    bytes
}

/// IDX files as they are, without compression, which would hide the damage behind a checksum.
fn idx(victim: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    for set in ["train", "t10k"] {
        for part in ["images-idx3-ubyte", "labels-idx1-ubyte"] {
            let name = format!("{set}-{part}");
            fs::write(folder.path().join(&name), unpacked(&format!("{name}.gz"))).expect("written");
        }
    }
    survives_in(folder.path(), victim, opens_as_data);
}

#[test]
fn damaged_idx_images() {
    idx("train-images-idx3-ubyte");
}

#[test]
fn damaged_idx_labels() {
    idx("train-labels-idx1-ubyte");
}

#[test]
fn damaged_compressed_idx() {
    read_as_data("idx", "train-images-idx3-ubyte.gz");
}

#[test]
fn damaged_lmdb() {
    let root = tempfile::tempdir().expect("a folder");
    for (from, to) in [("lmdb/train", "train"), ("lmdb/val", "val")] {
        fs::create_dir(root.path().join(to)).expect("a folder");
        fs::copy(samples().join(from).join("data.mdb"), root.path().join(to).join("data.mdb"))
            .expect("copied");
    }
    for list in ["train_datalist.txt", "val_datalist.txt"] {
        fs::copy(samples().join("lmdb").join(list), root.path().join(list)).expect("copied");
    }
    survives_in(root.path(), "train/data.mdb", |folder| {
        let Ok(set) = data::open_encoded(folder) else { return false };
        // Every image, whatever became of those before it.
        let unread = (0..set.train.len()).filter(|&index| set.train.read(index).is_err());
        unread.count() == 0
    });
}

/// Looks at every value of a pickle.
fn visit(bytes: &[u8]) {
    if let Ok(pickle) = pickle::read(bytes) {
        for value in pickle.values() {
            let _ =
                (value.kind(), value.size(), value.bytes(), value.text(), value.entries(), value.get("a"));
        }
    }
}

#[test]
fn damaged_pickles() {
    let mut pickles: Vec<_> =
        ["cifar-10-batches-py/data_batch_1", "cifar-100-python3/train", "cifar-10-batches-py3/batches.meta"]
            .iter()
            .map(|name| fs::read(samples().join(name)).expect("a sample"))
            .collect();
    // The pickle of a checkpoint, between the headers of its archive.
    let archive = fs::read(samples().join("checkpoints/dataparallel_zip.pt")).expect("a sample");
    let start = archive.windows(2).position(|b| b == b"\x80\x02").expect("a pickle");
    pickles.push(archive[start..start + 8000].to_vec());
    survives("pickle", &pickles, PICKLE_GROWTH, visit);
}

/// An opcode of one byte makes a value of 32 in a list that doubles, a pair of a dict is two of them, and
/// visiting a value may copy it.
const PICKLE_GROWTH: usize = 256;

/// What chance does not find: files whose every byte asks for memory.
#[test]
fn files_made_to_fill_the_memory() {
    let check = |what: &str, growth: usize, bytes: &[u8], read: &dyn Fn(&[u8])| {
        let peak = memory::peak(|| read(bytes));
        let size = bytes.len();
        assert!(peak <= growth * size + ALWAYS, "{what}: held {peak} bytes for {size}");
    };
    let many = |byte: &[u8]| byte.repeat(1 << 18);
    let pickles: [(&str, Vec<u8>); 6] = [
        ("objects", [&many(b"N")[..], b"."].concat()),
        ("lists", [&many(b"]")[..], b"."].concat()),
        ("tuples in tuples", [b"N", &many(b"\x85")[..], b"."].concat()),
        ("memorised objects", [&many(b"N\x94")[..], b"."].concat()),
        ("calls of themselves", [b"N", &many(b"2R")[..], b"."].concat()),
        (
            "one pair as all of a dict",
            [b"ccollections\nOrderedDict\n((NNt", &many(b"2")[..], b"l\x85R."].concat(),
        ),
    ];
    for (what, bytes) in pickles {
        assert!(pickle::read(&bytes).is_ok(), "{what}");
        check(what, PICKLE_GROWTH, &bytes, &|bytes| {
            let pickle = pickle::read(bytes).expect("as above");
            let _ = (pickle.root().entries(), pickle.root().get("a"));
        });
    }
    let name = "x".repeat(1 << 20);
    let genotype = format!("Genotype(normal=[('{name}', 0)])");
    check("the name of an operation", 16, genotype.as_bytes(), &|_| {
        assert!(Genotype::parse(&genotype).is_err());
    });
    let assignment = format!("{name}=1");
    check("the name of a setting", 16, assignment.as_bytes(), &|_| {
        let mut layers = Layers::built_in();
        assert!(layers.add_assignment(&assignment).is_err());
    });
}

#[test]
fn the_smallest_images_take_no_more_than_their_padding() {
    let folder = tempfile::tempdir().expect("a folder");
    let count: u32 = 4000;
    let images =
        [&[0, 0, 8, 3][..], &count.to_be_bytes(), &[0, 0, 0, 8, 0, 0, 0, 8], &vec![9; 64 * 4000]].concat();
    let labels = [&[0, 0, 8, 1][..], &count.to_be_bytes(), &[7; 4000]].concat();
    for set in ["train", "t10k"] {
        fs::write(folder.path().join(format!("{set}-images-idx3-ubyte")), &images).expect("written");
        fs::write(folder.path().join(format!("{set}-labels-idx1-ubyte")), &labels).expect("written");
    }
    let peak = memory::peak(|| {
        data::open(Some(folder.path())).expect("whole");
    });
    let size = 2 * (images.len() + labels.len());
    assert!(peak <= 64 * size, "held {peak} bytes for files of {size}");
}

/// Tensors may repeat elements, and entries of archives may be deflated: 16 MiB of either are believed of any
/// file, and 1 MiB of a deflated pickle, every byte of which may take dozens.
const CHECKPOINT_ALWAYS: usize = (2 * 16 + PICKLE_GROWTH / 2) << 20;

/// Checkpoints of every container, protocol and wrapper that is known.
fn checkpoints(which: impl Fn(&str) -> bool) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(samples().join("checkpoints/kinds")).expect("samples");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a sample").path()).collect();
    paths.extend(
        ["dataparallel_legacy.pt", "dataparallel_zip.pt"]
            .map(|name| samples().join("checkpoints").join(name)),
    );
    paths.retain(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(&which));
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a sample")).collect()
}

fn read_as_weights(reader: &str, files: &[Vec<u8>]) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("weights.pt");
    survives_within(reader, files, 16, CHECKPOINT_ALWAYS, |bytes| {
        fs::write(&path, bytes).expect("written");
        let _ = weights_file::find(&path);
    });
}

#[test]
fn damaged_checkpoints_in_archives() {
    read_as_weights("archive of PyTorch", &checkpoints(|n| !n.contains("legacy") && !n.contains("deflated")));
}

#[test]
fn damaged_checkpoints_in_deflated_archives() {
    let files = checkpoints(|name| name.contains("deflated"));
    assert!(files.len() >= 4);
    read_as_weights("deflated archive", &files);
}

#[test]
fn damaged_checkpoints_of_every_legacy_protocol() {
    let files = checkpoints(|name| name.contains("legacy"));
    assert!(files.len() >= 6);
    read_as_weights("legacy checkpoint", &files);
}

#[test]
fn damaged_genotypes() {
    let texts: Vec<_> = published::NAMES
        .iter()
        .flat_map(|name| {
            let genotype = published::genotype(name).expect("published");
            [GenotypeFormat::Darts, GenotypeFormat::Json, GenotypeFormat::Toml]
                .map(|format| genotype.format(format).into_bytes())
        })
        .collect();
    survives("genotype", &texts, 64, |bytes| {
        if let Ok(genotype) = Genotype::parse(&String::from_utf8_lossy(bytes)) {
            let _ = genotype.encode();
        }
    });
}

#[test]
fn damaged_event_logs() {
    let log = fs::read(samples().join("run/events.jsonl")).expect("a sample");
    let lines: Vec<_> = log.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(<[u8]>::to_vec).collect();
    survives("event", &lines, 64, |bytes| {
        let Ok(damaged) = serde_json::from_slice::<Line>(bytes) else {
            return;
        };
        // A view that has seen the whole lines before takes the damaged one in its place.
        let mut view = RunView::default();
        for line in &lines {
            let Ok(line) = serde_json::from_slice::<Line>(line) else {
                return;
            };
            let event = if line.seq == damaged.seq { damaged.event.clone() } else { line.event };
            let _ = view.apply(&Line { event, ..line });
        }
        if let Some(search) = &view.search {
            let _ = (search.diversity(), search.order(), view.phase());
        }
    });
}

#[test]
fn damaged_requests() {
    let inject = Command::Inject { individual: IndividualId(1), position: vec![0.5; 32] };
    let step = Command::Step { unit: StepUnit::Pair, count: 3 };
    let lines = [
        Request::Follow { from: 7 },
        Request::Steer { id: 1, command: inject },
        Request::Steer { id: u64::MAX, command: step },
    ]
    .map(|request| serde_json::to_vec(&request).expect("plain data"));
    survives("request", &lines, 64, |bytes| {
        let _ = serde_json::from_slice::<Request>(bytes);
    });
}

#[test]
fn damaged_settings() {
    let defaults = include_bytes!("../../../config.toml").to_vec();
    let own = b"search.seed = 7\n[network]\nchannels = 8\n[keys]\npause = \"p\"\n".to_vec();
    survives("settings", &[defaults, own], 256, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let mut layers = Layers::built_in();
        if layers.add_file("own.toml", &text).is_ok() {
            let _ = layers.config();
        }
        let _ = layers.add_assignment(&text);
    });
}
