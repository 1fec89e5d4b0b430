//! Keeps a single frame under way at a time. If frames queued on a slow link, the effect of a key would show only
//! after all frames before it.
//!
//! Only the terminal knows how much of what was written has arrived. Therefore each frame ends with the question
//! where the cursor is, and the next frame is held until there is an answer. It then shows everything that changed
//! meanwhile.

use std::time::{Duration, Instant};

use crate::scene::Pace;

/// The question where the cursor is. The answer is `ESC [ row ; column R`.
pub const QUESTION: &str = "\x1b[6n";

/// The time between two frames while the terminal has not answered yet, unless a person has pressed a key.
const WHILE_UNKNOWN: Duration = Duration::from_secs(1);
/// A terminal that has not answered for so long is taken to never answer, as when a program reads or records it.
const TRIAL: Duration = Duration::from_secs(15);
/// After this time, an answer of a terminal that has answered before is taken to be lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// The fewest bytes of a frame from which the speed of the link is measured. With fewer, the time until the answer is
/// mostly the delay of the link.
const TELLING: usize = 2000;
/// Bytes a second below which a link counts as slow: a whole screen then takes a second or more.
const SLOW: f64 = 4000.0;

/// What is known of the terminal's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answers {
    /// No question was asked yet.
    Unasked,
    /// The first question was asked at this moment and is not answered.
    Awaited(Instant),
    /// At least one question was answered.
    Given,
}

/// Decides when the next frame may be drawn, and measures how fast the link is.
#[derive(Debug)]
pub struct Pacing {
    answers: Answers,
    /// The number of questions without an answer.
    open: u32,
    /// When the last question was asked.
    asked: Option<Instant>,
    /// Bytes that were written between the last question and the one before.
    written: usize,
}

impl Pacing {
    pub fn new() -> Self {
        Self { answers: Answers::Unasked, open: 0, asked: None, written: 0 }
    }

    /// Whether a frame is to end with the question.
    pub fn asks(&self) -> bool {
        match self.answers {
            Answers::Unasked | Answers::Given => true,
            Answers::Awaited(_) => false,
        }
    }

    /// Notes that a question was asked after a frame of so many bytes.
    pub fn asked(&mut self, now: Instant, written: usize) {
        self.open += 1;
        self.written = written;
        self.asked = Some(now);
        if self.answers == Answers::Unasked {
            self.answers = Answers::Awaited(now);
        }
    }

    /// Notes that an answer has come. Returns how fast the link is, if the frame was large enough to measure it.
    pub fn answered(&mut self, now: Instant) -> Option<Pace> {
        let is_of_last = self.open == 1;
        self.open = self.open.saturating_sub(1);
        self.answers = Answers::Given;
        let asked = self.asked.filter(|_| is_of_last && self.written >= TELLING)?;
        let seconds = now.saturating_duration_since(asked).as_secs_f64();
        Some(if self.written as f64 > SLOW * seconds { Pace::Quick } else { Pace::Slow })
    }

    /// Forgets the open questions, because another program had the terminal and received the answers.
    pub fn forget(&mut self) {
        self.open = 0;
    }

    /// When the next frame may be drawn if no answer comes before. `last` is when the previous frame was drawn,
    /// `least` the shortest time between two frames, and `urgent` says whether a person waits for the frame.
    pub fn next(&self, last: Instant, least: Duration, urgent: bool) -> Instant {
        let soonest = last + least;
        match (self.answers, self.asked) {
            (Answers::Given, Some(asked)) if self.open > 0 => soonest.max(asked + PATIENCE),
            (Answers::Awaited(first), _) if !urgent && last < first + TRIAL => {
                soonest.max(last + WHILE_UNKNOWN)
            }
            _ => soonest,
        }
    }

    /// How long to wait, before the terminal is given back, for answers that the next program would take for keys.
    pub fn farewell(&self) -> Duration {
        match self.answers {
            _ if self.open == 0 => Duration::ZERO,
            Answers::Given => Duration::from_secs(2),
            Answers::Awaited(_) | Answers::Unasked => Duration::from_millis(200),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: Duration = Duration::from_millis(100);

    /// How long the next frame is held, if one was drawn and asked behind at `now`.
    fn held(pacing: &Pacing, now: Instant, urgent: bool) -> Duration {
        pacing.next(now, LEAST, urgent) - now
    }

    #[test]
    fn a_terminal_that_answers_gets_one_frame_at_a_time() {
        let (mut pacing, now) = (Pacing::new(), Instant::now());
        assert!(pacing.asks());
        pacing.asked(now, 100);
        pacing.answered(now);
        assert_eq!(held(&pacing, now, false), LEAST, "a quick answer holds nothing up");
        assert!(pacing.asks());
        pacing.asked(now, 100);
        for urgent in [false, true] {
            assert_eq!(held(&pacing, now, urgent), PATIENCE, "until there is an answer");
        }
        pacing.answered(now);
        assert_eq!(held(&pacing, now, false), LEAST);
    }

    #[test]
    fn a_terminal_that_never_answers_is_asked_once_and_drawn_on_all_the_same() {
        let (mut pacing, now) = (Pacing::new(), Instant::now());
        pacing.asked(now, 100);
        assert!(!pacing.asks());
        assert_eq!(held(&pacing, now, false), WHILE_UNKNOWN);
        assert_eq!(held(&pacing, now, true), LEAST, "a key is shown at once");
        assert_eq!(held(&pacing, now + TRIAL, false), LEAST);
        // If it was merely slow, it is one that answers.
        pacing.answered(now);
        assert!(pacing.asks());
    }

    #[test]
    fn a_link_is_slow_where_the_answer_to_a_large_frame_takes_long() {
        let check = |bytes, milliseconds, expected| {
            let (mut pacing, now) = (Pacing::new(), Instant::now());
            pacing.asked(now, bytes);
            let pace = pacing.answered(now + Duration::from_millis(milliseconds));
            assert_eq!(pace, expected, "{bytes} bytes in {milliseconds} ms");
        };
        check(4000, 6700, Some(Pace::Slow));
        check(2000, 600, Some(Pace::Slow));
        check(4000, 300, Some(Pace::Quick));
        check(40_000, 300, Some(Pace::Quick));
        check(4000, 0, Some(Pace::Quick));
        // Nothing is known from a small frame, whose answer only takes the way there and back.
        check(300, 900, None);
        // An answer that nothing was asked for tells nothing.
        assert_eq!(Pacing::new().answered(Instant::now()), None);
    }

    #[test]
    fn what_is_open_is_waited_for_before_the_terminal_is_given_back() {
        let (mut pacing, now) = (Pacing::new(), Instant::now());
        assert_eq!(pacing.farewell(), Duration::ZERO);
        pacing.asked(now, 100);
        assert_eq!(pacing.farewell(), Duration::from_millis(200));
        pacing.answered(now);
        assert_eq!(pacing.farewell(), Duration::ZERO);
        pacing.asked(now, 100);
        assert_eq!(pacing.farewell(), Duration::from_secs(2));
        pacing.forget();
        assert_eq!(pacing.farewell(), Duration::ZERO);
    }
}
