//! The eight views, and what is drawn in each.

mod architecture;
pub mod curves;
mod log;
mod overview;
pub mod pairs;
pub mod population;
mod runs;
mod weights;

use crate::{app::App, canvas::Canvas};

/// What the screen shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum View {
    #[default]
    Overview,
    Population,
    Pairs,
    Weights,
    Architecture,
    Curves,
    Log,
    Runs,
}

impl View {
    pub const ALL: [Self; 8] = [
        Self::Overview,
        Self::Population,
        Self::Pairs,
        Self::Weights,
        Self::Architecture,
        Self::Curves,
        Self::Log,
        Self::Runs,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Population => "Population",
            Self::Pairs => "Pairs",
            Self::Weights => "Weights",
            Self::Architecture => "Architecture",
            Self::Curves => "Curves",
            Self::Log => "Log",
            Self::Runs => "Runs",
        }
    }

    /// The view after this one, or before it.
    pub fn next(self, by: isize) -> Self {
        let place = Self::ALL.iter().position(|view| *view == self).unwrap_or(0) as isize;
        Self::ALL[(place + by).rem_euclid(Self::ALL.len() as isize) as usize]
    }
}

/// Draws what is between the title and the footer.
pub(crate) fn draw(canvas: &mut Canvas<'_>, app: &App) {
    let Some(shown) = app.shown.as_ref().filter(|_| app.view != View::Runs) else {
        return match app.view {
            View::Runs => runs::draw(canvas, app),
            _ => nothing(canvas, app, "no run is shown"),
        };
    };
    match (app.view, shown.search(), &shown.view.training) {
        (View::Overview, ..) => overview::draw(canvas, app),
        (View::Curves, ..) => curves::draw(canvas, app),
        (View::Log, ..) => log::draw(canvas, app),
        (View::Population, Some(search), _) => population::draw(canvas, app, search),
        (View::Pairs, Some(search), _) => pairs::draw(canvas, app, search),
        (View::Weights, Some(search), _) => weights::draw(canvas, app, search),
        (View::Architecture, Some(_), _) | (View::Architecture, None, Some(_)) => {
            architecture::draw(canvas, app);
        }
        (View::Pairs, None, Some(_)) => nothing(canvas, app, "a training run compares no pairs"),
        (View::Weights, None, Some(_)) => {
            nothing(canvas, app, "a training run has one network and no weight set");
        }
        (_, None, Some(_)) => nothing(canvas, app, "a training run has one network and no population"),
        (_, None, None) => nothing(canvas, app, "nothing has happened yet"),
        (View::Runs, ..) => runs::draw(canvas, app),
    }
}

/// Why a view is empty, and the way out.
fn nothing(canvas: &mut Canvas<'_>, app: &App, why: &str) {
    let key = app.keys.key(crate::actions::Action::Show(View::Runs)).unwrap_or_default();
    canvas.text(1, 1, why, canvas.look.palette.text);
    canvas.text(1, 2, &format!("{key} lists all runs"), canvas.look.palette.dim);
}
