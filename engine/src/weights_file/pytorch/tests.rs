use std::fs;

use super::*;
use crate::{data::samples::sample, weights_file::tensor::Element};

fn read_sample(name: &str) -> Vec<u8> {
    fs::read(sample("checkpoints").join(name)).expect("the sample")
}

/// Reads one of the samples, each of which stands for a kind of checkpoint.
fn read_kind(name: &str) -> Result<TorchCheckpoint, String> {
    let bytes = read_sample(&format!("kinds/{name}.pt"));
    if is_legacy(&bytes) { read_legacy(&bytes) } else { read_archive(&bytes) }
}

fn named(name: &str) -> BTreeMap<String, PlainTensor> {
    let checkpoint = read_kind(name).unwrap_or_else(|problem| panic!("{name}: {problem}"));
    names::normalise(checkpoint.tensors).expect("names").tensors
}

/// Storages by key.
impl Storages for BTreeMap<&str, Vec<u8>> {
    fn bytes(&mut self, key: &str) -> Result<Option<&[u8]>, String> {
        Ok(self.get(key).map(Vec::as_slice))
    }
}

fn state_dict(
    pickled: &[u8],
    storage: Vec<u8>,
    length: usize,
) -> Result<BTreeMap<String, PlainTensor>, String> {
    let pickle = pickle::read(pickled).expect("a pickle");
    let mut storages = BTreeMap::from([("0", storage)]);
    read_state_dict(&pickle, &mut storages, length).map(|checkpoint| checkpoint.tensors)
}

#[test]
fn both_containers_hold_the_same_tensors() {
    let archive = read_archive(&read_sample("dataparallel_zip.pt")).expect("the sample");
    let legacy = read_legacy(&read_sample("dataparallel_legacy.pt")).expect("the sample");
    assert_eq!(archive, legacy);
    let stem = &archive.tensors["module.stem.0.weight"];
    assert_eq!((stem.element, &stem.shape[..], stem.bytes.len()), (Element::F32, &[12, 3, 3, 3][..], 1296));
}

#[test]
fn every_kind_of_checkpoint_gives_the_same_weights() {
    let expected = named("plain");
    let names = [
        "cells.0._ops.0.op.1.weight",
        "classifier.bias",
        "classifier.weight",
        "stem.0.weight",
        "stem.1.running_var",
        "stem.1.weight",
    ];
    assert!(expected.keys().eq(names));
    let bias: Vec<u8> = [-2.75_f32, -2.625, -2.5].iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(expected["classifier.bias"].bytes, bias);
    for name in [
        // Entries beside the weights, and where the weights are.
        "beside_imagenet_example",
        "beside_random_state_and_alphas",
        "beside_in_one_dict",
        "under_a_name_of_its_own",
        "in_a_tuple_legacy",
        "two_deep",
        "raw_and_averaged",
        "averaged_only",
        // Prefixes of names.
        "prefix_module_compiled",
        "prefix_compiled_module",
        "prefix_averaged_compiled",
        "prefix_of_one_cell",
        // Entries among the weights.
        "counters_and_extra_state",
        // Tensors that are wrapped.
        "parameters",
        "parameter_with_attribute_legacy",
        "tensors_with_attributes",
        "strides",
        // Containers.
        "legacy_protocol0",
        "legacy_protocol1",
        "legacy_protocol2",
        "legacy_protocol3",
        "legacy_protocol4",
        "legacy_protocol5",
        "zip_protocol0",
        "zip_protocol5",
        "deflated",
        "deflated_through_a_pipe",
        "deflated_two_folders",
        "deflated_without_folder",
        "stored_through_a_pipe",
    ] {
        assert_eq!(named(name), expected, "{name}");
    }
    let half = named("half");
    assert!(half.keys().eq(names));
    assert_eq!((half["classifier.bias"].element, half["classifier.bias"].bytes.len()), (Element::F16, 6));
}

#[test]
fn what_was_taken_is_said() {
    let check = |name: &str, expected: &[&str]| {
        assert_eq!(read_kind(name).expect("weights").notes, expected, "{name}");
    };
    check("plain", &[]);
    check("beside_imagenet_example", &["took the weights under `state_dict`"]);
    check("two_deep", &["took the weights under `checkpoint.network`"]);
    check("averaged_only", &["took the weights under `model_ema`"]);
    check(
        "raw_and_averaged",
        &[
            "took the weights under `state_dict`",
            "left out those under `state_dict_ema`, which are averaged; \
             `torch.save(torch.load(FILE)[\"state_dict_ema\"], \"other.pt\")` saves them alone",
        ],
    );
    check("beside_in_one_dict", &["left out entries among the weights that are no tensors: 1"]);
}

#[test]
fn known_names_come_in_their_order_and_averages_last() {
    let tensor =
        "ctorch._utils\n_rebuild_tensor\n((Vstorage\nctorch\nByteStorage\nV0\nVcpu\nI1\ntQI0\n(I1\nt(I1\nttR";
    let took = |keys: &[&str]| {
        let entries: String = keys.iter().map(|key| format!("V{key}\n(dVw.x\n{tensor}ss")).collect();
        let pickled = format!("(d{entries}.");
        let pickle = pickle::read(pickled.as_bytes()).expect("a pickle");
        state_dict::find(pickle.root()).map(|found| found.notes[0].clone())
    };
    for (key, next) in state_dict::WEIGHTS_KEYS.iter().zip(&state_dict::WEIGHTS_KEYS[1..]) {
        assert_eq!(took(&[next, key, "mine"]), Ok(format!("took the weights under `{key}`")));
    }
    for word in state_dict::AVERAGED_WORDS {
        let key = format!("model_{word}");
        assert_eq!(took(&[&key, "mine"]), Ok("took the weights under `mine`".to_owned()));
        assert_eq!(took(&[&key]), Ok(format!("took the weights under `{key}`")));
    }
    assert!(took(&["schema"]).is_ok(), "`ema` within a word");
}

#[test]
fn what_holds_no_state_dict_is_said() {
    let check = |name: &str, expected: &str| {
        assert_eq!(read_kind(name).expect_err("no weights"), expected, "{name}");
    };
    let way_out = "which only its own program can load; there, `torch.save(model.state_dict(), \"weights.pt\")` \
                   saves what is needed";
    check("whole_module", &format!("it holds a whole models.mine.Net, {way_out}"));
    check("whole_module_legacy", &format!("it holds a whole models.mine.Net, {way_out}"));
    check(
        "whole_module_in_dict",
        &format!("`net` holds a whole torch.nn.parallel.data_parallel.DataParallel, {way_out}"),
    );
    check(
        "torchscript",
        "it holds a TorchScript module; `torch.save(torch.jit.load(FILE).state_dict(), \"weights.pt\")` saves what \
         is needed",
    );
    check("no_weights", "it holds a dict without weights; its entries are epoch, best_acc1, note");
    check(
        "two_networks",
        "it holds several state dicts, `student_a`, `student_b`, and no name says which is the network's; save that \
         one alone, such as by `torch.save(torch.load(FILE)[\"student_a\"], \"weights.pt\")`",
    );
    check(
        "bzip2",
        "entry `plain/byteorder` is compressed by method 12, which is not known here; unzip the file and zip it again \
         with `zip -0`",
    );
}

#[test]
fn what_other_programs_pack_is_named() {
    let error = |name: &str| read_archive(&zip_of(name, b"x")).expect_err("not PyTorch's");
    assert_eq!(
        error("results/best.pth"),
        "it is an archive with `results/best.pth` in it; unpack it with `unzip`"
    );
    assert!(error("stem.npy").starts_with("it is an archive of NumPy's arrays; `torch.save("));
    assert_eq!(error("readme.txt"), "the archive has no `data.pkl`: PyTorch has not written it");
}

#[test]
fn lists_of_tensors_are_told_from_lists_of_something_else() {
    const TENSOR: &[u8] =
        b"ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nByteStorage\nU\x010U\x03cpuK\x01tQ\
        K\x00K\x01\x85K\x01\x85\x89}tR";
    let error = |item: &[u8]| {
        let bytes = [&b"\x80\x02]"[..], item, b"a."].concat();
        state_dict(&bytes, vec![7], 100).expect_err("no names")
    };
    assert_eq!(
        error(&[&b"U\x03a.w"[..], TENSOR, b"\x86"].concat()),
        "it holds a list of names and tensors; `torch.save(dict(torch.load(FILE)), \"weights.pt\")` makes a state dict \
         of it"
    );
    assert!(error(TENSOR).starts_with("it holds tensors without names, such as `model.parameters()`; "));
    assert_eq!(error(b"K\x01"), "it holds a list without weights");
}

#[test]
fn many_tensors_in_one_storage_do_not_fill_the_memory() {
    // Every name has the whole of one storage of 1 MiB; a file may repeat it a million times.
    let tensor = b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nByteStorage\n\
        X\x01\x00\x00\x000X\x03\x00\x00\x00cpuJ\x00\x00\x10\x00tQK\x00J\x00\x00\x10\x00\x85K\x01\x85\x89}tRq\x00";
    let names = |count: u8| (0..count).flat_map(|n| [b'U', 1, b'a' + n, b'h', 0]).collect::<Vec<u8>>();
    let read = |names: &[u8]| {
        let bytes = [&b"\x80\x02}(U\x01w"[..], tensor, names, b"u."].concat();
        state_dict(&bytes, vec![7; 1 << 20], 1 << 20)
    };
    assert_eq!(read(&names(19)).expect("four times the file, and 16 MiB").len(), 20);
    assert_eq!(
        read(&names(20)).expect_err("more"),
        "tensor `t` of shape [1048576] and those before it are larger than a file of this size warrants"
    );
    assert_eq!(read(b"U\x01wh\0").expect_err("a name again"), "tensor `w` is there twice");
}

#[test]
fn a_stride_of_0_does_not_fill_the_memory() {
    let expanded = |size: &[u8]| {
        let tensor = [
            &b"\x80\x02}U\x01wctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nByteStorage\n\
            U\x010U\x03cpuK\x01tQK\x00"[..],
            size,
            b"\x85K\x00\x85\x89}tRs.",
        ];
        state_dict(&tensor.concat(), vec![7], 100).map(|tensors| tensors["w"].bytes.len())
    };
    assert_eq!(expanded(b"M\xff\xff"), Ok(65_535));
    assert!(expanded(b"J\xff\xff\xff\x7f").expect_err("2 GiB").contains("larger than a file of this size"));
}

#[test]
fn what_is_inflated_has_a_limit() {
    // An entry of zeros, which in the file takes a thousandth of its size.
    let zeros = vec![0; INFLATED_PICKLE * 4000 + PICKLE_ALWAYS];
    let bomb = zip_of("x/data.pkl", &zeros);
    assert!(bomb.len() < 4000, "{}", bomb.len());
    let error = read_archive(&bomb).expect_err("too large");
    assert!(error.starts_with("entry `x/data.pkl` inflates to 1112576 bytes, and only"), "{error}");
    // An entry that claims to be small.
    let mut dishonest = bomb;
    let directory = dishonest.windows(4).rposition(|bytes| bytes == b"PK\x01\x02").expect("a directory");
    dishonest[directory + 24..directory + 28].copy_from_slice(&100_u32.to_le_bytes());
    let error = read_archive(&dishonest).expect_err("a lie");
    assert_eq!(
        error,
        "entry `x/data.pkl` is damaged: its inflated content has another length or checksum than the archive states"
    );
}

/// An archive with one deflated entry.
fn zip_of(name: &str, content: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut deflated = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    deflated.write_all(content).expect("to memory");
    let deflated = deflated.finish().expect("to memory");
    let mut crc = flate2::Crc::new();
    crc.update(content);
    let u16 = |n: usize| (n as u16).to_le_bytes().to_vec();
    let u32 = |n: usize| (n as u32).to_le_bytes().to_vec();
    let sizes = [u32(crc.sum() as usize), u32(deflated.len()), u32(content.len()), u16(name.len())].concat();
    let header = [u16(20), u16(0), u16(8), u32(0)].concat();
    let local = [&b"PK\x03\x04"[..], &header, &sizes, &u16(0), name.as_bytes(), &deflated].concat();
    let entry = [&b"PK\x01\x02"[..], &u16(20), &header, &sizes, &[0; 12], &u32(0), name.as_bytes()].concat();
    let end = [&b"PK\x05\x06"[..], &[0; 4], &u16(1), &u16(1), &u32(entry.len()), &u32(local.len()), &u16(0)];
    [local, entry, end.concat()].concat()
}

#[test]
fn a_shape_without_end_is_refused() {
    let dimensions = |count: usize| {
        let ones = [&b"("[..], &b"K\x01".repeat(count), b"t"].concat();
        let bytes = [
            &b"\x80\x02}U\x01wctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nByteStorage\n\
            U\x010U\x03cpuK\x01tQK\x00"[..],
            &ones,
            &ones,
            b"\x89}tRs.",
        ];
        state_dict(&bytes.concat(), vec![7], 100).map(|tensors| tensors["w"].shape.len())
    };
    assert_eq!(dimensions(64), Ok(64));
    assert_eq!(dimensions(65), Err("tensor `w` has no shape of up to 64 dimensions".to_owned()));
}

#[test]
fn truncation_is_said() {
    let archive = read_sample("dataparallel_zip.pt");
    let error = read_archive(&archive[..archive.len() - 30]).expect_err("truncated");
    assert_eq!(error, "the archive has no directory: it is truncated");
    let legacy = read_sample("dataparallel_legacy.pt");
    let error = read_legacy(&legacy[..legacy.len() - 30]).expect_err("truncated");
    assert!(error.starts_with("storage `") && error.ends_with("it is truncated"), "{error}");
}

proptest::proptest! {
    #[test]
    fn damage_never_panics(at in 0_usize..92_000, byte: u8, legacy: bool, cut: bool) {
        let mut bytes = read_sample(if legacy { "dataparallel_legacy.pt" } else { "dataparallel_zip.pt" });
        let at = at % bytes.len();
        bytes[at] = byte;
        if cut {
            bytes.truncate(at);
        }
        let _ = if legacy { read_legacy(&bytes) } else { read_archive(&bytes) };
    }

    #[test]
    fn damage_of_an_archives_directory_never_panics(from_end in 1_usize..20_000, byte: u8) {
        let mut bytes = read_sample("dataparallel_zip.pt");
        let at = bytes.len() - from_end;
        bytes[at] = byte;
        let _ = read_archive(&bytes);
    }
}
