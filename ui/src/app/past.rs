//! Earlier moments of a run: going to them, and replaying the run.

use std::time::Instant;

use relativenas_core::view::Stop;

use super::App;
use crate::{
    actions::Action,
    past::{Past, Replay},
    view::View,
};

impl App {
    /// Goes to another moment of the run: back (negative) or forth, by generations or by pairs.
    pub(super) fn travel(&mut self, by: isize, pairs: bool) {
        self.rest();
        let Some(shown) = &self.state.shown else { return };
        let here = self.state.past.as_ref().map_or(shown.view.events, |past| past.stop.events);
        let stop = if by < 0 { shown.history.earlier(here, pairs) } else { shown.history.later(here, pairs) };
        match stop {
            Some(stop) => self.go_to(stop),
            None if by < 0 => self.say("this is where the run began"),
            None if self.state.past.is_some() => self.return_to_now(),
            None => self.say("this is now"),
        }
    }

    /// Shows the moment at which a generation was done; for the last generation, that is now.
    pub(super) fn go_to_end_of(&mut self, generation: usize) {
        self.rest();
        let next = u32::try_from(generation).unwrap_or(u32::MAX).saturating_add(1);
        match self.state.shown.as_ref().and_then(|shown| shown.history.beginning(next)) {
            Some(stop) => self.go_to(stop),
            None => self.state.past = None,
        }
    }

    fn go_to(&mut self, stop: Stop) {
        let Some(shown) = &self.state.shown else { return };
        let before = self.state.past.take();
        if stop.events < shown.view.events {
            self.state.past = Some(Past::at(shown, stop, before));
        }
        self.keep_in_step();
    }

    /// Sets the cursor of the curves to the generation that is shown; removes it if the present is shown.
    fn keep_in_step(&mut self) {
        let done = self.state.past.as_ref().map(|past| past.stop.generation.saturating_sub(1) as usize);
        self.places.curves.cursor = done;
    }

    /// Leaves the past.
    pub(super) fn return_to_now(&mut self) {
        self.rest();
        if self.state.past.take().is_some() {
            self.keep_in_step();
        }
    }

    /// Stops the replay if one is under way. Otherwise plays the run from the earlier moment that is shown, or from
    /// its beginning if the present is shown.
    pub(super) fn play_or_rest(&mut self) {
        if self.is_playing() {
            return self.rest();
        }
        self.play();
    }

    /// Begins a replay that was asked for when the screen was started.
    pub(super) fn begin_replay(&mut self) {
        if self.replay.is_some_and(|replay| replay.is_wanted) {
            self.play();
        }
    }

    fn play(&mut self) {
        let speed = self.replay.map_or(Replay::SPEED, |replay| replay.speed);
        let first = self.state.shown.as_ref().and_then(|shown| shown.history.later(0, false));
        let here = self.state.past.as_ref().map(|past| past.stop);
        match here.or(first) {
            Some(stop) => self.go_to(stop),
            None => return self.say("there is nothing to play yet"),
        }
        self.replay = Some(Replay { speed, next: None, is_wanted: false });
        self.breathe();
    }

    pub(super) fn is_playing(&self) -> bool {
        self.replay.is_some_and(|replay| replay.next.is_some())
    }

    /// Stops playing, and stays at the moment that was reached.
    fn rest(&mut self) {
        if let Some(replay) = &mut self.replay {
            replay.next = None;
        }
        self.note_playing();
    }

    /// When the replay takes its next step; `None` if none is under way or the view does not show it.
    pub(super) fn next_breath(&self) -> Option<Instant> {
        self.replay.filter(|_| self.view.shows_past())?.next
    }

    /// Takes the next step of the replay.
    pub(super) fn play_on(&mut self) {
        let (Some(replay), Some(past), Some(shown)) = (self.replay, &self.state.past, &self.state.shown)
        else {
            return self.rest();
        };
        let (_, pairs) = past.breath(replay.speed);
        let mut stop = Some(past.stop);
        for _ in 0..pairs {
            stop = stop.and_then(|stop| shown.history.later(stop.events, true));
        }
        match stop {
            Some(stop) if stop.events < shown.view.events => {
                self.go_to(stop);
                self.breathe();
            }
            _ => self.return_to_now(),
        }
    }

    fn breathe(&mut self) {
        if let (Some(replay), Some(past)) = (&mut self.replay, &self.state.past) {
            replay.next = Some(Instant::now() + past.breath(replay.speed).0);
        }
        self.note_playing();
    }

    fn note_playing(&mut self) {
        let playing = self.is_playing();
        if let Some(moment) = self.state.past.as_mut().and_then(|past| past.shown.moment.as_mut()) {
            moment.playing = playing;
        }
    }

    /// Whether an action is meant for the replay and not for the engine: pausing is, while a replay is under way, or
    /// while an earlier moment of a run without an engine is shown.
    pub(super) fn is_for_replay(&self, action: Action) -> bool {
        let no_engine = self.state.shown.as_ref().is_some_and(|shown| !shown.is_live());
        action == Action::Pause
            && (self.is_playing() || (no_engine && self.state.past.is_some() && self.view != View::Runs))
    }
}
