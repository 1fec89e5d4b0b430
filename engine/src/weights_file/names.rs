//! What files put before the names of a network's tensors, and beside them.

use std::collections::BTreeMap;

/// The parts that wrappers put before every name: data parallelism and averaging, `torch.compile`, attributes
/// of training classes, sharding. They come in any order and more than once. Any other first part that all
/// names share is removed too.
pub const PREFIXES: [&str; 8] = [
    "module",
    "_orig_mod",
    "model",
    "net",
    "network",
    "_forward_module",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
];
/// The wrappers of single modules, which therefore also stand in the middle of names.
const WRAPPERS: [&str; 4] = ["module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];
/// Entries beside the weights, by the last part of their names: the batch counters of batch norm, the private
/// values of a module, the number of weights that were averaged, and thop's counters.
pub const LEFT_OUT: [&str; 5] =
    ["num_batches_tracked", "_extra_state", "n_averaged", "total_ops", "total_params"];
/// The first parts of the names of this program's networks, which are not prefixes.
const OWN: [&str; 6] = ["stem", "stem0", "stem1", "cells", "classifier", "auxiliary_head"];
/// The greatest number of prefixes that are removed.
const MOST_PREFIXES: usize = 16;

/// Whether an entry is known not to be a weight.
pub fn is_left_out(name: &str) -> bool {
    LEFT_OUT.contains(&last_part(name))
}

fn last_part(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, last)| last)
}

/// Tensors under the names that the network itself gives them.
#[derive(Debug)]
pub struct NormalisedNames<T> {
    pub tensors: BTreeMap<String, T>,
    /// The prefix that was removed from all names, with its dots.
    pub prefix: String,
    /// Tensors that belong to no module, such as `best_acc1`, whose names have no dots while others do.
    pub beside: Vec<String>,
}

/// Removes the prefixes of wrappers from names, and leaves out entries that are not weights.
///
/// # Errors
/// If two tensors have the same name after that.
pub fn normalise<T>(tensors: BTreeMap<String, T>) -> Result<NormalisedNames<T>, String> {
    let mut names: Vec<(String, T)> = tensors.into_iter().filter(|(name, _)| !is_left_out(name)).collect();
    let (mut prefix, mut beside) = (String::new(), Vec::new());
    for _ in 0..MOST_PREFIXES {
        if names.iter().any(|(name, _)| name.contains('.')) {
            let (inside, outside): (Vec<_>, Vec<_>) =
                names.into_iter().partition(|(name, _)| name.contains('.'));
            names = inside;
            beside.extend(outside.into_iter().map(|(name, _)| name));
        }
        let Some(part) = shared_part(&names).map(str::to_owned) else { break };
        for (name, _) in &mut names {
            name.drain(..part.len());
        }
        prefix.push_str(&part);
    }
    let mut tensors = BTreeMap::new();
    for (name, tensor) in names {
        let name = unwrapped(name);
        if tensors.contains_key(&name) {
            return Err(format!("two tensors have the name `{name}` once the names of wrappers are removed"));
        }
        tensors.insert(name, tensor);
    }
    Ok(NormalisedNames { tensors, prefix, beside })
}

/// The first part of all names, with its dot, if they share it and it is none of a network's own.
fn shared_part<T>(names: &[(String, T)]) -> Option<&str> {
    let (first, _) = names.first()?;
    let part = &first[..=first.find('.')?];
    let shared = names.iter().all(|(name, _)| name.len() > part.len() && name.starts_with(part));
    (shared && !OWN.contains(&part.trim_end_matches('.'))).then_some(part)
}

/// A name without the wrappers of single modules.
fn unwrapped(name: String) -> String {
    if !name.split('.').any(|part| WRAPPERS.contains(&part)) {
        return name;
    }
    name.split('.').filter(|part| !WRAPPERS.contains(part)).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalised(names: &[&str]) -> (Vec<String>, String, Vec<String>) {
        let tensors = names.iter().map(|name| ((*name).to_owned(), ())).collect();
        let NormalisedNames { tensors, prefix, beside } = normalise(tensors).expect("names");
        (tensors.into_keys().collect(), prefix, beside)
    }

    #[test]
    fn prefixes_are_taken_off_in_any_order_when_all_names_have_them() {
        for prefix in PREFIXES.map(|prefix| format!("{prefix}.")).into_iter().chain(
            ["module._orig_mod.", "_orig_mod.module.", "model.net.module.", "classifier_of_mine."]
                .map(str::to_owned),
        ) {
            let names = ["stem.0.weight", "classifier.bias"].map(|name| format!("{prefix}{name}"));
            let (found, taken, _) = normalised(&[&names[0], &names[1], "n_averaged"]);
            assert_eq!(found, ["classifier.bias", "stem.0.weight"], "{prefix}");
            assert_eq!(taken, prefix);
        }
        let (found, taken, _) = normalised(&["model.stem.0.weight", "loss.weight"]);
        assert_eq!(found, ["loss.weight", "model.stem.0.weight"], "not all have it");
        assert_eq!(taken, "");
        let (found, ..) = normalised(&["classifier.weight", "classifier.bias"]);
        assert_eq!(found, ["classifier.bias", "classifier.weight"], "a network's own part");
    }

    #[test]
    fn wrappers_of_single_modules_are_taken_off_where_they_stand() {
        let (found, ..) = normalised(&["stem.0.weight", "cells.0._orig_mod.preprocess0.op.1.weight"]);
        assert_eq!(found, ["cells.0.preprocess0.op.1.weight", "stem.0.weight"]);
        let twice = ["a.weight", "a.module.weight", "b.c"].map(|name| (name.to_owned(), ()));
        assert!(
            normalise(twice.into())
                .expect_err("the same name")
                .contains("two tensors have the name `a.weight`")
        );
    }

    #[test]
    fn what_is_no_weight_is_left_out() {
        for left_out in LEFT_OUT {
            let (inner, outer) = (format!("stem.1.{left_out}"), left_out);
            let (found, _, beside) = normalised(&["stem.0.weight", "classifier.bias", &inner, outer]);
            assert_eq!((found.len(), beside.len()), (2, 0), "{left_out}");
        }
        let (found, _, beside) =
            normalised(&["module.stem.0.weight", "module.cells.0", "module.alphas_normal", "best_acc1"]);
        assert_eq!(found, ["cells.0", "stem.0.weight"]);
        assert_eq!(beside, ["best_acc1", "alphas_normal"]);
        let (found, ..) = normalised(&["weight"]);
        assert_eq!(found, ["weight"], "where no name has a dot, nothing stands beside");
    }
}
