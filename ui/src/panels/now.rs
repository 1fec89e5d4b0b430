//! What the run is doing now: which individuals are being trained, or why none is.

use relativenas_core::{
    population::IndividualId,
    protocol::{BatchProgress, Mode, Progress},
    view::Phase,
};

use crate::{
    actions::Action,
    canvas::{Canvas, span},
    draw::{bars, text},
    layout::Layout,
    messages::{GpuLoad, Link, Load, MemoryOwner},
    scene::Scene,
    shown::{RunStatus, Shown},
    words::{individual, loss},
};

/// How many rows the panel wants: two, and up to `most` if more networks are trained at once or the last lines of a
/// dead engine are shown.
pub fn rows(shown: &Shown, most: usize) -> usize {
    let wanted = match &shown.link {
        Link::Dead { last_words, .. } => last_words.len() + 2,
        // As long as the search goes on, so that nothing jumps between pairs.
        _ => shown
            .search()
            .map_or(2, |search| search.settings.pairs_at_once.saturating_mul(2).min(search.population.len())),
    };
    wanted.clamp(2, most.max(2))
}

pub fn draw(canvas: &mut Canvas<'_>, scene: &Scene<'_>, shown: &Shown) {
    let indent = if canvas.width() >= Layout::TWO_COLUMNS { 8 } else { 1 };
    if indent > 1 {
        canvas.heading(1, 0, "NOW");
    }
    let (width, height) = (canvas.width().saturating_sub(indent + 1), canvas.height());
    let mut inside = canvas.part(indent, 0, width, height);
    match &shown.progress {
        Some(progress) if progress.activity.networks().next().is_some() => {
            networks(&mut inside, shown, progress);
        }
        progress => words(&mut inside, scene, shown, progress.as_ref()),
    }
}

/// The most columns of a progress bar: enough to see it move, and few bytes on a slow link.
const LONGEST_BAR: usize = 36;

/// Columns of the speed of training, and of the engine's load.
const SPEED: usize = 13;

/// A line for each network in training or in evaluation.
fn networks(canvas: &mut Canvas<'_>, shown: &Shown, progress: &Progress) {
    let count = progress.activity.networks().count();
    // Where there is room for it, what the engine takes of its GPU stands beside processor and memory.
    let has_gpu = shown.load.is_some_and(|load| load.gpu.is_some());
    let both = has_gpu && count > 1 && canvas.width() >= Layout::LONG_LABELS;
    let columns = if both { 2 * SPEED + 2 } else { SPEED };
    for (row, network) in progress.activity.networks().enumerate().take(canvas.height()) {
        // The second row has room where the first says how fast both are.
        let speed = match (row, shown.load) {
            (0, _) => speed(progress.images_per_second),
            (1, Some(Load { gpu: Some(gpu), .. })) if columns == SPEED => gpu_words_alone(gpu),
            (1, Some(load @ Load { gpu: Some(gpu), .. })) => {
                format!("{}  {:>SPEED$}", load_words(load), gpu_words_alone(gpu))
            }
            (1, Some(load)) => load_words(load),
            _ => String::new(),
        };
        network_line(canvas, row, network, shown, (&speed, columns));
    }
    // A training has one network and thus a row to spare.
    if let (1, Some(load)) = (count, shown.load) {
        let dim = canvas.look.palette.dim;
        let gpu = load.gpu.map_or_else(String::new, |gpu| {
            let whose = match gpu.owner {
                MemoryOwner::Engine => "",
                MemoryOwner::Device => " of all processes",
            };
            format!("   {}{whose}", gpu_words(gpu))
        });
        let words = format!("engine: processor and memory {}{gpu}", load_words(load));
        canvas.text(0, 1, &words, dim);
    }
}

/// Images per second, in at most 13 columns.
fn speed(images_per_second: f64) -> String {
    if !images_per_second.is_finite() || images_per_second <= 0.0 {
        return String::new();
    }
    format!("{} img/s", text::grouped(images_per_second.round() as u64))
}

/// The engine's load of processor and memory, in at most 13 columns.
fn load_words(load: Load) -> String {
    format!("{}% {}", load.cpu, memory(load.memory))
}

/// How busy the engine's GPU is, and how much of its memory is in use, in at most 13 columns.
fn gpu_words(gpu: GpuLoad) -> String {
    format!("gpu {}% {}", gpu.busy, memory(gpu.memory))
}

/// The load of the GPU where there is no room to say whose memory it is; the memory of all processes is left out.
fn gpu_words_alone(gpu: GpuLoad) -> String {
    match gpu.owner {
        MemoryOwner::Engine => gpu_words(gpu),
        MemoryOwner::Device => format!("gpu {}%", gpu.busy),
    }
}

/// Memory in multiples of 10 MB, in at most four columns below 1 TB.
fn memory(tens: u64) -> String {
    match tens {
        0..100 => format!("{}M", tens * 10),
        100..995 => format!("{:.1}G", tens as f64 / 100.0),
        _ => format!("{:.0}G", tens as f64 / 100.0),
    }
}

fn network_line(
    canvas: &mut Canvas<'_>,
    y: usize,
    (member, progress): (Option<IndividualId>, &BatchProgress),
    shown: &Shown,
    (speed, speed_columns): (&str, usize),
) {
    let palette = &canvas.look.palette;
    let (text_style, dim, strong) = (palette.text, palette.dim, palette.strong);
    let (bar, rest) = (palette.fast, palette.rule);
    let glyphs = canvas.look.glyphs;
    let width = canvas.width();
    let wide = width >= Layout::LONG_LABELS;
    let (label, name) = match (shown.search(), member) {
        (Some(search), Some(member)) => {
            let label = if search.is_warming_up() { "network " } else { "individual " };
            (if wide { label } else { "" }, individual(search, member))
        }
        _ => ("", "network".to_owned()),
    };
    let mut x = canvas.text(0, y, label, dim);
    x = canvas.text(x, y, &name, strong) + 2;
    let in_table = shown.search().is_some_and(|search| search.network.is_none());
    let stage = match (progress.validating, width) {
        (_, width) if width < Layout::STAGE => "",
        _ if in_table => "looks up",
        (true, _) => "valid",
        (false, _) => "train",
    };
    let batches = if in_table { String::new() } else { text::out_of(progress.batch, progress.batches) };
    let loss_text = progress.loss.map_or_else(|| format!("{:>6}", glyphs.never), loss);
    // Loss, speed and batches are placed from the right; the bar takes the remaining columns.
    let mut end = width;
    let mut put = |canvas: &mut Canvas<'_>, columns: usize, content: &[(&str, ratatui::style::Style)]| {
        let line = content.iter().map(|(t, s)| span(*t, *s)).collect();
        canvas.line_right(end, y, &line);
        end = end.saturating_sub(columns);
    };
    let loss_label = if width >= Layout::SPEED { "loss " } else { "" };
    put(canvas, loss_label.len() + 6 + 3, &[(loss_label, dim), (&loss_text, text_style)]);
    if width >= Layout::SPEED {
        put(canvas, speed_columns + 2, &[(speed, text_style)]);
    }
    let label = if wide && !in_table { "batch " } else { "" };
    put(canvas, label.len() + batches.len() + 1, &[(label, dim), (&batches, text_style)]);
    if !stage.is_empty() {
        put(canvas, stage.len() + 2, &[(stage, dim)]);
    }
    let fraction = progress.batch as f64 / progress.batches.max(1) as f64;
    let columns = end.saturating_sub(x + 1).min(LONGEST_BAR);
    canvas.line(x, y, &bars::progress(fraction, columns, &glyphs, bar, rest));
}

/// Says why nothing is trained now, and what can be done.
fn words(canvas: &mut Canvas<'_>, scene: &Scene<'_>, shown: &Shown, progress: Option<&Progress>) {
    let palette = &canvas.look.palette;
    let (text_style, dim, strong, warning) = (palette.text, palette.dim, palette.strong, palette.warning);
    let width = canvas.width();
    let glyphs = canvas.look.glyphs;
    let say = |canvas: &mut Canvas<'_>, y: usize, words: &str, style| {
        canvas.text(0, y, &text::truncate(words, width, &glyphs), style);
    };
    if let Some(broken) = &shown.broken {
        say(canvas, 0, &format!("the log cannot be followed: {broken}"), warning);
        say(canvas, 1, "open the run again to read it from its file", dim);
        return;
    }
    if shown.moment.is_some() {
        say(canvas, 0, "this is the past: nothing is trained here", text_style);
        let key = |action| scene.key(action);
        let (now, play) = (key(Action::Back), key(Action::Replay));
        let [back, forth] = [Action::EarlierGeneration, Action::LaterGeneration].map(key);
        let [pair_back, pair_forth] = [Action::EarlierPair, Action::LaterPair].map(key);
        let words = format!(
            "{back} and {forth} go by generation, {pair_back} and {pair_forth} by pair, {play} plays, {now} returns"
        );
        say(canvas, 1, &words, dim);
        return;
    }
    match (&shown.link, shown.status()) {
        (_, RunStatus::Finished) => finished(canvas, scene, shown),
        (Link::Connecting, _) => {
            say(
                canvas,
                0,
                &format!("reading the log: {} events", text::grouped(shown.view.events)),
                text_style,
            );
            say(canvas, 1, "still looking for the run's engine", dim);
        }
        (Link::Dead { last_words, resume }, _) => {
            say(canvas, 0, "the engine died before the run was finished", warning);
            let rows = canvas.height().saturating_sub(2);
            let first = last_words.len().saturating_sub(rows);
            for (row, line) in last_words[first..].iter().enumerate() {
                let line = text::truncate(line, width.saturating_sub(2), &glyphs).into_owned();
                canvas.text(2, 1 + row, &line, dim);
            }
            let y = canvas.height().saturating_sub(1);
            let x = canvas.text(0, y, "go on with  ", dim);
            canvas.text(x, y, resume, strong);
        }
        (Link::NoEngine, _) => {
            say(canvas, 0, "no engine runs; the run can be resumed", text_style);
            let key = scene.key(Action::ResumeShown);
            let x = canvas.text(0, 1, &key, strong);
            canvas.text(x + 1, 1, "goes on where it stopped, as it was", dim);
        }
        (Link::WatchOnly { why, .. }, _) => say(canvas, 0, why, warning),
        (Link::Live(_), _) => {
            let key = |action| scene.key(action);
            let (one, many) = if shown.is_training() { ("an epoch", "epochs") } else { ("a pair", "pairs") };
            let words = match (progress.map(|p| p.mode), shown.view.phase()) {
                (Some(Mode::Paused), Phase::Finals) => {
                    format!("paused between trainings of the finals; {} goes on", key(Action::Pause))
                }
                (_, Phase::Finals) => "between trainings of the finals".to_owned(),
                (Some(Mode::Paused), _) => format!(
                    "paused between {many}; {} goes on, {} steps {one}",
                    key(Action::Pause),
                    key(Action::StepPair)
                ),
                (_, Phase::Empty) => "the engine starts: libtorch and data are loaded".to_owned(),
                _ => format!("between {many}"),
            };
            say(canvas, 0, &words, text_style);
        }
    }
}

fn finished(canvas: &mut Canvas<'_>, scene: &Scene<'_>, shown: &Shown) {
    let palette = &canvas.look.palette;
    let (dim, best, text_style) = (palette.dim, palette.best, palette.text);
    if let Some(search) = shown.search()
        && let Some(winner) = search.winner()
    {
        let name = individual(search, winner.individual);
        let begin = if canvas.width() < Layout::SPEED { "done: " } else { "the search is done: individual " };
        let mut x = canvas.text(0, 0, begin, text_style);
        x = canvas.text(x, 0, &name, best);
        let words = format!(" wins with loss {}, {:.1} %", loss(winner.loss).trim_start(), winner.accuracy);
        canvas.text(x, 0, &words, text_style);
        let key = |action| scene.key(action);
        let export = key(Action::Export);
        let words = match search.network {
            None => format!("{export} exports it"),
            Some(_) => format!(
                "{export} exports it, {} probes the comparison, {} trains it in full",
                key(Action::Probe),
                key(Action::Train)
            ),
        };
        canvas.text(0, 1, &words, dim);
    }
    if let Some(training) = &shown.view.training
        && let (Some(test), Some(reached)) = (training.test, training.result(text::grouped))
    {
        canvas.text(0, 0, &format!("the training is done: {reached}"), best);
        let loss = format!("loss {}", loss(test.loss).trim_start());
        let words = if test.top5.is_nan() { loss } else { format!("top-5 {:.2} %, {loss}", test.top5) };
        let x = canvas.text(0, 1, &words, dim);
        let again = match (&shown.working, shown.evaluated) {
            (Some(words), _) => format!("   {} {words}", canvas.look.glyphs.working),
            (None, Some(found)) => {
                let images = text::grouped(found.images as u64);
                format!(
                    "   evaluated: top-1 {:.2} %, top-5 {:.2} % of {images} images",
                    found.top1, found.top5
                )
            }
            (None, None) => {
                let key = |action| scene.key(action);
                format!("   {} evaluates it, {} trains it again", key(Action::Evaluate), key(Action::Train))
            }
        };
        let style = if shown.working.is_none() && shown.evaluated.is_some() { best } else { dim };
        let again =
            text::truncate(&again, canvas.width().saturating_sub(x), &canvas.look.glyphs).into_owned();
        canvas.text(x, 1, &again, style);
    }
}
