//! The screen as a person sees it, without a terminal.

mod bytes;
mod fake_run;
mod faults;
mod keys;
mod layers;
mod past;
mod runs;
mod screens;
mod sizes;
mod stage;
mod terminal;
mod work;
