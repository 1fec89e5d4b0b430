//! The past that is looked at: the run as it was at an earlier moment.

use std::time::{Duration, Instant};

use relativenas_core::view::Stop;

use crate::shown::{Moment, Shown};

/// The run as it was, and whether it is played from there.
#[derive(Clone, Debug)]
pub struct Past {
    /// Without an engine's word, which is about now.
    pub shown: Shown,
    pub stop: Stop,
}

/// A replay goes on this often at most; a faster one skips pairs.
const SHORTEST_BREATH: Duration = Duration::from_millis(40);
/// And this rarely at least.
const LONGEST_BREATH: Duration = Duration::from_secs(60);

/// A run that is played.
#[derive(Clone, Copy, Debug)]
pub struct Replay {
    /// Generations (in a training: epochs) a second.
    pub speed: f64,
    /// When it goes on; `None` while it rests until a key.
    pub next: Option<Instant>,
    /// It begins as soon as there is something to play.
    pub is_wanted: bool,
}

impl Replay {
    /// Its speed unless told otherwise.
    pub const SPEED: f64 = 1.0;

    /// A replay that was asked for before there is anything to play.
    pub fn waiting(speed: f64) -> Self {
        Self { speed, next: None, is_wanted: true }
    }
}

impl Past {
    /// The run at a stop. It goes on from an earlier `past` where that is nearer than what was kept.
    pub fn at(now: &Shown, stop: Stop, before: Option<Self>) -> Self {
        let mut shown = match before {
            Some(past) if past.stop.events <= stop.events => past.shown,
            _ => Shown {
                link: now.link.clone(),
                view: now.history.at(stop.events),
                ..Shown::new(now.run.clone(), 0)
            },
        };
        now.history.go_on(&mut shown.view, stop.events);
        shown.moment = Some(Moment { stop, playing: false });
        Self { shown, stop }
    }

    /// How long a replay rests at this moment, and how many pairs it then goes on.
    pub fn breath(&self, speed: f64) -> (Duration, usize) {
        let pairs = self.shown.search().map_or(1, |search| search.pairs.len().max(1));
        let a_pair = 1.0 / (speed * pairs as f64);
        let breath = Duration::try_from_secs_f64(a_pair).unwrap_or(LONGEST_BREATH);
        let breath = breath.clamp(SHORTEST_BREATH, LONGEST_BREATH);
        let pairs = (breath.as_secs_f64() / a_pair).round().max(1.0);
        (breath, pairs as usize)
    }
}
