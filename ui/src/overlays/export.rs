//! Chooses what is exported, and in which format.

use crossterm::event::{KeyCode, KeyEvent};
use relativenas_core::{population::IndividualId, view::SearchView};

use super::{reaction::Reaction, window::window};
use crate::{
    canvas::Canvas,
    draw::text,
    messages::{ExportFormat, Exported, Request},
    state::State,
    words,
};

const FORMATS: [(ExportFormat, &str, &str); 7] = [
    (ExportFormat::Darts, "darts", "the Python text that programs of DARTS read"),
    (ExportFormat::Json, "json", "the genotype as JSON"),
    (ExportFormat::Toml, "toml", "the genotype as TOML"),
    (ExportFormat::Dot, "dot", "both cells for Graphviz"),
    (ExportFormat::Svg, "svg", "both cells as a picture"),
    (ExportFormat::Pytorch, "pytorch", "a module in PyTorch"),
    (ExportFormat::Csv, "csv", "the curves of the run"),
];

/// The formats that can hold an architecture of NAS-Bench-201.
const TABLE_FORMATS: [(ExportFormat, &str, &str); 3] = [
    (ExportFormat::Darts, "text", "the published string of the architecture"),
    (ExportFormat::Json, "json", "the architecture as JSON"),
    (ExportFormat::Csv, "csv", "the curves of the run"),
];

/// What is chosen at present.
#[derive(Clone, Debug)]
pub struct Export {
    choices: Vec<(Exported, String)>,
    formats: &'static [(ExportFormat, &'static str, &'static str)],
    what: usize,
    format: usize,
}

impl Export {
    /// Starts with the selected individual if there is one, else with the best.
    pub fn new(state: &State) -> Self {
        let mut choices = Vec::new();
        if let (Some(search), Some(individual)) = (state.search(), state.selected) {
            let name = words::individual(search, individual);
            choices.push((Exported::Individual(individual), format!("individual {name}")));
        }
        if let Some(search) = state.search() {
            if !state.marked.is_empty() {
                let marked: Vec<IndividualId> = state.marked.iter().copied().collect();
                let name = format!("{} marked", marked.len());
                choices.insert(0, (Exported::Several(marked), name));
            }
            choices.extend(best(search));
            choices.push((Exported::All, "all individuals".to_owned()));
        } else {
            choices.push((Exported::Network, "the network".to_owned()));
        }
        let in_table = state.search().is_some_and(|search| search.network.is_none());
        let formats = if in_table { &TABLE_FORMATS[..] } else { &FORMATS };
        Self { choices, formats, what: 0, format: 0 }
    }

    /// A description of what is chosen: which individual's vector it is, when it was estimated, and its loss.
    fn meaning(&self, state: &State) -> String {
        let Some(search) = state.search() else { return "the genotype that is trained".to_owned() };
        match &self.choices[self.what].0 {
            Exported::Individual(number) => {
                let place = search.individual(*number);
                let words = place.map(|place| words::standing(search, *number, place)).unwrap_or_default();
                format!("individual {} as it is now: {words}", words::individual(search, *number))
            }
            Exported::Best { individual, generation, loss, .. } => format!(
                "individual {} as it was in {}: loss {}",
                words::individual(search, *individual),
                words::estimated_in(*generation),
                words::loss(*loss).trim_start()
            ),
            Exported::Several(marked) => {
                let names: Vec<_> = marked.iter().map(|&i| words::individual(search, i)).collect();
                format!("{} as they are now", names.join(", "))
            }
            Exported::Network => String::new(),
            Exported::All => "all individuals as they are now, a file each".to_owned(),
        }
    }

    pub fn press(&mut self, key: KeyEvent) -> Reaction {
        match key.code {
            KeyCode::Up | KeyCode::Char('k') => self.format = self.format.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.format = (self.format + 1).min(self.formats.len() - 1),
            KeyCode::Left | KeyCode::Char('h') => self.what = self.what.saturating_sub(1),
            KeyCode::Right | KeyCode::Char('l') => self.what = (self.what + 1).min(self.choices.len() - 1),
            KeyCode::Enter => {
                let what = self.choices[self.what].0.clone();
                return Reaction::Request(Request::Export { what, format: self.formats[self.format].0 });
            }
            _ => {}
        }
        Reaction::Stay
    }

    pub fn draw(&self, canvas: &mut Canvas<'_>, state: &State) {
        let look = canvas.look;
        let palette = &look.palette;
        let mut outer = window(canvas, 66, self.formats.len() + 6);
        let mut inside = outer.framed("Export");
        let mut x = inside.text(0, 0, "what    ", palette.dim);
        for (index, (_, name)) in self.choices.iter().enumerate() {
            let chosen = index == self.what;
            let style = if chosen { palette.selected } else { palette.text };
            let mark = if chosen { look.glyphs.selected } else { ' ' };
            x = inside.text(x, 0, &format!("{mark}{name} "), style) + 1;
        }
        let width = inside.width();
        let curves = self.formats[self.format].0 == ExportFormat::Csv;
        let meaning = if curves {
            "the curves of the whole run, whatever is chosen".to_owned()
        } else {
            self.meaning(state)
        };
        inside.text(8, 1, &text::truncate(&meaning, width.saturating_sub(8), &look.glyphs), palette.dim);
        for (row, (_, name, words)) in self.formats.iter().enumerate() {
            let y = row + 3;
            inside.text(1, y, name, palette.text);
            inside.text(10, y, words, palette.dim);
            if row == self.format {
                inside.restyle(0, y, width, palette.selected);
                inside.text(0, y, &look.glyphs.selected.to_string(), palette.selected);
            }
        }
    }
}

/// The best so far with its description, or the winner of a finished search.
fn best(search: &SearchView) -> Option<(Exported, String)> {
    let leader = search.leader()?;
    let name = if leader.source.is_none() { "the best so far" } else { "the winner" };
    let best = Exported::Best {
        individual: leader.individual,
        generation: leader.generation,
        loss: leader.loss,
        position: leader.position.to_vec(),
    };
    Some((best, name.to_owned()))
}
