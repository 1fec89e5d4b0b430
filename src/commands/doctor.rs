//! `doctor`: what works on this machine, and what to do about the rest.

use std::{
    env,
    ffi::OsString,
    fmt, fs,
    io::{self, IsTerminal as _, Write},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{ExitCode, Stdio},
};

use anyhow::Result;
use relativenas_core::config::ColorDepth;
use relativenas_ui::theme::Depth;
use rustix::fs::{FlockOperation, fcntl_lock, statvfs};

use crate::{context::Context, engine::program::EngineProgram, settings, written::printable};

/// With less free space than this, in bytes, a note is printed: a checkpoint of a large search may need it.
const LITTLE_SPACE: u64 = 2 << 30;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FindingKind {
    Works,
    /// A fact that is worth knowing.
    Note,
    Fails,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    verdict: FindingKind,
    text: String,
}

impl Finding {
    fn works(text: impl Into<String>) -> Self {
        Self { verdict: FindingKind::Works, text: text.into() }
    }

    fn note(text: impl Into<String>) -> Self {
        Self { verdict: FindingKind::Note, text: text.into() }
    }

    fn fails(text: impl Into<String>) -> Self {
        Self { verdict: FindingKind::Fails, text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.verdict {
            FindingKind::Works => "ok  ",
            FindingKind::Note => "note",
            FindingKind::Fails => "FAIL",
        };
        // Further lines are indented to stand below the text.
        write!(f, "{mark}  {}", self.text.trim_end().replace('\n', "\n        "))
    }
}

/// Prints every finding; exits with 1 if something does not work.
pub fn doctor(context: &Context, out: &mut dyn Write) -> Result<ExitCode> {
    let mut failed = false;
    let sections: [(&str, Vec<Finding>); 4] = [
        ("settings", settings_findings(context)),
        ("folders", folder_findings(context)),
        ("terminal", terminal_findings(|name| env::var_os(name))),
        ("engine", engine_findings()),
    ];
    for (name, findings) in sections {
        writeln!(out, "{name}")?;
        for finding in findings {
            failed |= finding.verdict == FindingKind::Fails;
            writeln!(out, "  {finding}")?;
        }
    }
    Ok(ExitCode::from(u8::from(failed)))
}

fn settings_findings(context: &Context) -> Vec<Finding> {
    let file = &context.places.config_file;
    let own = if file.exists() {
        Finding::works(format!("your settings: {}", file.display()))
    } else {
        Finding::works(format!("no settings of your own; they would be in {}", file.display()))
    };
    let checked = context.layers().and_then(|layers| settings::checked(&layers).map(drop));
    match checked {
        Ok(()) => vec![own, Finding::works("all settings are right")],
        Err(error) => vec![own, Finding::fails(format!("{error:#}"))],
    }
}

fn folder_findings(context: &Context) -> Vec<Finding> {
    let mut findings = match context.runs() {
        Ok(runs) => vec![runs_finding(&runs)],
        Err(_) => Vec::new(), // A wrong setting is reported above.
    };
    let uid = rustix::process::getuid().as_raw();
    findings.push(socket_finding(&PathBuf::from(format!("/tmp/relativenas-{uid}")), uid));
    let user = env::var("USER").unwrap_or_default();
    findings.extend(lingering_finding(Path::new("/"), &user));
    findings
}

/// Whether runs can be made, with locks and room for checkpoints.
fn runs_finding(runs: &Path) -> Finding {
    let shown = runs.display();
    // The first search makes the folder; until then, the one that it will be made in is asked.
    let Some(existing) = runs.ancestors().find(|folder| folder.exists()) else {
        return Finding::fails(format!(
            "{shown}: runs cannot be kept here; set run.directory to another folder"
        ));
    };
    let probe = existing.join(format!(".doctor-{}", std::process::id()));
    let locked = fs::File::create(&probe)
        .and_then(|file| Ok(fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive)?));
    let _ = fs::remove_file(&probe);
    match locked {
        Err(e) if !writable(runs) => {
            Finding::fails(format!("{shown}: cannot be written: {e}; set run.directory to another folder"))
        }
        Err(e) => Finding::fails(format!(
            "{shown}: locks do not work here ({e}), so two engines might write one run; set run.directory to a \
             local disk"
        )),
        Ok(()) => match statvfs(runs) {
            Ok(disk) if disk.f_bavail * disk.f_frsize < LITTLE_SPACE => Finding::note(format!(
                "runs are kept in {shown}, where only {} MB are free",
                disk.f_bavail * disk.f_frsize / 1_000_000
            )),
            _ => Finding::works(format!("runs are kept in {shown}")),
        },
    }
}

fn writable(folder: &Path) -> bool {
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok()
}

/// Checks the folder in which engines listen, which must not be accessible to other users.
fn socket_finding(folder: &Path, uid: u32) -> Finding {
    let shown = folder.display();
    match fs::symlink_metadata(folder) {
        Err(_) => Finding::works(format!("engines will listen in {shown}")),
        Ok(found) if !found.is_dir() || found.uid() != uid => Finding::fails(format!(
            "{shown}: it belongs to another user, so engines cannot listen there; have it removed"
        )),
        Ok(found) if found.mode() & 0o077 != 0 => {
            Finding::fails(format!("{shown}: other users may enter it; `chmod 700 {shown}` closes it"))
        }
        Ok(_) => Finding::works(format!("engines listen in {shown}")),
    }
}

/// systemd can be configured to end all processes of a user at logout; a search would then end too.
fn lingering_finding(root: &Path, user: &str) -> Option<Finding> {
    let mut files = vec![root.join("etc/systemd/logind.conf")];
    if let Ok(entries) = fs::read_dir(root.join("etc/systemd/logind.conf.d")) {
        let mut parts: Vec<_> = entries.flatten().map(|e| e.path()).collect();
        parts.sort();
        files.extend(parts);
    }
    let mut kills = None;
    for file in files {
        for line in fs::read_to_string(&file).unwrap_or_default().lines() {
            if let Some(value) = line.trim().strip_prefix("KillUserProcesses=") {
                kills = matches!(value.trim(), "yes" | "true" | "on" | "1").then(|| file.clone());
            }
        }
    }
    let file = kills?;
    if root.join("var/lib/systemd/linger").join(user).exists() {
        return Some(Finding::works("searches go on after you log out: lingering is enabled"));
    }
    Some(Finding::note(format!(
        "{} says KillUserProcesses=yes: a search ends when you log out; `loginctl enable-linger` lets it go on",
        file.display()
    )))
}

fn terminal_findings(variable: impl Fn(&str) -> Option<OsString>) -> Vec<Finding> {
    let text = |name: &str| variable(name).map(|v| printable(&v.to_string_lossy())).filter(|v| !v.is_empty());
    let mut findings = Vec::new();
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        findings.push(Finding::note("this is no terminal; `search --headless` works without one"));
    } else if let Ok(size) = rustix::termios::tcgetwinsize(io::stdout()) {
        findings.push(Finding::works(format!("{} columns, {} rows", size.ws_col, size.ws_row)));
    }
    findings.push(match text("TERM") {
        None => {
            Finding::note("TERM is not set, so no screen can be shown; `search --headless` works without one")
        }
        Some(term) if term == "dumb" => {
            Finding::note("TERM is dumb, so no screen can be shown; `search --headless` works without one")
        }
        Some(term) => Finding::works(format!("TERM={term}")),
    });
    findings.push(Finding::works(match Depth::resolve(ColorDepth::Auto, text) {
        Depth::None if text("NO_COLOR").is_some() => "no colours, because NO_COLOR is set",
        Depth::None => "no colours, because a terminal of this name has none; screen.color asks for some",
        Depth::Truecolor => "all colours",
        Depth::Indexed | Depth::Ansi => {
            "256 colours or fewer; COLORTERM=truecolor, or screen.color, asks for more"
        }
    }));
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(text).unwrap_or_default();
    let utf8 = locale.to_ascii_lowercase().replace('-', "").contains("utf8");
    findings.push(if utf8 {
        Finding::works(format!("characters beyond ASCII ({locale})"))
    } else {
        Finding::note("the locale is not UTF-8: drawings are in ASCII; screen.glyphs = \"braille\" overrides")
    });
    match (variable("TMUX"), variable("SSH_CONNECTION")) {
        (Some(_), _) => findings.push(Finding::works("inside tmux, which keeps its prefix key")),
        (None, Some(_)) => {
            findings.push(Finding::works("over ssh: a search goes on when the connection drops"))
        }
        (None, None) => {}
    }
    findings
}

/// The engine, and the devices that it finds.
fn engine_findings() -> Vec<Finding> {
    let program = match EngineProgram::find() {
        Ok(program) => program,
        Err(error) => {
            return vec![Finding::fails(format!(
                "{}\nwithout an engine runs can be viewed, but not started",
                printable(&format!("{error:#}"))
            ))];
        }
    };
    let found = Finding::works(program.path().display().to_string());
    let output = program.command().arg("devices").stdin(Stdio::null()).output();
    let devices = match output {
        Ok(output) if output.status.success() => Finding::works(lines(&output.stdout)),
        Ok(output) => Finding::fails(format!("devices cannot be listed: {}", lines(&output.stderr))),
        Err(error) => Finding::fails(format!("devices cannot be listed: {error}")),
    };
    vec![found, devices]
}

fn lines(output: &[u8]) -> String {
    String::from_utf8_lossy(output).lines().map(printable).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn systemd_that_ends_what_is_left_running_is_warned_of() {
        let root = tempfile::tempdir().expect("a folder");
        let (settings, linger) =
            (root.path().join("etc/systemd"), root.path().join("var/lib/systemd/linger"));
        fs::create_dir_all(&settings).expect("made");
        fs::create_dir_all(&linger).expect("made");
        let file = settings.join("logind.conf");
        fs::write(&file, "[Login]\n#KillUserProcesses=yes\n").expect("written");
        assert_eq!(lingering_finding(root.path(), "ada"), None);
        fs::write(&file, "[Login]\nKillUserProcesses=yes\n").expect("written");
        let finding = lingering_finding(root.path(), "ada").expect("a warning");
        assert_eq!(finding.verdict, FindingKind::Note);
        assert!(finding.text.contains("loginctl enable-linger"), "{finding}");
        fs::write(linger.join("ada"), "").expect("written");
        assert_eq!(lingering_finding(root.path(), "ada").expect("a word").verdict, FindingKind::Works);
    }

    #[test]
    fn a_socket_folder_that_others_may_enter_fails() {
        let folder = tempfile::tempdir().expect("a folder");
        let uid = rustix::process::getuid().as_raw();
        let mode = |mode| fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).expect("set");
        mode(0o755);
        assert_eq!(socket_finding(folder.path(), uid).verdict, FindingKind::Fails);
        mode(0o700);
        assert_eq!(socket_finding(folder.path(), uid).verdict, FindingKind::Works);
        assert_eq!(socket_finding(folder.path(), uid + 1).verdict, FindingKind::Fails);
    }

    #[test]
    fn a_plain_locale_is_noted() {
        let with = |locale: &str| {
            let locale = locale.to_owned();
            let findings =
                terminal_findings(move |name| (name == "LC_ALL").then(|| OsString::from(locale.clone())));
            findings.iter().any(|f| f.verdict == FindingKind::Note && f.text.contains("UTF-8"))
        };
        assert!(with("C"));
        assert!(!with("en_US.UTF-8"));
    }
}
