//! Reports of small searches that a made-up estimator answered.

use std::{collections::BTreeMap, convert::Infallible, env, fs};

use relativenas_core::{
    config::Layers,
    event::{Event, Images, Line},
    genotype::Genotype,
    latency::{Calibration, LatencyTable, OperationLatency, Spot},
    loss::Loss,
    manifest::{Branch, EngineFacts, Job, Manifest, RUN_FORMAT},
    network::NetworkShape,
    operation::Family,
    operation::Operation,
    population::IndividualId,
    probe::{Agreement, ArchitectureSource},
    randomness::{Purpose, RANDOMNESS_VERSION, Streams},
    search::{Ask, BatchDone, Estimate, Estimated, Estimation, Estimator, Flow, Search, Slot, Verdict},
    view::RunView,
    weight_set::{WeightKey, WeightSet},
};

use super::{Probe, Run, csv, html, markdown};

/// Likes convolutions, learns over generations, and shares weights as a network would.
struct FakeEstimator {
    shape: NetworkShape,
    streams: Streams,
    weights: WeightSet<()>,
}

impl Estimator for FakeEstimator {
    type Error = Infallible;
    type Trained = Vec<BTreeMap<WeightKey, ()>>;

    fn estimate(
        &mut self,
        estimation: &Estimation,
        _: &(dyn Fn(Slot, BatchDone) -> Flow + Sync),
    ) -> Result<Option<Estimated<Self::Trained>>, Infallible> {
        let mut trained = Vec::new();
        let estimates = estimation.candidates.iter().map(|candidate| {
            let genotype = Genotype::decode(&candidate.position).expect("within bounds");
            let keys = WeightKey::of_genotype(&genotype, &self.shape);
            let (held, hits) = self.weights.inherit(&keys, |_| ());
            trained.push(held);
            let genes = genotype.normal.genes.iter().chain(&genotype.reduction.genes);
            let convolutions = genes.filter(|g| g.operation.family() == Family::Separable).count();
            let generation = f64::from(estimation.generation);
            let draw = u64::from(estimation.generation) * 1000 + candidate.individual.0 as u64;
            let noise = self.streams.stream(Purpose::Probe, draw, 0).unit() - 0.5;
            let loss = 0.6 + 1.7 / (1.0 + 0.3 * generation) - 0.02 * convolutions as f64 + 0.12 * noise;
            Estimate {
                loss: Loss(loss),
                accuracy: 100.0 * (-0.55 * loss).exp(),
                train_loss: Loss(loss - 0.05),
                hits: hits.hits,
                misses: hits.misses,
            }
        });
        let estimates = estimates.collect();
        Ok(Some(Estimated { estimates, trained }))
    }

    fn adopt(
        &mut self,
        estimation: &Estimation,
        trained: &Self::Trained,
        verdict: &Verdict,
    ) -> Result<(), Infallible> {
        let givers =
            verdict.gives.iter().map(|&slot| (estimation.candidates[slot].individual, &trained[slot]));
        self.weights.adopt(estimation.generation, givers);
        Ok(())
    }
}

fn manifest(settings: &[&str]) -> Manifest {
    let mut layers = Layers::built_in();
    layers.add_preset("quick").expect("a preset");
    let mut origins = BTreeMap::new();
    for setting in settings {
        layers.add_assignment(setting).expect("a setting");
    }
    for (key, setting) in layers.settings() {
        if setting.origin != relativenas_core::config::Origin::BuiltIn {
            origins.insert(key.to_owned(), setting.origin.to_string());
        }
    }
    let config = layers.config().expect("valid");
    let split = format!("{:02x}", config.search.seed).repeat(32);
    Manifest {
        format: RUN_FORMAT,
        randomness: RANDOMNESS_VERSION,
        job: Job::Search,
        build: "0.1.0+00000000".to_owned(),
        created: 1_764_000_000_000,
        config,
        origins,
        genotype: None,
        branched_from: None,
        follows: None,
        engine: Some(EngineFacts {
            build: "0.1.0+00000000".to_owned(),
            libtorch: "2.13.0".to_owned(),
            device: "cpu".to_owned(),
            threads: 2,
            validation_batch: 256,
            data: "Fashion-MNIST".to_owned(),
            data_fingerprint: "da".repeat(32),
            protocol_hash: split[..16].to_owned(),
            split_fingerprint: split,
        }),
        latency: None,
    }
}

/// A search to its end; of the given generations, one pair's losses are no numbers.
fn run(name: &str, settings: &[&str], broken: &[u32]) -> Run {
    let manifest = manifest(settings);
    let settings = manifest.config.search_settings(10);
    let shape = manifest.config.search_network(10);
    let streams = Streams::new(settings.seed);
    let mut estimator = FakeEstimator { shape, streams, weights: WeightSet::default() };
    let images = Images { name: "Fashion-MNIST".to_owned(), train: 512, valid: 512, classes: 10 };
    let (mut search, first) = Search::new(settings.clone()).expect("valid settings");
    let mut events = vec![Event::SearchStarted { settings, network: Some(shape), images, batch: 64 }];
    events.extend(first);
    while let Ask::Estimate(estimation) = search.ask() {
        let Ok(found) = estimator.estimate(&estimation, &|_, _| Flow::Go);
        let Estimated { mut estimates, trained } = found.expect("never aborted");
        if broken.contains(&estimation.generation) {
            for estimate in &mut estimates {
                (estimate.loss, estimate.accuracy, estimate.train_loss) = (Loss::NAN, f64::NAN, Loss::NAN);
            }
        }
        let (verdicts, told) = search.tell(&estimates);
        for verdict in &verdicts {
            let Ok(()) = estimator.adopt(&estimation, &trained, verdict);
        }
        events.extend(told);
    }
    let mut view = RunView::default();
    for (seq, event) in (0..).zip(events) {
        view.apply(&Line { seq, time: 1_764_000_000_000 + 1500 * seq as i64, event }).expect("in order");
    }
    Run { name: name.to_owned(), manifest, view, probe: None, judges: None }
}

fn small(name: &str, more: &[&str]) -> Run {
    let mut settings = vec!["search.population=4", "search.generations=3"];
    settings.extend(more);
    run(name, &settings, &[])
}

fn probed(mut run: Run) -> Run {
    run.probe = Some(Probe {
        pairs: 40,
        flips: 11,
        individuals: 8,
        epochs: 3,
        tau: Some(0.43),
        tau_interval: Some((-0.14, 0.79)),
        by_parameters: Agreement { tau: Some(-0.25), interval: Some((-0.6, 0.1)) },
        ..Probe::default()
    });
    run
}

/// Every searcher with three seeds.
fn several() -> Vec<Run> {
    let mut runs = Vec::new();
    for searcher in ["slow-fast", "random", "coin-flip"] {
        for seed in 1..=3 {
            let (searcher_setting, seed_setting) =
                (format!("search.searcher={searcher}"), format!("search.seed={seed}"));
            runs.push(small(&format!("{searcher}-{seed}"), &[&searcher_setting, &seed_setting]));
        }
    }
    runs
}

#[test]
fn a_small_run_in_markdown() {
    let text = markdown(&[probed(small("fashion-quick-1124", &[]))]);
    // The build of this program changes with its sources, and the long table of settings with config.toml.
    let text = text.replace(relativenas_core::manifest::BUILD, "BUILD");
    let (before, _) = text.split_once("### All (").expect("all settings");
    insta::assert_snapshot!(before);
}

#[test]
fn a_probe_of_the_whole_search_says_how_many_there_were_to_draw_from() {
    let mut run = probed(small("fashion-quick-1124", &[]));
    run.probe.as_mut().expect("probed").from = ArchitectureSource::Search { distinct: 743 };
    let text = markdown(&[run]);
    let expected = "| 8 of 743 architectures of the search | 3 epochs | 0.43 | −0.14 to 0.79 | −0.25 | −0.60 to 0.10 | — | — |";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn several_searchers_in_markdown() {
    let text = markdown(&several());
    let (before, _) = text.split_once("\n## Run by run").expect("the runs' own sections");
    let text = before.replace(relativenas_core::manifest::BUILD, "BUILD");
    insta::assert_snapshot!(text);
}

#[test]
fn pages_are_well_formed_and_load_nothing() {
    let broken = run("broken", &["search.population=4", "search.generations=3"], &[0, 1, 2, 3]);
    let mut unfinished = small("unfinished", &[]);
    unfinished.view = RunView::default();
    for runs in [&several()[..], &[small("one", &[])], &[broken, unfinished], &[]] {
        let page = html(runs);
        check_tags(&page);
        let visible = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        for forbidden in ["http:", "https:", "src=", "@import", "url(", "<script", "<link", "NaN", "inf "] {
            assert!(!visible.contains(forbidden), "{forbidden}");
        }
    }
}

#[test]
fn a_name_is_text_wherever_it_stands() {
    let name = "<script>alert(1)</script>`\"'&|*";
    for runs in [vec![small(name, &[])], vec![small(name, &[]), small("other", &["search.seed=2"])]] {
        let page = html(&runs);
        assert!(!page.contains("<script"), "a name became a tag");
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "the name is shown");
        check_tags(&page);
        assert!(!markdown(&runs).contains(" <script"), "a name became a tag");
    }
}

#[test]
fn runs_of_other_protocols_are_never_pooled() {
    let runs = [
        small("a", &[]),
        small("b", &["search.seed=2"]),
        small("c", &["search.seed=3", "training.batch=32"]),
    ];
    let text = markdown(&runs);
    assert!(text.contains("follow 2 protocols; they differ in training.batch."), "{text}");
    assert!(text.contains("| slow-fast · protocol A | 2 | 1, 2 |"), "{text}");
    assert!(text.contains("| slow-fast · protocol B | 1 | 3 |"), "{text}");
}

/// The same run, with an architecture injected after the first pair.
fn injected(mut run: Run) -> Run {
    run.view
        .search
        .as_mut()
        .expect("a search")
        .injections
        .extend([(0, IndividualId(3)), (1, IndividualId(2))]);
    run
}

fn branched(mut run: Run, from: &str) -> Run {
    run.manifest.branched_from = Some(Branch { run: from.to_owned(), generation: 1 });
    run
}

#[test]
fn what_was_done_to_a_single_run_is_said_before_its_figures() {
    let text = markdown(&[injected(branched(small("mine", &[]), "first"))]);
    let (before, _) = text.split_once("Winner's loss").expect("figures");
    let done = "mine was branched from first at generation 1 and injected into twice";
    assert!(
        before.contains(&format!("{done}. Its settings and its seed alone do not repeat it")),
        "{before}"
    );
    let places = "(individual 3 in generation 0 and individual 2 in generation 1)";
    assert!(text.contains(&format!("{done} {places}.")), "{text}");
    assert!(text.contains("they do not repeat mine: architectures were put in by hand"), "{text}");
    assert!(!markdown(&[small("alone", &[])]).contains("injected"), "nothing was done to it");
}

#[test]
fn only_runs_that_were_left_alone_count_and_a_seed_counts_once() {
    let runs = [
        small("a", &[]),
        injected(small("b", &["search.seed=2"])),
        branched(small("c", &["search.seed=3"]), "a"),
        small("d", &[]),
    ];
    let text = markdown(&runs);
    assert!(text.contains("b was injected into twice and c was branched from a at generation 1."), "{text}");
    assert!(text.contains("| slow-fast | 1 | 1 |"), "one run, one seed: {text}");
    assert!(!text.contains("±"), "nothing is averaged: {text}");
    assert!(text.contains("left out of means, ranges and tests: d. A seed counts once."), "{text}");
    let counted =
        "slow-fast with 1 seed; not counted: b (injected into twice) and c (branched from a at generation 1)";
    assert!(text.contains(counted), "{text}");
}

#[test]
fn a_group_of_which_no_run_counts_has_no_mean() {
    let runs = [injected(small("a", &[])), injected(small("b", &["search.seed=2"]))];
    let text = markdown(&runs);
    assert!(text.contains("| slow-fast | 0 | — | — |"), "{text}");
    check_tags(&html(&runs));
}

/// The training of a search's winner, which reached this test accuracy, in per cent.
fn judging(search: &Run, seed: u64, top1: f64) -> Run {
    let mut manifest = search.manifest.clone();
    manifest.job = Job::Train;
    manifest.config.retrain.seed = seed;
    let genotype = search.view.search.as_ref().and_then(|s| s.genotype(s.ranking[0].individual));
    let network = manifest.config.search_network(10);
    let images = Images { name: "Fashion-MNIST".to_owned(), train: 512, valid: 512, classes: 10 };
    let started = Event::TrainingStarted {
        task: Default::default(),
        network,
        genotype: genotype.expect("a winner"),
        epochs: 1,
        images,
        batch: 64,
    };
    let finished = Event::TrainingFinished {
        best_epoch: 0,
        test_loss: Loss(1.0),
        test_top1: top1,
        test_top5: 99.0,
        test_images: 1000,
        part: Default::default(),
    };
    let mut view = RunView::default();
    for (seq, event) in (0..).zip([started, finished]) {
        view.apply(&Line { seq, time: 1_764_000_000_000, event }).expect("in order");
    }
    let name = format!("{}-judged-{seed}", search.name);
    Run { name, manifest, view, probe: None, judges: Some(search.name.clone()) }
}

#[test]
fn winners_are_compared_by_what_they_reach_from_scratch_paired_by_seed() {
    let mut runs = several();
    // Slow-fast is one point better under every seed; its first winner was trained twice.
    let trainings: Vec<_> = runs
        .iter()
        .filter(|run| !run.name.starts_with("coin-flip"))
        .map(|run| {
            let better = f64::from(u8::from(run.name.starts_with("slow-fast")));
            judging(run, 1, 50.0 + run.manifest.config.search.seed as f64 + better)
        })
        .collect();
    let again = judging(&runs[0], 2, 54.0);
    runs.extend(trainings);
    runs.push(again);
    let text = markdown(&runs);
    let (_, from) = text.split_once("## The winners, trained from scratch").expect("the section");
    let (section, _) = from.split_once("\n## ").expect("another section");
    assert!(section.contains("| slow-fast | 3 | 1–3 | 53.33 ± 0.58 | 53.00 – 54.00 |"), "{section}");
    assert!(section.contains("| random | 3 | 1–3 | 52.00 ± 1.00 | 51.00 – 53.00 |"), "{section}");
    assert!(section.contains("| coin-flip | 0 | — | — | — | — |"), "{section}");
    assert!(
        section.contains("| slow-fast against random | 3 | 3 | +1.33 | +2.31 | 0.250 | 0.250 |"),
        "{section}"
    );
    assert!(!section.contains("against coin-flip"), "nothing of it was trained: {section}");
    check_tags(&html(&runs));
    let lines = csv(&runs);
    assert_eq!(lines.lines().count(), 1 + 9, "a search a line: {lines}");
    assert!(
        lines
            .lines()
            .any(|line| line.starts_with("slow-fast-1,slow-fast,1,finished,") && line.contains(",53,")),
        "{lines}"
    );
    assert!(!markdown(&several()).contains("trained from scratch"), "nothing was trained");
}

/// Every tag is closed, in the right order.
fn check_tags(page: &str) {
    const VOID: [&str; 2] = ["meta", "br"];
    let mut open: Vec<&str> = Vec::new();
    let body = page.strip_prefix("<!DOCTYPE html>").expect("a document type");
    for part in body.split('<').skip(1) {
        let tag = part.split('>').next().expect("split has a first part");
        let name = tag.split([' ', '/']).find(|w| !w.is_empty()).unwrap_or_default();
        assert!(part.contains('>'), "an angle bracket that is not escaped: {part}");
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "</{name}> closes something else");
        } else if !VOID.contains(&name) && !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert_eq!(open, Vec::<&str>::new(), "never closed");
}

/// Writes pages to look at: `REPORT_PAGES=folder cargo test --release report_pages -- --ignored`.
#[test]
#[ignore = "writes pages for a person to look at"]
fn report_pages() {
    let folder = env::var("REPORT_PAGES").expect("REPORT_PAGES names a folder");
    let larger = ["search.population=20", "search.generations=30", "network.channels=16", "network.cells=8"];
    let one = probed(run("cifar10-paper-1124", &larger, &[11]));
    fs::write(format!("{folder}/one.html"), html(std::slice::from_ref(&one))).expect("written");
    fs::write(format!("{folder}/one.md"), markdown(&[one])).expect("written");
    let mut runs = Vec::new();
    for searcher in ["slow-fast", "random", "coin-flip", "regularized-evolution"] {
        for seed in 1..=5 {
            let (searcher_setting, seed_setting) =
                (format!("search.searcher={searcher}"), format!("search.seed={seed}"));
            let settings = [&larger[..], &[&searcher_setting, &seed_setting]].concat();
            runs.push(run(&format!("{searcher}-{seed}"), &settings, &[]));
        }
    }
    fs::write(format!("{folder}/several.html"), html(&runs)).expect("written");
    fs::write(format!("{folder}/several.md"), markdown(&runs)).expect("written");
}

#[test]
fn latencies_stand_in_the_ranking_with_how_far_off_they_are() {
    let mut limited = run("limited", &["search.max_latency=0.1"], &[]);
    let text = markdown(std::slice::from_ref(&limited));
    assert!(!text.contains("Latency (ms)"), "nothing is known without a table");
    let shape = limited.manifest.config.search_network(10);
    let entry =
        |spot| Operation::SEARCHED.map(|operation| OperationLatency { operation, spot, nanoseconds: 5000 });
    let table = LatencyTable {
        device: "cpu, 2 threads".to_owned(),
        batch: 64,
        remainder: 10_000,
        calibration: vec![Calibration { summed: 94, measured: 100 }],
        operations: Spot::all(&shape).into_iter().flat_map(entry).collect(),
    };
    let search = limited.view.search.as_mut().expect("a search");
    search.settings.limits.latencies = Some(table.into());
    let text = markdown(std::slice::from_ref(&limited));
    // Five cells of eight genes, and the remainder.
    let row = text.lines().find(|line| line.starts_with("| 1 |") && line.contains("| 0.210 |"));
    assert!(row.is_some_and(|row| row.ends_with("| 110.0 % |")), "{text}");
    let note = "Latencies are sums over a table of operations, measured on cpu, 2 threads for a batch of 64; its sums \
                differ by 6.0 % in the mean from networks that were measured whole (1). At most 0.1 ms were allowed.";
    assert!(text.contains(note), "{text}");
    check_tags(&html(&[limited]));
}

#[test]
fn finals_of_several_seeds_show_means_and_their_spread() {
    let runs = tempfile::tempdir().expect("a folder");
    let folder = crate::fixture::run(runs.path(), "r");
    crate::fixture::write_log(&folder, &crate::fixture::log_with_finals_of(3));
    let (manifest, view) = (folder.manifest().expect("readable"), folder.view().expect("readable"));
    let run = Run { name: "r".to_owned(), manifest, view, probe: None, judges: None };
    let text = markdown(std::slice::from_ref(&run));
    let (_, from) = text.split_once("\n## Finals\n").expect("the section");
    let (section, _) = from.split_once("\n## ").expect("another section");
    assert!(section.contains("Each was trained with 3 seeds in a round"), "{section}");
    let wins = section.lines().find(|line| line.ends_with("| wins |")).expect("a winner");
    // Nine epochs; its seeds are 0.02 apart in each.
    assert!(wins.contains("| 5.6700 | 0.6800 | 60.00 % | 0.1800 |"), "{wins}");
    check_tags(&html(&[run]));
}

#[test]
fn finals_have_a_bracket_and_their_winner_is_that_of_the_page() {
    let runs = tempfile::tempdir().expect("a folder");
    let folder = crate::fixture::run(runs.path(), "r");
    crate::fixture::write_log(&folder, &crate::fixture::log_with_finals());
    let (manifest, view) = (folder.manifest().expect("readable"), folder.view().expect("readable"));
    let winner = view.search.as_ref().and_then(|search| search.winner()).expect("finished");
    let run = Run { name: "r".to_owned(), manifest, view, probe: None, judges: None };
    let text = markdown(std::slice::from_ref(&run));
    let (_, from) = text.split_once("\n## Finals\n").expect("the section");
    let (section, rest) = from.split_once("\n## ").expect("another section");
    assert!(rest.starts_with("Final ranking"), "{rest}");
    assert!(section.contains("4 architectures of the search were trained from scratch"), "{section}");
    assert!(section.contains("1,920 training images and 384 validation images, 150.00 % of"), "{section}");
    let rows: Vec<_> =
        section.lines().filter(|line| line.starts_with("| 1 |") || line.starts_with("| 2 |")).collect();
    let ends: Vec<_> =
        rows.iter().map(|row| row.trim_end_matches(" |").rsplit("| ").next().expect("a cell")).collect();
    assert_eq!(ends, ["goes on", "goes on", "out", "out", "wins", "out"], "{section}");
    let called = format!(
        "Individual {}, as it was in generation {}; it won the finals.",
        winner.individual, winner.generation
    );
    assert!(text.contains(&called), "{text}");
    assert!(text.contains(&format!("{:.4} | validation, after the finals", winner.loss)), "{text}");
    check_tags(&html(&[run]));
}
