//! Finding the weights among what a training script saves: epochs, best figures, random states, architecture
//! parameters, optimizers.

use std::collections::HashSet;

use super::{names, tensor::TensorView};
use crate::pickle::Value;

/// The names under which training scripts keep the weights; an earlier one takes precedence.
pub const WEIGHTS_KEYS: [&str; 16] = [
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "network_state_dict",
    "network",
    "net_state_dict",
    "net",
    "module",
    "weights",
    "params",
    "arch",
    "generator",
    "checkpoint",
    "state",
    "last",
];
/// Words in a name that mark weights as a mean over the steps of training: `state_dict_ema`, `ema`,
/// `model_ema`, `swa_state_dict`. They are taken only where there are no others.
pub const AVERAGED_WORDS: [&str; 6] = ["ema", "swa", "averaged", "average", "avg", "shadow"];

/// The greatest depth of dicts within dicts that is searched.
const DEEPEST: usize = 4;
/// The greatest number of names that a message lists.
const MOST_LISTED: usize = 8;
/// The greatest number of bytes of a name in a message.
const LONGEST_LISTED: usize = 80;

type Entries<'p, 'a> = Vec<(Value<'p, 'a>, Value<'p, 'a>)>;

/// The entries of a state dict, and where it was found.
pub(super) struct StateDict<'p, 'a> {
    pub(super) entries: Entries<'p, 'a>,
    /// Sentences about what was taken and what was left out.
    pub(super) notes: Vec<String>,
}

/// A dict of tensors, with the keys that lead to it.
struct DictCandidate<'p, 'a> {
    keys: Vec<Key<'p, 'a>>,
    dict: Value<'p, 'a>,
    /// Whether names have dots, as those of a network's tensors do and an optimizer's do not.
    dotted: bool,
}

#[derive(Clone, Copy)]
enum Key<'p, 'a> {
    Name(Value<'p, 'a>),
    Index(usize),
}

/// Finds the weights: the whole of a checkpoint, or one of its parts.
///
/// # Errors
/// If there are none, or several that cannot be told apart.
pub(super) fn find<'p, 'a>(root: Value<'p, 'a>) -> Result<StateDict<'p, 'a>, String> {
    let mut search = StateDictSearch::default();
    search.visit(root);
    let StateDictSearch { mut candidates, module, .. } = search;
    if candidates.iter().any(|candidate| candidate.dotted) {
        candidates.retain(|candidate| candidate.dotted);
    }
    let chosen = match choose(&candidates) {
        Some(chosen) => chosen,
        None if candidates.is_empty() => return Err(no_weights(root, module)),
        None => {
            let paths = listed(candidates.iter().map(DictCandidate::path));
            let first = candidates[0].subscript();
            return Err(format!(
                "it holds several state dicts, {paths}, and no name says which is the network's; save that one \
                 alone, such as by `torch.save(torch.load(FILE){first}, \"weights.pt\")`"
            ));
        }
    };
    let entries = chosen.dict.entries().unwrap_or_default();
    let mut notes = Vec::new();
    if !chosen.keys.is_empty() {
        notes.push(format!("took the weights under {}", chosen.path()));
    }
    let others: Vec<_> =
        candidates.iter().filter(|other| other.dict.identity() != chosen.dict.identity()).collect();
    if let [first, ..] = others[..] {
        let averaged = if first.is_averaged() { ", which are averaged" } else { "" };
        notes.push(format!(
            "left out those under {}{averaged}; `torch.save(torch.load(FILE){}, \"other.pt\")` saves them alone",
            listed(others.iter().map(|other| other.path())),
            first.subscript()
        ));
    }
    Ok(StateDict { entries, notes })
}

/// The whole checkpoint if it is a state dict; else the dict under a known name; else the only one. Averaged
/// weights come after all others.
fn choose<'c, 'p, 'a>(candidates: &'c [DictCandidate<'p, 'a>]) -> Option<&'c DictCandidate<'p, 'a>> {
    let plain: Vec<_> = candidates.iter().filter(|candidate| !candidate.is_averaged()).collect();
    let group = if plain.is_empty() { candidates.iter().collect() } else { plain };
    let known = group.iter().filter_map(|candidate| Some((candidate.rank()?, *candidate)));
    let known = known.min_by_key(|(rank, _)| *rank).map(|(_, candidate)| candidate);
    known.or(if let [only] = group[..] { Some(only) } else { None })
}

impl DictCandidate<'_, '_> {
    /// The precedence of a candidate, where lower comes first; `None` where no key is known.
    fn rank(&self) -> Option<usize> {
        if self.keys.is_empty() {
            return Some(0);
        }
        let ranks = self.keys.iter().filter_map(|key| {
            let Key::Name(name) = key else { return None };
            let name = name.text()?;
            WEIGHTS_KEYS.iter().position(|known| *known == name)
        });
        ranks.min().map(|rank| rank + 1)
    }

    fn is_averaged(&self) -> bool {
        self.keys.iter().any(|key| match key {
            Key::Name(name) => name.text().is_some_and(|name| {
                let words = name.split(|c: char| !c.is_ascii_alphabetic());
                words.map(str::to_ascii_lowercase).any(|word| AVERAGED_WORDS.contains(&word.as_str()))
            }),
            Key::Index(_) => false,
        })
    }

    /// The keys in a form for messages.
    fn path(&self) -> String {
        let keys: Vec<_> = self.keys.iter().map(|key| key.written()).collect();
        if keys.is_empty() { "the file's own names".to_owned() } else { format!("`{}`", keys.join(".")) }
    }

    /// The keys as a Python expression.
    fn subscript(&self) -> String {
        let key = |key: &Key<'_, '_>| match key {
            Key::Name(_) => format!("[\"{}\"]", key.written()),
            Key::Index(index) => format!("[{index}]"),
        };
        self.keys.iter().map(key).collect()
    }
}

impl Key<'_, '_> {
    fn written(self) -> String {
        match self {
            Self::Name(name) => match (name.text(), name.int()) {
                (Some(text), _) => shortened(&text),
                (None, Some(number)) => number.to_string(),
                (None, None) => name.kind().to_owned(),
            },
            Self::Index(index) => index.to_string(),
        }
    }
}

/// The beginning of a name: a file may contain one of any length.
fn shortened(name: &str) -> String {
    match name.char_indices().nth(LONGEST_LISTED) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

fn listed(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(MOST_LISTED);
    let mut names: Vec<_> = names.take(MOST_LISTED).collect();
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    names.join(", ")
}

#[derive(Default)]
struct StateDictSearch<'p, 'a> {
    candidates: Vec<DictCandidate<'p, 'a>>,
    /// The first whole module: its keys and its class.
    module: Option<(Vec<Key<'p, 'a>>, String)>,
}

impl<'p, 'a> StateDictSearch<'p, 'a> {
    /// Searches dicts and lists, each once, those nearest to the top first.
    fn visit(&mut self, root: Value<'p, 'a>) {
        let mut seen = HashSet::from([root.identity()]);
        let mut level = vec![(Vec::new(), root)];
        for _ in 0..=DEEPEST {
            let mut next = Vec::new();
            for (keys, value) in level {
                let children = self.children(&keys, value);
                for (key, child) in children {
                    let worth = child.is_container() || child.callable().is_some();
                    if worth && TensorView::of(child).is_none() && seen.insert(child.identity()) {
                        next.push(([&keys[..], &[key]].concat(), child));
                    }
                }
            }
            level = next;
        }
    }

    /// The values within a value that is not itself a dict of tensors.
    fn children(&mut self, keys: &[Key<'p, 'a>], value: Value<'p, 'a>) -> Vec<(Key<'p, 'a>, Value<'p, 'a>)> {
        if let Some(entries) = value.entries() {
            if let Some(dotted) = is_state_dict(&entries) {
                self.candidates.push(DictCandidate { keys: keys.to_vec(), dict: value, dotted });
                if dotted {
                    return Vec::new();
                }
            }
            return entries.into_iter().map(|(key, value)| (Key::Name(key), value)).collect();
        }
        if let Some(items) = value.items() {
            return items.enumerate().map(|(index, value)| (Key::Index(index), value)).collect();
        }
        let whole = value.state().is_some_and(|state| state.get("_modules").is_some());
        if self.module.is_none() && (whole || keys.is_empty()) {
            self.module = class_of(value).map(|class| (keys.to_vec(), class));
        }
        Vec::new()
    }
}

/// Whether entries are weights, and if so, whether their names have dots.
fn is_state_dict(entries: &Entries<'_, '_>) -> Option<bool> {
    let tensors = entries.iter().filter(|(_, value)| TensorView::of(*value).is_some());
    let named = |name: Value<'_, '_>| name.text().is_some_and(|n| n.contains('.') && !names::is_left_out(&n));
    if tensors.clone().any(|(name, _)| named(*name)) {
        return Some(true);
    }
    (!entries.is_empty() && tensors.count() == entries.len()).then_some(false)
}

/// The name of a class. Before 1.6 it comes with its source: ('module', class, file, source).
fn class<'p>(value: Value<'p, '_>) -> Option<(&'p str, &'p str)> {
    match value.persistent() {
        Some(id) => id.items()?.nth(1)?.global(),
        None => value.global(),
    }
}

/// Module and class of an object, whichever way it was built.
fn class_of(value: Value<'_, '_>) -> Option<String> {
    let (callable, arguments) = value.callable()?;
    let mut found = class(callable)?;
    if matches!(found, ("copy_reg" | "copyreg", "_reconstructor" | "__newobj__")) {
        found = class(arguments.items()?.next()?)?;
    }
    let (module, name) = found;
    Some(shortened(&format!("{module}.{name}")))
}

/// Why no weights were found.
fn no_weights(root: Value<'_, '_>, module: Option<(Vec<Key<'_, '_>>, String)>) -> String {
    if let Some((keys, class)) = module {
        let place: Vec<_> = keys.iter().map(|key| key.written()).collect();
        let place = if place.is_empty() { "it".to_owned() } else { format!("`{}`", place.join(".")) };
        return format!(
            "{place} holds a whole {class}, which only its own program can load; there, \
             `torch.save(model.state_dict(), \"weights.pt\")` saves what is needed"
        );
    }
    let keys = root.entries().filter(|entries| !entries.is_empty()).map(|entries| {
        let keys: Vec<_> = entries.iter().map(|(key, _)| *key).collect();
        listed(keys.into_iter().map(|key| Key::Name(key).written()))
    });
    match keys {
        Some(keys) => format!("it holds a dict without weights; its entries are {keys}"),
        None => match root.items().and_then(|mut items| items.next()) {
            Some(pair) if is_pair(pair) => "it holds a list of names and tensors; `torch.save(dict(torch.load(FILE)), \
                                            \"weights.pt\")` makes a state dict of it"
                .to_owned(),
            Some(tensor) if TensorView::of(tensor).is_some() => "it holds tensors without names, such as \
                                                           `model.parameters()`; `torch.save(model.state_dict(), \
                                                           \"weights.pt\")` saves what is needed"
                .to_owned(),
            _ => format!("it holds {} without weights", root.kind()),
        },
    }
}

/// Whether a value is a pair of a name and a tensor.
fn is_pair(value: Value<'_, '_>) -> bool {
    value.items().is_some_and(|items| {
        let parts: Vec<_> = items.take(3).collect();
        matches!(parts[..], [name, tensor] if name.text().is_some() && TensorView::of(tensor).is_some())
    })
}
