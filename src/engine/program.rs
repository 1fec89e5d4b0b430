//! Finding the program `relativenas-engine`, and making sure that it was built with this one.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, anyhow};
use relativenas_core::manifest::BUILD;

const NAME: &str = "relativenas-engine";
const VARIABLE: &str = "RELATIVENAS_ENGINE";

/// The program `relativenas-engine`, built from the same sources as this one.
#[derive(Clone, Debug)]
pub struct EngineProgram {
    path: PathBuf,
}

impl EngineProgram {
    /// Finds the engine: RELATIVENAS_ENGINE, then beside this program, then in PATH.
    ///
    /// # Errors
    /// If there is none, it does not start, or it is of another build.
    pub fn find() -> Result<Self> {
        let beside = env::current_exe().and_then(|own| own.canonicalize()).ok();
        let path = search(env::var_os(VARIABLE), beside.as_deref(), env::var_os("PATH"))?;
        check(&path)?;
        Ok(Self { path })
    }

    /// An engine program for tests.
    #[cfg(test)]
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it was built with MPI.
    pub fn knows_mpi(&self) -> bool {
        let output = Command::new(&self.path).arg("--mpi").stdin(Stdio::null()).output();
        output.is_ok_and(|output| output.status.success() && output.stdout.trim_ascii() == b"true")
    }

    pub fn command(&self) -> Command {
        Command::new(&self.path)
    }
}

/// Makes an engine end when this process ends. The process id is passed as an argument, because this process
/// may have ended before the engine looks for its parent.
pub fn end_with_this_process(command: &mut Command) {
    command.arg("--die-with-parent").arg(std::process::id().to_string());
}

fn search(variable: Option<OsString>, own: Option<&Path>, path: Option<OsString>) -> Result<PathBuf> {
    if let Some(named) = variable.filter(|v| !v.is_empty()) {
        let named = PathBuf::from(named);
        return if named.is_file() {
            Ok(named)
        } else {
            Err(anyhow!(
                "{VARIABLE} is {}, but there is no such file; unset it, or name the engine",
                named.display()
            ))
        };
    }
    let beside = own.and_then(Path::parent).map(|folder| folder.join(NAME));
    let in_path = path.as_deref().map(env::split_paths).into_iter().flatten().map(|folder| folder.join(NAME));
    beside.iter().cloned().chain(in_path).find(|candidate| candidate.is_file()).ok_or_else(|| {
        let beside = beside.as_deref().and_then(Path::parent).unwrap_or(Path::new("."));
        anyhow!(
            "the program `{NAME}` is neither in {} nor in PATH; `make` builds it, {VARIABLE} names one elsewhere",
            beside.display()
        )
    })
}

fn check(path: &Path) -> Result<()> {
    let shown = path.display();
    let output = Command::new(path)
        .arg("--build-id")
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{shown}: cannot be started"))?;
    if !output.status.success() {
        return Err(unusable(path, &String::from_utf8_lossy(&output.stderr)));
    }
    let build = String::from_utf8_lossy(&output.stdout);
    if build.trim() != BUILD {
        return Err(anyhow!(
            "{shown} was built as {}, this program as {BUILD}; `make` builds both anew",
            build.trim()
        ));
    }
    Ok(())
}

fn unusable(path: &Path, said: &str) -> anyhow::Error {
    let said = said.trim();
    let hint = if said.contains("libtorch") || said.contains("libc10") {
        "; libtorch is not where it was when the engine was built, `make` puts it there"
    } else {
        "; `make` builds it anew"
    };
    anyhow!("{} does not start: {said}{hint}", path.display())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    fn program(folder: &Path, script: &str) -> PathBuf {
        let path = folder.join(NAME);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("made executable");
        path
    }

    #[test]
    fn the_variable_goes_before_the_neighbour_and_the_neighbour_before_path() {
        let folders = [(); 3].map(|()| tempfile::tempdir().expect("a folder"));
        let [named, beside, in_path] = folders.each_ref().map(|f| program(f.path(), "exit 0"));
        let own = beside.with_file_name("relativenas");
        let path = || Some(in_path.parent().expect("a folder").as_os_str().to_owned());
        let found =
            |variable: Option<&Path>, own| search(variable.map(Into::into), own, path()).expect("found");
        assert_eq!(found(Some(&named), Some(&own)), named);
        assert_eq!(found(None, Some(&own)), beside);
        assert_eq!(found(None, Some(Path::new("/nowhere/relativenas"))), in_path);
    }

    #[test]
    fn an_engine_that_is_not_there_is_reported_with_the_way_out() {
        let error = |variable: Option<&str>| {
            search(variable.map(Into::into), Some(Path::new("/nowhere/relativenas")), None)
                .expect_err("nothing there")
                .to_string()
        };
        assert_eq!(
            error(None),
            "the program `relativenas-engine` is neither in /nowhere nor in PATH; `make` builds it, \
             RELATIVENAS_ENGINE names one elsewhere"
        );
        assert_eq!(
            error(Some("/nowhere/engine")),
            "RELATIVENAS_ENGINE is /nowhere/engine, but there is no such file; unset it, or name the engine"
        );
    }

    #[test]
    fn an_engine_of_another_build_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let other = program(folder.path(), "echo 0.0.1+0badcafe");
        assert_eq!(
            check(&other).expect_err("another build").to_string(),
            format!(
                "{} was built as 0.0.1+0badcafe, this program as {BUILD}; `make` builds both anew",
                other.display()
            )
        );
        let broken = program(folder.path(), "echo 'error while loading libtorch_cpu.so' >&2; exit 127");
        assert_eq!(
            check(&broken).expect_err("no libtorch").to_string(),
            format!(
                "{} does not start: error while loading libtorch_cpu.so; libtorch is not where it was when the \
                 engine was built, `make` puts it there",
                broken.display()
            )
        );
        check(&program(folder.path(), &format!("echo {BUILD}"))).expect("the same build");
    }
}
