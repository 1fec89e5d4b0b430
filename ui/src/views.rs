//! The contents of each view, and the cursor and switches of each view.

pub mod architecture;
pub mod curves;
pub mod log;
mod map;
mod overview;
pub mod pairs;
pub mod population;
pub mod runs;
pub mod weights;

use crate::{actions::Action, canvas::Canvas, scene::Scene, state::State, view::View};

/// The cursors and switches of all views.
#[derive(Clone, Debug, Default)]
pub struct Places {
    pub population: population::PopulationPlace,
    pub pairs: pairs::PairsPlace,
    pub weights: weights::WeightsPlace,
    pub architecture: architecture::ArchitecturePlace,
    pub curves: curves::CurvesPlace,
    pub log: log::LogPlace,
    pub runs: runs::RunsPlace,
}

/// Draws the view that is shown: what is between the title and the footer.
pub fn draw(canvas: &mut Canvas<'_>, scene: &Scene<'_>, places: &Places, state: &State) {
    if scene.view == View::Runs {
        return runs::draw(canvas, scene, &places.runs, state);
    }
    let seen = if scene.view.shows_past() { state.seen() } else { state.shown.as_ref() };
    let Some(shown) = seen else { return nothing(canvas, scene, "no run is shown") };
    match (scene.view, shown.search(), &shown.view.training) {
        (View::Overview | View::Runs, ..) => overview::draw(canvas, scene, shown),
        (View::Curves, ..) => curves::draw(canvas, scene, &places.curves, state, shown),
        (View::Log, ..) => log::draw(canvas, &places.log, shown),
        (View::Map, Some(search), _) => map::draw(canvas, scene, state, shown, search),
        (View::Population, Some(search), _) => {
            population::draw(canvas, scene, &places.population, state, search);
        }
        (View::Pairs, Some(search), _) => pairs::draw(canvas, &places.pairs, search),
        (View::Weights, Some(search), _) => weights::draw(canvas, &places.weights, search),
        (View::Architecture, Some(_), _) | (View::Architecture, None, Some(_)) => {
            architecture::draw(canvas, scene, &places.architecture, state);
        }
        (View::Pairs, None, Some(_)) => nothing(canvas, scene, "a training run compares no pairs"),
        (View::Weights, None, Some(_)) => {
            nothing(canvas, scene, "a training run has one network and no weight set");
        }
        (View::Population | View::Map, None, Some(_)) => {
            nothing(canvas, scene, "a training run has one network and no population");
        }
        (_, None, None) => nothing(canvas, scene, "nothing has happened yet"),
    }
}

/// Draws why a view is empty, and the key that leads out of it.
fn nothing(canvas: &mut Canvas<'_>, scene: &Scene<'_>, why: &str) {
    let key = scene.key(Action::Show(View::Runs));
    canvas.text(1, 1, why, canvas.look.palette.text);
    canvas.text(1, 2, &format!("{key} lists all runs"), canvas.look.palette.dim);
}
