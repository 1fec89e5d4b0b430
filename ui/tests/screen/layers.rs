//! Which files of this crate may import which: each only its own layer and those below. And in every crate, no files
//! import each other in a circle.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// The layers from the lowest to the highest, each with the modules of the crate that it holds.
/// What is in a layer may know its own layer and those below.
const LAYERS: [(&str, &[&str]); 7] = [
    ("draw", &["glyphs", "theme", "draw", "canvas", "field"]),
    (
        "state",
        &[
            "messages", "view", "actions", "keys", "layout", "shown", "past", "state", "lists", "obstacle",
            "words", "finder", "scene",
        ],
    ),
    ("panels", &["panels"]),
    ("views", &["views"]),
    ("overlays", &["overlays"]),
    ("app", &["app"]),
    ("terminal", &["wake", "hangup", "decoder", "pacing", "moves", "painter", "terminal", "screen"]),
];

/// Modules by their path within the crate, such as `draw::text`, with their sources.
type Sources = BTreeMap<String, String>;

/// The modules that each module imports.
type Imports = BTreeMap<String, BTreeSet<String>>;

#[test]
fn no_file_knows_what_is_above_it() {
    let imports = imports(&sources("ui/src"));
    let texts = imports.get("draw::heat_map").is_some_and(|of| of.contains("draw::text"));
    assert!(imports.len() > 50 && texts, "the sources were not read: {imports:#?}");
    assert_eq!(climbing(&imports), Vec::<String>::new());
}

#[test]
fn in_no_crate_files_know_each_other_in_circles() {
    for (folder, least) in
        [("core/src", 60), ("run/src", 15), ("engine/src", 120), ("ui/src", 60), ("src", 60)]
    {
        let sources = sources(folder);
        assert!(sources.len() >= least, "{folder}: only {} sources were read", sources.len());
        assert_eq!(circle(&without_ancestors(imports(&sources))), None, "{folder}");
    }
    assert_eq!(
        circle(&imports(&sources("ui/src"))),
        None,
        "not even with the modules that they are parts of"
    );
}

/// Imports without those that a module makes from the modules it is a part of: a module and its parts are one
/// topic, and the parts may be about its types.
fn without_ancestors(mut imports: Imports) -> Imports {
    for (module, known) in &mut imports {
        known.retain(|other| !module.starts_with(&format!("{other}::")));
    }
    imports
}

#[test]
fn what_is_out_of_order_is_found() {
    let sources = |files: &[(&str, &str)]| -> Sources {
        files.iter().map(|&(module, source)| (module.to_owned(), source.to_owned())).collect()
    };
    let tidy = sources(&[
        ("app", "mod act;\nuse crate::{panels::title, draw::text};"),
        ("app::act", "use super::App; // crate::screen\n#[cfg(test)]\nmod tests { use crate::screen::run; }"),
        ("panels", "pub mod title;"),
        ("panels::title", "use crate::draw::{pen::Pen, text::{self, width}};"),
        ("draw", "pub mod text;\nmod pen;"),
        ("draw::text", ""),
        ("draw::pen", "fn f() { super::text::width() }"),
    ]);
    let found = imports(&tidy);
    assert_eq!(found["panels::title"], BTreeSet::from(["draw::pen", "draw::text"].map(str::to_owned)));
    assert_eq!(found["draw::pen"], BTreeSet::from(["draw::text".to_owned()]));
    assert_eq!((climbing(&found), circle(&found)), (Vec::new(), None));

    let check = |module: &str, source: &str, climbs: &[&str], circles: bool| {
        let mut knotted = tidy.clone();
        knotted.insert(module.to_owned(), source.to_owned());
        let found = imports(&knotted);
        assert_eq!(climbing(&found), climbs, "{source}");
        assert_eq!(circle(&found).is_some(), circles, "{source}");
    };
    check("panels::title", "use crate::app::App;", &["panels::title (panels) knows app (app)"], true);
    check(
        "panels::title",
        "fn f() { crate::app::act::f() }",
        &["panels::title (panels) knows app::act (app)"],
        true,
    );
    check("panels", "mod title; fn f() { title::f() }", &[], false);
    check("draw::text", "use super::pen::Pen;", &[], true);
    check("app", "mod act;\nuse act::f;", &[], true);
    check("novelty", "", &["novelty is in no layer"], false);
}

/// Imports that break the order of the layers, in words.
fn climbing(imports: &Imports) -> Vec<String> {
    let layer = |module: &str| {
        let top = module.split("::").next().unwrap_or(module);
        LAYERS.iter().position(|(_, modules)| modules.contains(&top))
    };
    let mut faults = Vec::new();
    for (module, known) in imports {
        let Some(here) = layer(module) else {
            faults.push(format!("{module} is in no layer"));
            continue;
        };
        for other in known {
            if let Some(above) = layer(other).filter(|there| *there > here) {
                faults.push(format!("{module} ({}) knows {other} ({})", LAYERS[here].0, LAYERS[above].0));
            }
        }
    }
    faults
}

/// Modules that import each other in a circle, if there are any.
fn circle(imports: &Imports) -> Option<Vec<String>> {
    // A module that imports no module that is left, or is imported by none that is left, is in no circle.
    let mut left: Vec<&String> = imports.keys().collect();
    loop {
        let knows = |module: &String| imports[module].iter().any(|known| left.contains(&known));
        let is_known = |module: &String| left.iter().any(|other| imports[*other].contains(module));
        let kept: Vec<&String> =
            left.iter().copied().filter(|module| knows(module) && is_known(module)).collect();
        if kept.len() == left.len() {
            return Some(left.into_iter().cloned().collect::<Vec<_>>()).filter(|left| !left.is_empty());
        }
        left = kept;
    }
}

/// All sources of a crate but its root, which is above everything. `folder` counts from the repository's root.
fn sources(folder: &str) -> Sources {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let mut sources = Sources::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the sources can be listed") {
            let path = entry.expect("the sources can be listed").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let within = path.strip_prefix(&root).expect("it is in the folder").with_extension("");
            let module = within.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("::");
            let is_test = module == "tests" || module.ends_with("::tests") || module.contains("::tests::");
            let is_source = path.extension().is_some_and(|extension| extension == "rs");
            if is_source && !["lib", "main"].contains(&module.as_str()) && !is_test {
                sources.insert(module, fs::read_to_string(&path).expect("a source can be read"));
            }
        }
    }
    sources
}

fn imports(sources: &Sources) -> Imports {
    let modules: BTreeSet<&String> = sources.keys().collect();
    let known = |module: &String, source: &String| -> BTreeSet<String> {
        let named = paths(source).into_iter().filter_map(|path| resolve(&modules, module, &path));
        named.filter(|other| other != module).collect()
    };
    sources.iter().map(|(module, source)| (module.clone(), known(module, source))).collect()
}

/// The module that a path means where it stands in `module`; `None` if it is not of this crate.
fn resolve(modules: &BTreeSet<&String>, module: &str, path: &[String]) -> Option<String> {
    let mut place: Vec<String> = module.split("::").map(str::to_owned).collect();
    let mut rest = path;
    match rest.first().map(String::as_str) {
        Some("crate") => {
            place.clear();
            rest = &rest[1..];
        }
        Some("self") => rest = &rest[1..],
        Some("super") => {}
        // A module that is declared here; anything else is another crate or a local name.
        Some(name) if modules.contains(&format!("{module}::{name}")) => {}
        _ => return None,
    }
    while rest.first().is_some_and(|part| part == "super") {
        place.pop();
        rest = &rest[1..];
    }
    place.extend(rest.iter().cloned());
    while !place.is_empty() && !modules.contains(&place.join("::")) {
        place.pop();
    }
    Some(place.join("::")).filter(|found| !found.is_empty())
}

/// Every path that a source names outside of its tests and comments.
fn paths(source: &str) -> Vec<Vec<String>> {
    let source = source.split("#[cfg(test)]").next().unwrap_or(source);
    let code: Vec<&str> = source.lines().map(|line| line.split("//").next().unwrap_or(line)).collect();
    let code = code.join(" ");
    let mut paths = Vec::new();
    let mut rest = code.as_str();
    while let Some(at) = rest.find(|c: char| c.is_alphabetic() || c == '_') {
        rest = &rest[at..];
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
        let word = &rest[..end];
        if word == "use" {
            let statement = rest.split(';').next().unwrap_or(rest);
            flatten(&[], statement["use".len()..].trim(), &mut paths);
            rest = &rest[statement.len()..];
        } else {
            if word.contains("::") {
                paths.push(word.split("::").map(str::to_owned).collect());
            }
            rest = &rest[end..];
        }
    }
    paths
}

/// The paths of a tree of imports, such as `a::{b, c::{self, d}}`.
fn flatten(before: &[String], tree: &str, paths: &mut Vec<Vec<String>>) {
    let (path, branches) = match tree.split_once('{') {
        Some((path, branches)) => (path, branches.trim_end().strip_suffix('}')),
        None => (tree, None),
    };
    let names = path.split(" as ").next().unwrap_or(path).split("::").map(str::trim);
    let here: Vec<String> =
        before.iter().cloned().chain(names.filter(|name| !name.is_empty()).map(str::to_owned)).collect();
    let Some(branches) = branches else {
        paths.push(here);
        return;
    };
    let (mut depth, mut start) = (0, 0);
    for (at, letter) in branches.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                flatten(&here, branches[start..at].trim(), paths);
                start = at + 1;
            }
            _ => {}
        }
    }
    if !branches[start..].trim().is_empty() {
        flatten(&here, branches[start..].trim(), paths);
    }
}
