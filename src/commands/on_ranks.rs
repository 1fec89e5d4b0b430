//! The engine's own commands that several ranks can do together: `evaluate` and `benchmark exchange`.

use std::{ffi::OsString, process::ExitCode};

use anyhow::{Context as _, Result};

use crate::{
    context::Context,
    engine::{launcher::Launcher, program::EngineProgram},
    failure::misuse,
};

const RANKS: &str = "--ranks";

/// Runs one of the engine's commands in this terminal, on as many ranks as it is asked for, and exits as it does.
///
/// # Errors
/// If the engine, or the ranks, cannot be started.
pub fn run(context: &Context, name: &str, arguments: &[OsString]) -> Result<ExitCode> {
    let (ranks, arguments) = without_ranks(arguments)?;
    let mut device = context.layers()?.config()?.device;
    device.ranks = ranks;
    let (program, launcher) = (EngineProgram::find()?, Launcher::new(&device));
    launcher.check(&program)?;
    let mut command = launcher.command(&program);
    command.arg(name).args(arguments).args(launcher.arguments().into_iter().flatten());
    if ranks > 1 {
        command.args(["--rank-timeout", &device.rank_timeout.to_string()]);
    }
    let started = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("{started}: cannot be started"))?;
    // A process that a signal ended has no code.
    Ok(ExitCode::from(status.code().and_then(|c| u8::try_from(c).ok()).unwrap_or(1)))
}

/// The number of ranks, and the remaining arguments. The engine gets the number in an argument of another
/// form.
fn without_ranks(arguments: &[OsString]) -> Result<(usize, Vec<OsString>)> {
    let (mut ranks, mut rest, mut arguments) = (1, Vec::new(), arguments.iter());
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy();
        let number = match text.strip_prefix(RANKS) {
            Some("") => arguments.next().map(|next| next.to_string_lossy().into_owned()).unwrap_or_default(),
            Some(rest) if rest.starts_with('=') => rest[1..].to_owned(),
            _ => {
                rest.push(argument.clone());
                continue;
            }
        };
        let known = number.parse().ok().filter(|ranks| (1..=4096).contains(ranks));
        ranks = known.ok_or_else(|| misuse(format!("--ranks {number}: give a number from 1 to 4096")))?;
    }
    Ok((ranks, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_taken_out_of_what_the_engine_is_told() {
        let split = |typed: &[&str]| {
            let typed: Vec<_> = typed.iter().map(OsString::from).collect();
            let rest = |rest: Vec<OsString>| {
                rest.into_iter().filter_map(|r| r.into_string().ok()).collect::<Vec<_>>()
            };
            without_ranks(&typed)
                .map(|(ranks, others)| (ranks, rest(others).join(" ")))
                .map_err(|e| e.to_string())
        };
        assert_eq!(split(&["--json", "--ranks", "2", "--arch", "X"]), Ok((2, "--json --arch X".to_owned())));
        assert_eq!(split(&["--ranks=3"]), Ok((3, String::new())));
        assert_eq!(split(&["--help"]), Ok((1, "--help".to_owned())));
        for typed in [&["--ranks"][..], &["--ranks", "0"], &["--ranks=two"]] {
            assert!(split(typed).is_err(), "{typed:?}");
        }
    }
}
