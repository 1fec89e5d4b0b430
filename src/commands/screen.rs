//! Whether a command shows a screen, and what it prints without one.

use std::{
    env,
    io::{self, IsTerminal as _},
};

use anyhow::Result;

use crate::{arguments::PrintingArguments, failure::misuse, headless::Style};

/// How a run is printed without a screen.
pub fn style(printing: PrintingArguments) -> Style {
    Style::of(printing.json)
}

/// Checks that there is a terminal on which a screen can be drawn; the error says what works without one.
pub fn need_terminal(command: &str, headless: bool) -> Result<()> {
    if headless {
        return Ok(());
    }
    let terminal = env::var("TERM").unwrap_or_default();
    let problem = if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        "this is no terminal"
    } else if terminal.is_empty() {
        "TERM is not set, so it is not known how to draw on this terminal"
    } else if terminal == "dumb" {
        "TERM is dumb: nothing can be drawn on this terminal"
    } else {
        return Ok(());
    };
    let instead = match command {
        "search" | "train" | "resume" | "attach" => "--headless prints progress instead",
        "view" => "`relativenas status` shows the state of a run",
        _ => "`relativenas search --headless` works without one, `relativenas --help` lists all commands",
    };
    Err(misuse(format!(
        "`{command}` shows a screen, and {problem}; {instead} (over ssh, `ssh -t` makes a terminal)"
    )))
}
