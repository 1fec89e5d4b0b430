//! What a run ended with: the ranking and the winner's cells, or a trained network.

use relativenas_core::{
    cost::cost,
    describe::describe,
    genotype::{Genotype, GenotypeFormat},
    lint::lint,
    network::NetworkShape,
    population::IndividualId,
    space::Space,
    tasks::Task,
    view::{SearchView, TrainingView, Winner, WinnerSource},
};

use super::{
    Run,
    document::{Block, Chart, Curve, Figure, Ink, Point, Section, Table, number, words},
    figures::{UNKNOWN, fixed, loss, millions, or_unknown, percent},
    finals,
    study::Study,
    weights,
};
use crate::written::thousands;

/// The result of a single run.
pub fn of_one(run: &Run) -> Vec<Section> {
    let Some(search) = &run.view.search else {
        return Vec::new();
    };
    let mut sections = vec![Section::new("The winner", winner_blocks(run, search))];
    let finals = finals::blocks(search);
    if !finals.is_empty() {
        sections.push(Section::new("Finals", finals));
    }
    sections.push(Section::new("Final ranking", ranking_blocks(search)));
    sections
}

/// The results of several runs, each in a folded part.
pub fn of_each(study: &Study) -> Section {
    let part = |run: &Run| {
        let search = run.view.search.as_ref()?;
        let mut blocks = winner_blocks(run, search);
        let finals = finals::blocks(search);
        if !finals.is_empty() {
            blocks.push(Block::Heading("Finals".to_owned()));
            blocks.extend(finals);
        }
        blocks.push(Block::Heading("Final ranking".to_owned()));
        blocks.extend(ranking_blocks(search));
        blocks.push(Block::Heading("Pairs and weight set".to_owned()));
        blocks.extend(weights::blocks(search));
        Some(Block::Folded(run.name.clone(), blocks))
    };
    let parts: Vec<_> = study.searches().filter_map(part).collect();
    let text = "The winner of every run, its final ranking, and how its weight set was shared.";
    Section::new("Run by run", std::iter::once(Block::Text(text.to_owned())).chain(parts).collect())
}

/// The leading individual with its vector: the winner, or, until there is one, the individual with the lowest
/// last loss.
fn leader(search: &SearchView) -> Option<(IndividualId, &[f64])> {
    let (first, position) = search.placed().first().copied()?;
    let known = !search.ranking.is_empty() || search.individual(first)?.learner.is_some();
    known.then_some((first, position))
}

/// A heading for the leading individual; if finals found it, it may have left the population long ago.
fn called(search: &SearchView, leader: IndividualId) -> String {
    match search.winner() {
        Some(Winner { source: WinnerSource::Finals, generation, .. }) => {
            format!("Individual {leader}, as it was in generation {generation}; it won the finals.")
        }
        Some(Winner { source: WinnerSource::Search, .. }) => {
            format!("Individual {leader}, by the rule of its searcher.")
        }
        _ => format!("Individual {leader}."),
    }
}

fn winner_blocks(run: &Run, search: &SearchView) -> Vec<Block> {
    let Some((leader, position)) = leader(search) else {
        return vec![Block::Text("No individual has been estimated yet.".to_owned())];
    };
    let mut blocks = Vec::new();
    if search.ranking.is_empty() {
        blocks.push(Block::Note(format!(
            "The run is not finished. Individual {leader} leads by its last loss; the final ranking may differ."
        )));
    }
    let genotype = Genotype::decode(position).ok().filter(|_| search.settings.space == Space::Cells);
    let Some(genotype) = genotype else {
        blocks.extend(vector_blocks(search, leader));
        return blocks;
    };
    blocks.push(Block::Text(format!("{} {}", called(search, leader), describe(&genotype))));
    blocks.push(Block::Cells(genotype.clone()));
    blocks.push(Block::Heading("Cost".to_owned()));
    blocks.push(costs(run, search, &genotype));
    blocks.push(Block::Heading("Unusual about it".to_owned()));
    let findings: Vec<_> = lint(&genotype).iter().map(ToString::to_string).collect();
    blocks.push(if findings.is_empty() { Block::Text("Nothing.".to_owned()) } else { Block::List(findings) });
    blocks.push(Block::Heading("Genotype".to_owned()));
    blocks.push(Block::Code(genotype.format(GenotypeFormat::Darts).trim_end().to_owned()));
    blocks
}

/// An architecture of a space without genotypes: an operation for every edge.
fn vector_blocks(search: &SearchView, leader: IndividualId) -> Vec<Block> {
    let space = search.settings.space;
    let decoded = search.individual(leader).and_then(|i| space.decode(&i.position).ok());
    let Some(decoded) = decoded.filter(|_| space == Space::NasBench201) else {
        return vec![Block::Text(format!("Individual {leader}; its vector does not decode."))];
    };
    let rows = space
        .gene_indices()
        .zip(&decoded)
        .map(|(gene, &index)| vec![space.role(gene).to_string(), space.label(gene, index)])
        .collect();
    vec![
        Block::Text(format!("Individual {leader} of the NAS-Bench-201 space.")),
        Table::block(&[words("Edge"), words("Operation")], rows),
    ]
}

fn costs(run: &Run, search: &SearchView, genotype: &Genotype) -> Block {
    let retrain = &run.manifest.config.retrain;
    let full = NetworkShape {
        kind: retrain.kind,
        channels: retrain.channels,
        cells: retrain.cells,
        classes: search.images.classes,
    };
    let networks = [("search network", search.network), ("full network", Some(full))];
    let rows = networks
        .into_iter()
        .filter_map(|(name, shape)| Some((name, shape.filter(|s| s.check().is_ok())?)))
        .map(|(name, shape)| {
            let cost = cost(genotype, &shape);
            vec![
                name.to_owned(),
                shape.channels.to_string(),
                shape.cells.to_string(),
                shape.classes.to_string(),
                thousands(cost.parameters),
                millions(cost.multiply_adds),
                thousands(cost.auxiliary_parameters),
            ]
        })
        .collect();
    let columns = [
        words("Network"),
        number("Channels"),
        number("Cells"),
        number("Classes"),
        number("Parameters"),
        number("Multiply-adds"),
        number("Auxiliary head"),
    ];
    Table::block(&columns, rows)
}

fn ranking_blocks(search: &SearchView) -> Vec<Block> {
    if search.ranking.is_empty() {
        return vec![Block::Text("There is none before the run is finished.".to_owned())];
    }
    let limits = &search.settings.limits;
    let limited = limits.is_bounded();
    let mut columns = vec![
        number("Rank"),
        number("Individual"),
        number("Loss"),
        number("Accuracy"),
        number("Before the ranking"),
        number("Parameters"),
        number("Multiply-adds"),
        number("Times slow"),
    ];
    if limits.latencies.is_some() {
        columns.push(number("Latency (ms)"));
    }
    if limited {
        columns.push(number("Beyond limits"));
    }
    let row = |ranked: &relativenas_core::event::RankedIndividual| {
        let individual = search.individual(ranked.individual);
        let learner = individual.and_then(|i| i.learner.as_ref());
        let network = search.network.filter(|n| n.check().is_ok());
        let cost = network.zip(search.genotype(ranked.individual)).map(|(n, g)| cost(&g, &n));
        let mut row = vec![
            ranked.rank.to_string(),
            ranked.individual.to_string(),
            loss(ranked.loss.0),
            percent(ranked.accuracy),
            or_unknown(learner, |l| loss(l.estimate.loss.0)),
            or_unknown(cost.as_ref(), |c| thousands(c.parameters)),
            or_unknown(cost.as_ref(), |c| millions(c.multiply_adds)),
            or_unknown(individual, |i| i.lessons.len().to_string()),
        ];
        if limits.latencies.is_some() {
            let latency = search.genotype(ranked.individual).and_then(|genotype| limits.latency(&genotype));
            row.push(or_unknown(latency, |milliseconds| fixed(milliseconds, 3)));
        }
        if limited {
            let violation = individual.map(|i| limits.violation(search.settings.space, &i.position));
            row.push(match violation {
                Some(excess) if excess > 0.0 => format!("{:.1} %", 100.0 * excess),
                _ => UNKNOWN.to_owned(),
            });
        }
        row
    };
    let rows = search.ranking.iter().map(row).collect();
    let text = "Every member of the last population inherited the final weights, trained one more epoch and was \
                validated. The validation images are those that the search chose by all along, so these figures are \
                optimistic; no test image was looked at.";
    let mut blocks = vec![Block::Text(text.to_owned()), Table::block(&columns, rows)];
    if let Some(table) = &limits.latencies {
        blocks.push(Block::Note(format!(
            "Latencies are sums over a table of operations, {}. At most {} ms were allowed.",
            table.words(),
            limits.max_latency
        )));
    }
    blocks
}

/// Full networks that were trained, if there are any among the runs.
pub fn retraining(study: &Study) -> Vec<Section> {
    let trained = study.trainings().filter_map(|run| Some((run, run.view.training.as_ref()?)));
    trained.map(|(run, training)| training_section(run, training)).collect()
}

fn training_section(run: &Run, training: &TrainingView) -> Section {
    let figure =
        |label: &str, value: String, detail: String| Figure { label: label.to_owned(), value, detail };
    let test = training.test.as_ref();
    let best = training.best_epoch.and_then(|e| training.history.iter().find(|h| h.epoch == e));
    let mut figures = vec![
        figure(
            &match training.task {
                Task::Classification => "Test accuracy".to_owned(),
                task => format!("{}, {}", task.metric_name(), test.map_or("test", |t| t.part.name())),
            },
            or_unknown(test, |t| percent(t.top1)),
            or_unknown(test, |t| format!("{} images, looked at once", thousands(t.images as u64))),
        ),
        figure("Test loss", or_unknown(test, |t| loss(t.loss.0)), "at the best epoch".to_owned()),
        figure(
            "Best epoch",
            or_unknown(training.best_epoch, |e| e.to_string()),
            format!("of {}; validation {}", training.epochs, or_unknown(best, |b| percent(b.valid_accuracy))),
        ),
    ];
    if training.task.is_classification() {
        let five = figure("Among the first five", or_unknown(test, |t| percent(t.top5)), "test".to_owned());
        figures.insert(1, five);
    }
    let shape = training.network;
    let mut blocks = vec![
        Block::Figures(figures),
        Block::Text(format!(
            "{} channels, {} cells, seed {}. {}",
            shape.channels,
            shape.cells,
            run.manifest.config.retrain.seed,
            describe(&training.genotype)
        )),
        Block::Cells(training.genotype.clone()),
    ];
    if !training.history.is_empty() {
        blocks.push(Block::Charts(training_charts(training)));
    }
    Section::new(format!("Retraining {}", run.name), blocks)
}

fn training_charts(training: &TrainingView) -> Vec<Chart> {
    let curve = |name: &str, ink, value: fn(&relativenas_core::view::EpochSummary) -> f64| Curve {
        name: name.to_owned(),
        ink,
        points: training
            .history
            .iter()
            .map(|h| Point { x: f64::from(h.epoch), y: value(h), range: None })
            .collect(),
    };
    let chart = |title, unit, bounds, curves| Chart { title, over: "epoch", unit, bounds, curves };
    let mut curves = vec![curve("validation", Ink::Blue, |h| h.valid_accuracy)];
    let metric = match training.task {
        Task::Classification => {
            curves.insert(0, curve("training", Ink::Gray, |h| h.train_accuracy));
            "Accuracy"
        }
        task => task.metric_name(),
    };
    vec![
        chart(
            "Loss",
            "",
            (f64::NEG_INFINITY, f64::INFINITY),
            vec![
                curve("training", Ink::Gray, |h| h.train_loss.0),
                curve("validation", Ink::Blue, |h| h.valid_loss.0),
            ],
        ),
        chart(metric, " %", (0.0, 100.0), curves),
    ]
}
