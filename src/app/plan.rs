//! What a search or training that is set up in the form would take: its time, size and device, and the contents of its
//! folder.

use std::{
    fs,
    path::{MAIN_SEPARATOR, Path},
    thread,
};

use anyhow::Result;
use relativenas_core::{
    config::{Config, Layers},
    cost::cost,
    genotype::Genotype,
    published,
    space::Space,
};
use relativenas_ui::messages::{Architecture, Plan};

use crate::{context::Context, pace, places::absolute, settings::Choices};

/// The largest number of folder names that are offered at once.
const OFFERED: usize = 40;

/// All settings, with those of the form on top.
///
/// # Errors
/// If there is no such preset or setting, or a text is no value of its type.
pub fn layers(context: &Context, preset: Option<&str>, typed: &[(String, String)]) -> Result<Layers> {
    let mut layers = context.layers_under(Choices { preset, assignments: &[] })?;
    for (key, value) in typed {
        layers.add_typed(key, value)?;
    }
    Ok(layers)
}

/// The contents of the form in which a search or a training is set up.
#[derive(Clone, Debug, Default)]
pub struct Planned {
    /// What is trained; `None` is a search.
    pub architecture: Option<Architecture>,
    pub preset: Option<String>,
    pub settings: Vec<(String, String)>,
    /// A folder that is being typed.
    pub path: Option<String>,
}

/// The cost of a run with these settings, and what the folder that is being typed holds.
pub fn plan(context: &Context, asked: &Planned) -> Plan {
    let mut plan = match asked.path.as_deref().map(str::trim).filter(|path| !path.is_empty()) {
        Some(path) => looked_at(path),
        None => Plan::default(),
    };
    let layers = layers(context, asked.preset.as_deref(), &asked.settings);
    if let Ok(config) = layers.and_then(|layers| valid(&layers)) {
        plan.cost = match &asked.architecture {
            None => cost_of(context, &config),
            Some(architecture) => cost_of_training(context, &config, &architecture.genotype),
        };
    }
    plan
}

fn valid(layers: &Layers) -> Result<Config> {
    Ok(layers.config()?)
}

/// Time, size and device of a search, in a line.
fn cost_of(context: &Context, config: &Config) -> String {
    let earlier = context.all().unwrap_or_default();
    let time = pace::estimate(config, &earlier)
        .unwrap_or_else(|| "how long is known after the first pair".to_owned());
    if config.search.space == Space::NasBench201 {
        return format!("{time}; a table answers, nothing is trained");
    }
    let size = published::genotype("RelativeNAS").map(|genotype| {
        let parameters = cost(&genotype, &config.search_network(10)).parameters;
        format!(", networks of about {} parameters", quantity(parameters))
    });
    let warm_up = match config.search.warm_up {
        0 => String::new(),
        count => format!(", {count} of {} generations warm up", config.search.generations),
    };
    format!("{time}{}{warm_up}, {}", size.unwrap_or_default(), device(config))
}

/// Time, size and device of a training, in a line. A task's head, and classes beside the usual ten, are not
/// counted.
fn cost_of_training(context: &Context, config: &Config, genotype: &Genotype) -> String {
    let earlier = context.all().unwrap_or_default();
    let time = pace::estimate_training(config, genotype, &earlier)
        .unwrap_or_else(|| "how long is known after the first epoch".to_owned());
    let cost = cost(genotype, &pace::full_network(config, 10));
    format!(
        "{time}; {} epochs of {} parameters, {} multiply-adds an image, {}",
        config.retrain.epochs,
        quantity(cost.parameters),
        quantity(cost.multiply_adds),
        device(config)
    )
}

fn quantity(number: u64) -> String {
    match number {
        0..1000 => number.to_string(),
        1000..1_000_000 => format!("{} k", number / 1000),
        _ => format!("{:.1} M", number as f64 / 1e6),
    }
}

fn device(config: &Config) -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = if config.device.threads == 0 { cores } else { config.device.threads };
    let threads = if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") };
    match config.device.kind.to_string().as_str() {
        "auto" => format!("on CUDA if any, else cpu · {threads}"),
        "cpu" => format!("cpu · {threads}"),
        other => other.to_owned(),
    }
}

/// What the folder that is being typed holds, and which names complete it.
fn looked_at(typed: &str) -> Plan {
    let mut plan = Plan::default();
    let path = match absolute(typed) {
        Ok(path) => path,
        Err(error) => {
            plan.problem = Some(format!("{error:#}"));
            return plan;
        }
    };
    plan.completions = completions(typed);
    match fs::metadata(&path) {
        Ok(there) if there.is_dir() => plan.found = entries(&path),
        Ok(_) => plan.problem = Some(format!("{typed}: this is a file; images lie in a folder")),
        Err(error) => plan.problem = Some(format!("{typed}: {error}")),
    }
    plan
}

fn entries(folder: &Path) -> String {
    match fs::read_dir(folder) {
        Ok(all) => match all.take(1001).count() {
            0 => "an empty folder".to_owned(),
            1 => "a folder with 1 entry".to_owned(),
            1001 => "a folder with more than 1000 entries".to_owned(),
            count => format!("a folder with {count} entries"),
        },
        Err(error) => format!("a folder that cannot be read: {error}"),
    }
}

/// Folders whose path begins with what was typed, in the form in which it was typed.
fn completions(typed: &str) -> Vec<String> {
    let (before, begun) = match typed.rfind(MAIN_SEPARATOR) {
        Some(at) => typed.split_at(at + 1),
        None => ("", typed),
    };
    let Ok(folder) = absolute(if before.is_empty() { "." } else { before }) else { return Vec::new() };
    let Ok(all) = fs::read_dir(folder) else { return Vec::new() };
    let fits = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let hidden = name.starts_with('.') && !begun.starts_with('.');
        let is_folder = || fs::metadata(entry.path()).is_ok_and(|there| there.is_dir());
        let fits = name.starts_with(begun) && !hidden && !name.contains(char::is_control) && is_folder();
        fits.then(|| format!("{before}{name}{MAIN_SEPARATOR}"))
    };
    let mut names: Vec<_> = all.flatten().filter_map(fits).collect();
    names.sort();
    names.truncate(OFFERED);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_completed_and_checked_while_it_is_typed() {
        let place = tempfile::tempdir().expect("a folder");
        for name in ["cifar-10", "cifar-100", "other", ".hidden"] {
            fs::create_dir(place.path().join(name)).expect("made");
        }
        fs::write(place.path().join("cifar.txt"), "").expect("written");
        let typed = |rest: &str| format!("{}/{rest}", place.path().display());
        let plan = looked_at(&typed("ci"));
        assert_eq!(plan.completions, [typed("cifar-10/"), typed("cifar-100/")]);
        assert!(plan.problem.is_some_and(|problem| problem.starts_with(&typed("ci: "))));
        let plan = looked_at(&typed("other"));
        assert_eq!((plan.problem, plan.found.as_str()), (None, "an empty folder"));
        assert_eq!(looked_at(&typed(".hid")).completions, [typed(".hidden/")]);
        let file = looked_at(&typed("cifar.txt")).problem;
        assert_eq!(file, Some(format!("{}: this is a file; images lie in a folder", typed("cifar.txt"))));
    }

    #[test]
    fn a_plan_says_how_long_how_large_and_where() {
        let place = tempfile::tempdir().expect("a folder");
        let context = Context::in_folder(place.path());
        let set =
            vec![("device.kind".to_owned(), "cpu".to_owned()), ("device.threads".to_owned(), "3".to_owned())];
        let of = |preset: &str, settings: &[(String, String)], architecture| {
            let (preset, settings) = (Some(preset.to_owned()), settings.to_vec());
            plan(&context, &Planned { architecture, preset, settings, path: None }).cost
        };
        let cost = of("quick", &set, None);
        assert!(cost.starts_with("how long is known after the first pair, networks of about "), "{cost}");
        assert!(cost.ends_with(" k parameters, cpu · 3 threads"), "{cost}");
        let table = of("nas-bench-201", &[], None);
        assert!(table.ends_with("a table answers, nothing is trained"), "{table}");
        let genotype = published::genotype("RelativeNAS").expect("published");
        let architecture = Architecture { genotype, name: "winner".to_owned(), origin: String::new() };
        let training = of("cifar10", &set, Some(architecture));
        assert!(
            training.starts_with("how long is known after the first epoch; 600 epochs of "),
            "{training}"
        );
        assert!(training.ends_with(" multiply-adds an image, cpu · 3 threads"), "{training}");
    }
}
