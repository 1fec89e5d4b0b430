//! Modules of a weight set as named tensors, for files and for other ranks.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use relativenas_core::weight_set::WeightKey;
use tch::Tensor;

use crate::network::ModuleWeights;

/// Tensors under the name of their module, a dot, and their name within the module.
pub fn named<'a>(modules: impl Iterator<Item = (WeightKey, &'a ModuleWeights)>) -> BTreeMap<String, Tensor> {
    let of_module = |(key, weights): (WeightKey, &'a ModuleWeights)| {
        weights.tensors().map(move |(name, tensor)| (format!("{key}.{name}"), tensor.shallow_clone()))
    };
    modules.flat_map(of_module).collect()
}

/// The modules in tensors from [`named`], given the keys of the modules as text.
///
/// # Errors
/// If a tensor belongs to none of these modules.
pub fn modules(
    keys: &BTreeSet<String>,
    tensors: BTreeMap<String, Tensor>,
) -> anyhow::Result<BTreeMap<WeightKey, ModuleWeights>> {
    let mut found: BTreeMap<&str, Vec<(String, Tensor)>> = BTreeMap::new();
    for (name, tensor) in tensors {
        // The name of a module may be the beginning of another's only up to a dot.
        let module = keys.iter().find(|k| name.strip_prefix(k.as_str()).is_some_and(|r| r.starts_with('.')));
        let module = module.with_context(|| format!("`{name}` belongs to none of the modules"))?;
        found.entry(module).or_default().push((name[module.len() + 1..].to_owned(), tensor));
    }
    found.into_iter().map(|(name, tensors)| Ok((name.parse()?, ModuleWeights::new(tensors)))).collect()
}
