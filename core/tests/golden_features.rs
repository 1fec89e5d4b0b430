//! The backbone that `export --format pytorch --features` writes, run by PyTorch itself, against the
//! maps in tests/golden/transfer/taps.json.
//!
//! Needs a Python with torch: `RELATIVENAS_PYTHON` names one, else `python3` is tried.

mod figures;

use std::{env, fs, path::PathBuf, process::Command};

use relativenas_core::{
    network::{NetworkKind, NetworkShape},
    published, pytorch,
};

/// Fills the weights of every case from their names, and compares the maps.
const SCRIPT: &str = "
import json, math, sys, torch, network

golden = sys.argv[1]
salt = json.load(open(golden + '/rule.json'))['salt']
cases = json.load(open(golden + '/transfer/taps.json'))['cases']

def unit(name, shape):
    h = 2166136261
    for byte in (salt + name).encode():
        h = ((h ^ byte) * 16777619) & 0xffffffff
    i = torch.arange(math.prod(shape), dtype=torch.int64)
    return (((i * 2654435761 + h) & 0xffffffff).double() / 2**32).reshape(shape)

def weight(name, shape):
    u = unit(name, shape)
    if name.endswith('running_var'):
        return 0.5 + u
    if name.endswith(('running_mean', 'bias')):
        return (u - 0.5) * 0.2
    if len(shape) == 1:
        return 0.5 + u
    return (u - 0.5) * 2 * math.sqrt(3 * shape[0] / math.prod(shape))

checked = 0
for case in cases:
    if case['training']:
        continue
    net = network.Features(case['channels'], case['layers'])
    shapes = {n: list(t.shape) for n, t in net.state_dict().items() if not n.endswith('num_batches_tracked')}
    state = {n: weight(n, shape).float() for n, shape in shapes.items()}
    state['classifier.weight'] = torch.zeros(10, net.out_channels[2])
    state.update({n: t for n, t in net.state_dict().items() if n.endswith('num_batches_tracked')})
    net.load_classifier(state)
    net.eval()
    images = (unit(case['input_name'], case['input_shape']) - 0.5) * 3.4 * case['input_scale']
    with torch.no_grad():
        maps = net(images.float())
    assert list(maps) == ['0', '1', '2'], list(maps)
    for found, tap, channels in zip(maps.values(), case['taps'], net.out_channels):
        assert list(found.shape) == tap['shape'] and channels == tap['channels'], found.shape
        error = abs(found.double().norm().item() - tap['norm'])
        assert error <= 1e-4 * tap['norm'], (case['input_name'], tap['cell'], error)
        head = (found.flatten()[:4].double() - torch.tensor(tap['head'], dtype=torch.float64)).abs().max()
        assert head <= 1e-4 * tap['largest'], (case['input_name'], tap['cell'], head)
        checked += 1
print(checked)
";

#[test]
fn golden_maps_of_exported_backbones() {
    let python = env::var("RELATIVENAS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let found = Command::new(&python).args(["-c", "import torch"]).output();
    if !found.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no Python with torch; RELATIVENAS_PYTHON names one");
        return;
    }
    let genotype = published::genotype("RelativeNAS").expect("published");
    let shape = NetworkShape { kind: NetworkKind::Imagenet, channels: 46, cells: 14, classes: 1000 };
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("features");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("network.py"), pytorch::features(&genotype, &shape, true)).expect("written");
    let golden = figures::folder().canonicalize().expect("a folder");
    let output = Command::new(python).arg("-c").arg(SCRIPT).arg(golden).current_dir(&folder).output();
    let output = output.expect("python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let checked: usize = String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number");
    assert!(checked >= 12, "only {checked} maps were compared");
}
