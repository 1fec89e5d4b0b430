//! A population as points and trails, and the legend of both.

use ratatui::{style::Style, text::Line};
use relativenas_core::{
    population::IndividualId,
    view::{Comparison, MapMove, MapView, SearchView},
};

use crate::{
    canvas::{Canvas, Look, span},
    draw::plane::{Ink, Spot, Trail},
    words::individual,
};

/// What is drawn of a search.
pub(super) struct Picture<'a> {
    pub search: &'a SearchView,
    /// The map whose axes are used: its own, or that of the search it is compared with.
    pub axes: &'a MapView,
    pub selected: Option<IndividualId>,
    /// Individuals that are trained at this moment.
    pub trained: &'a [IndividualId],
    /// Whether every individual is labelled, where there is room.
    pub named: bool,
    /// For how many generations a movement stays visible.
    pub memory: u32,
}

impl Picture<'_> {
    /// Lessons, the oldest first, and what the selected individual learns from.
    pub fn trails(&self, look: &Look) -> Vec<Trail> {
        let mut trails: Vec<_> =
            self.search.map.lessons().filter_map(|lesson| self.trail(lesson, look)).collect();
        trails.extend(self.links(look));
        trails
    }

    fn trail(&self, lesson: &MapMove, look: &Look) -> Option<Trail> {
        let palette = &look.palette;
        let age = self.search.generation.saturating_sub(lesson.generation.saturating_add(1));
        let (style, ink) = match age {
            0 => (palette.slow, Ink::Arrow),
            1 => (palette.dim, Ink::Thin),
            2 => (palette.rule, Ink::Thin),
            _ => (palette.rule, Ink::Faint),
        };
        if age >= self.memory {
            return None;
        }
        let chosen = self.selected == Some(lesson.slow);
        let (style, ink) = if chosen && age > 0 { (palette.slow, Ink::Full) } else { (style, ink) };
        let (from, to) = (self.axes.place(&lesson.from)?, self.axes.place(&lesson.to)?);
        Some(Trail { from, to, style, ink })
    }

    /// Links between the selected individual and those that it learned from, or that learned from it. Where
    /// the pair was compared but nothing has moved yet, the link shows where the slow learner will move.
    fn links(&self, look: &Look) -> Vec<Trail> {
        let Some(selected) = self.selected else { return Vec::new() };
        let verdicts = latest(self.search);
        let pairs = verdicts.filter_map(|comparison| Some((comparison.slow?, comparison.fast?)));
        let own = pairs.filter(|(slow, fast)| [*slow, *fast].contains(&selected));
        own.filter_map(|(slow, fast)| {
            let place = |number: IndividualId| self.axes.place(&self.search.individual(number)?.position);
            let (from, to) = (place(slow)?, place(fast)?);
            Some(Trail { from, to, style: look.palette.fast, ink: Ink::Link })
        })
        .collect()
    }

    /// All individuals, the most important last.
    pub fn spots(&self, look: &Look) -> Vec<Spot> {
        let palette = &look.palette;
        let [fast_mark, slow_mark, best_mark, ..] = look.glyphs.marks;
        let (fast, slow) = roles(self.search);
        let mut spots: Vec<(u8, Spot)> = Vec::new();
        for (number, place) in self.search.individuals() {
            let Some(at) = self.axes.place(&place.position) else { continue };
            let selected = self.selected == Some(number);
            let (glyph, style, importance) = match () {
                () if self.trained.contains(&number) => (look.glyphs.working, palette.strong, 3),
                () if fast.contains(&number) => (fast_mark, palette.fast, 2),
                () if slow.contains(&number) => (slow_mark, palette.slow, 1),
                () => (look.glyphs.never, palette.text, 0),
            };
            let (name, name_style) = match (selected, self.named) {
                (true, _) => (format!(" {} ", individual(self.search, number)), palette.selected),
                (false, true) => (individual(self.search, number), palette.dim),
                (false, false) => (String::new(), Style::new()),
            };
            let importance = if selected { 9 } else { importance };
            spots.push((importance, Spot { at, glyph, style, name, name_style, insists: selected }));
        }
        let best = self.search.leader();
        if let Some((number, at)) = best.and_then(|b| Some((b.individual, self.axes.place(b.position)?))) {
            // It stays where it was when it was the best; its individual may have moved on.
            let taken = spots.iter().position(|(_, spot)| spot.at == at);
            let selected = taken.is_some() && self.selected == Some(number);
            if let Some(taken) = taken {
                spots.remove(taken);
            }
            let name_style = if selected { palette.selected } else { palette.best };
            let name = individual(self.search, number);
            let name = if selected { format!(" {name} ") } else { name };
            let spot = Spot { at, glyph: best_mark, style: palette.best, name, name_style, insists: true };
            spots.push((8, spot));
        }
        spots.sort_by_key(|(importance, _)| *importance);
        spots.into_iter().map(|(_, spot)| spot).collect()
    }
}

/// The newest comparison of every individual: of this generation, or of the one before if it was not compared
/// yet in this one.
fn latest(search: &SearchView) -> impl Iterator<Item = &Comparison> {
    let has = |comparison: &Comparison, other: &Comparison| {
        comparison.learners.iter().any(|l| other.learners.iter().any(|o| o.individual == l.individual))
    };
    let before = search.compared_before.iter();
    let before = before.filter(move |old| !search.compared.iter().any(|new| has(old, new)));
    before.chain(&search.compared)
}

/// Fast and slow learners by the newest verdict on each of them.
fn roles(search: &SearchView) -> (Vec<IndividualId>, Vec<IndividualId>) {
    let (mut fast, mut slow) = (Vec::new(), Vec::new());
    for comparison in search.compared_before.iter().chain(&search.compared) {
        let among = |number: &IndividualId| comparison.learners.iter().any(|l| l.individual == *number);
        fast.retain(|number| !among(number));
        slow.retain(|number| !among(number));
        fast.extend(comparison.fast);
        slow.extend(comparison.slow);
    }
    (fast, slow)
}

/// Draws the legend of the marks, as much of it as fits.
pub(super) fn legend(canvas: &mut Canvas<'_>, search: &SearchView, trains: bool) {
    let look = canvas.look;
    let palette = &look.palette;
    let [fast, slow, best, ..] = look.glyphs.marks;
    let arrow = if look.glyphs.is_ascii() { "..-->" } else { "⠠⠤⠤▸" };
    let best_words = if search.ranking.is_empty() { "best so far" } else { "winner" };
    let mut words = vec![
        (slow.to_string(), palette.slow, "slow"),
        (fast.to_string(), palette.fast, "fast"),
        (best.to_string(), palette.best, best_words),
    ];
    if search.map.lessons().next().is_some() {
        words.push((arrow.to_owned(), palette.slow, "lessons, older ones fade"));
    }
    if trains {
        words.push((look.glyphs.working.to_string(), palette.strong, "training"));
    }
    let mut line = Line::default();
    for (mark, style, word) in words {
        let gap = if line.spans.is_empty() { "" } else { "   " };
        let more = [span(gap, palette.dim), span(mark, style), span(format!(" {word}"), palette.dim)];
        if line.width() + Line::from(more.to_vec()).width() + 2 > canvas.width() {
            break;
        }
        line.spans.extend(more);
    }
    canvas.line(1, 0, &line);
}
