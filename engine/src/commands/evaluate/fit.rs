//! Why weights do not fit a network, and which arguments would fit them, inferred from their names and
//! shapes.

use std::collections::BTreeMap;

use relativenas_core::{
    genotype::Genotype,
    network::{NetworkKind, NetworkShape},
    published,
};
use tch::Tensor;

use crate::{network::Plan, weights_file};

/// The number of genes of a cell in nearly all architectures.
const GENES: usize = 8;

/// The arguments that fit the weights, inferred from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Inferred {
    shape: NetworkShape,
    auxiliary: bool,
}

/// Explains which arguments would fit, if `found` are not the weights of the network that was asked for;
/// `None` where they are, or where nothing can be inferred.
pub(super) fn causes(
    found: &BTreeMap<String, Tensor>,
    genotype: &Genotype,
    shape: &NetworkShape,
    auxiliary: bool,
) -> Option<String> {
    let asked = Inferred { shape: *shape, auxiliary };
    if fits(found, genotype, asked) {
        return None;
    }
    if let Some(cause) = foreign_names(found) {
        return Some(cause);
    }
    let inferred = Inferred::from_weights(found)?;
    let typed = inferred.arguments(asked);
    if fits(found, genotype, inferred) {
        return Some(format!("they fit with {}", typed.join(" and ")));
    }
    let mut published = published::NAMES
        .iter()
        .filter(|name| published::genotype(name).is_some_and(|genotype| fits(found, &genotype, inferred)));
    if let Some(name) = published.next() {
        let arch = [format!("`--arch {name}`")];
        return Some(format!("they fit with {}", [&arch[..], &typed].concat().join(" and ")));
    }
    let besides =
        if typed.is_empty() { String::new() } else { format!("; their shapes say {}", typed.join(" and ")) };
    Some(format!("they are of another architecture than `--arch` says{besides}"))
}

fn fits(found: &BTreeMap<String, Tensor>, genotype: &Genotype, inferred: Inferred) -> bool {
    let plan = Plan::full(genotype, &inferred.shape, inferred.auxiliary);
    let expected: Vec<_> = plan
        .modules
        .iter()
        .flat_map(|planned| {
            let name = move |part: &str| format!("{}.{part}", planned.name);
            planned.module.tensors().into_iter().map(move |spec| (name(&spec.name), spec.shape))
        })
        .collect();
    weights_file::compare(found, expected.iter().map(|(name, shape)| (name.as_str(), shape.clone()))).is_ok()
}

impl Inferred {
    fn from_weights(found: &BTreeMap<String, Tensor>) -> Option<Self> {
        let rows = |name: &str| usize::try_from(*found.get(name)?.size().first()?).ok();
        let (kind, channels) = match (rows("stem.0.weight"), rows("stem1.1.weight")) {
            (Some(rows), _) => (NetworkKind::Cifar, rows / 3),
            (None, Some(rows)) => (NetworkKind::Imagenet, rows),
            (None, None) => return None,
        };
        let cell = |name: &str| name.strip_prefix("cells.")?.split('.').next()?.parse::<usize>().ok();
        let cells = found.keys().filter_map(|name| cell(name)).max()?.checked_add(1)?;
        let shape = NetworkShape { kind, channels, cells, classes: rows("classifier.weight")? };
        shape.check().ok()?;
        Some(Self { shape, auxiliary: found.keys().any(|name| name.starts_with("auxiliary_head.")) })
    }

    /// The arguments that differ from what was asked for, as they are typed.
    fn arguments(self, asked: Self) -> Vec<String> {
        let (inferred, typed) = (self.shape, asked.shape);
        let kind = inferred.kind.name();
        let auxiliary = if self.auxiliary {
            "the auxiliary head (leave out `--no-auxiliary`)"
        } else {
            "`--no-auxiliary`"
        };
        [
            (inferred.kind != typed.kind, format!("`--kind {kind}`")),
            (inferred.channels != typed.channels, format!("`--channels {}`", inferred.channels)),
            (inferred.cells != typed.cells, format!("`--cells {}`", inferred.cells)),
            (inferred.classes != typed.classes, format!("data of {} classes", inferred.classes)),
            (self.auxiliary != asked.auxiliary, auxiliary.to_owned()),
        ]
        .into_iter()
        .filter_map(|(differs, text)| differs.then_some(text))
        .collect()
    }
}

/// What the names of the tensors say is wrong that no other argument can mend: a prefix before all names, or a
/// search network.
fn foreign_names(found: &BTreeMap<String, Tensor>) -> Option<String> {
    let stem = ["stem.0.weight", "stem0.0.weight"];
    let behind = |name: &String| stem.iter().find_map(|stem| name.strip_suffix(stem).map(str::to_owned));
    let prefixes: Vec<_> = found.keys().filter_map(behind).collect();
    if let [first, ..] = &prefixes[..]
        && !prefixes.iter().any(String::is_empty)
    {
        let others = found.keys().filter(|name| !name.starts_with(first)).count();
        return Some(format!(
            "the names of the network's tensors begin with `{first}`, and the file has {others} other tensors; save \
             it alone: `torch.save({{k[{}:]: v for k, v in weights.items() if k.startswith(\"{first}\")}}, \"weights.pt\")`",
            first.len()
        ));
    }
    let gene = |name: &str| name.split_once("._ops.")?.1.split('.').next()?.parse::<usize>().ok();
    let search = found
        .keys()
        .any(|name| name.matches("._ops.").count() > 1 || gene(name).is_some_and(|gene| gene >= 2 * GENES));
    search.then(|| {
        "they are of a search network, which holds every operation; `evaluate` takes a network that was trained from \
         one genotype"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use relativenas_core::randomness::Streams;
    use tch::Device;

    use super::*;
    use crate::network::{ModuleWeights, to_named};

    const SHAPE: NetworkShape = NetworkShape { kind: NetworkKind::Cifar, channels: 2, cells: 3, classes: 4 };

    fn weights(arch: &str, shape: NetworkShape, auxiliary: bool) -> BTreeMap<String, Tensor> {
        let plan = Plan::full(&published::genotype(arch).unwrap(), &shape, auxiliary);
        let fresh = |planned| ModuleWeights::fresh(planned, &Streams::new(1), Device::Cpu).unwrap();
        to_named(&plan, &plan.modules.iter().map(fresh).collect::<Vec<_>>())
    }

    fn causes_of(found: &BTreeMap<String, Tensor>) -> Option<String> {
        causes(found, &published::genotype("RelativeNAS").unwrap(), &SHAPE, false)
    }

    #[test]
    fn what_would_fit_is_told_by_shapes() {
        let check = |arch, shape, auxiliary, expected: &str| {
            let found = causes_of(&weights(arch, shape, auxiliary));
            assert_eq!(found.as_deref(), Some(expected).filter(|text| !text.is_empty()));
        };
        let imagenet = NetworkShape { kind: NetworkKind::Imagenet, channels: 4, cells: 4, classes: 4 };
        check("RelativeNAS", SHAPE, false, "");
        check("RelativeNAS", NetworkShape { channels: 3, ..SHAPE }, false, "they fit with `--channels 3`");
        check(
            "RelativeNAS",
            NetworkShape { cells: 5, classes: 7, ..SHAPE },
            false,
            "they fit with `--cells 5` and data of 7 classes",
        );
        check("RelativeNAS", SHAPE, true, "they fit with the auxiliary head (leave out `--no-auxiliary`)");
        check(
            "RelativeNAS",
            imagenet,
            false,
            "they fit with `--kind imagenet` and `--channels 4` and `--cells 4`",
        );
        check(
            "DARTS_V2",
            NetworkShape { channels: 6, ..SHAPE },
            false,
            "they fit with `--arch DARTS_V2` and `--channels 6`",
        );
    }

    #[test]
    fn what_no_argument_changes_is_named() {
        let plain = weights("RelativeNAS", SHAPE, false);
        let zero = || Tensor::from(0.0_f32);
        let mut other: BTreeMap<_, _> = plain.iter().map(|(n, t)| (n.clone(), t.shallow_clone())).collect();
        other.remove("cells.0._ops.0.op.1.weight");
        other.remove("cells.0._ops.1.op.1.weight");
        other.insert("cells.0._ops.0.op.9.weight".to_owned(), zero());
        assert_eq!(causes_of(&other).unwrap(), "they are of another architecture than `--arch` says");
        let mut behind: BTreeMap<_, _> = plain.into_iter().map(|(n, t)| (format!("model.{n}"), t)).collect();
        behind.insert("loss.weight".to_owned(), zero());
        let said = causes_of(&behind).unwrap();
        assert!(
            said.starts_with(
                "the names of the network's tensors begin with `model.`, and the file has 1 other tensors"
            ),
            "{said}"
        );
        let search = BTreeMap::from([("cells.0._ops.0._ops.4.op.1.weight".to_owned(), zero())]);
        assert!(causes_of(&search).unwrap().starts_with("they are of a search network"));
    }
}
