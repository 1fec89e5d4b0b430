//! The run as it was at an earlier moment, and the replay that goes from one such moment to the next.

use std::time::{Duration, Instant};

use relativenas_core::view::Stop;

use crate::shown::{Moment, Shown};

/// An earlier moment of the run that the screen shows.
#[derive(Clone, Debug)]
pub struct Past {
    /// The run at that moment. It has no progress of the engine, which belongs to the present.
    pub shown: Shown,
    pub stop: Stop,
}

/// The shortest time between two steps of a replay; a faster replay skips pairs.
const SHORTEST_BREATH: Duration = Duration::from_millis(40);
/// The longest time between two steps of a replay.
const LONGEST_BREATH: Duration = Duration::from_secs(60);

/// A replay of a run.
#[derive(Clone, Copy, Debug)]
pub struct Replay {
    /// Generations (in a training: epochs) a second.
    pub speed: f64,
    /// When the next step is due; `None` while the replay is paused.
    pub next: Option<Instant>,
    /// Whether it begins by itself, as soon as there are events to replay.
    pub is_wanted: bool,
}

impl Replay {
    /// The speed of a replay for which none was given.
    pub const SPEED: f64 = 1.0;

    /// A replay that begins as soon as there are events.
    pub fn waiting(speed: f64) -> Self {
        Self { speed, next: None, is_wanted: true }
    }
}

impl Past {
    /// The run at a moment. It is computed from the events since the moment `before`, if that is not later.
    pub fn at(now: &Shown, stop: Stop, before: Option<Self>) -> Self {
        let mut shown = match before {
            Some(past) if past.stop.events <= stop.events => past.shown,
            _ => Shown {
                link: now.link.clone(),
                view: now.history.at(stop.events),
                ..Shown::new(now.run.clone(), now.folder.clone(), 0)
            },
        };
        now.history.go_on(&mut shown.view, stop.events);
        shown.moment = Some(Moment { stop, playing: false });
        Self { shown, stop }
    }

    /// How long a replay waits at this moment, and by how many pairs it then goes on. `speed` is in generations a
    /// second.
    pub fn breath(&self, speed: f64) -> (Duration, usize) {
        let pairs = self.shown.search().map_or(1, |search| search.pairs.len().max(1));
        let a_pair = 1.0 / (speed * pairs as f64);
        let breath = Duration::try_from_secs_f64(a_pair).unwrap_or(LONGEST_BREATH);
        let breath = breath.clamp(SHORTEST_BREATH, LONGEST_BREATH);
        let pairs = (breath.as_secs_f64() / a_pair).round().max(1.0);
        (breath, pairs as usize)
    }
}
