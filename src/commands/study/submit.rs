//! `study submit`: workers of a study as a job array of Slurm.

use std::{
    env,
    fmt::Write as _,
    io::{self, Write},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, bail};

use crate::{arguments::SubmitArguments, atomic, failure::misuse, study::Study};

/// What the script is called in the study's folder.
const SCRIPT: &str = "slurm.sh";

/// Writes the script, and submits it unless it shall only be printed.
pub fn submit(study: &Study, arguments: &SubmitArguments, out: &mut dyn Write) -> Result<ExitCode> {
    let path = study.path().join(SCRIPT);
    let program = env::current_exe().context("this program cannot be found")?;
    let text = script(&program, study.path(), &study.name(), arguments)?;
    atomic::write(&path, text.as_bytes())?;
    let executable = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(&path, executable)
        .with_context(|| format!("{}: cannot be made executable", path.display()))?;
    if arguments.print {
        out.write_all(text.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let shown = path.display();
    let submitted = match Command::new("sbatch").arg(&path).output() {
        Ok(submitted) => submitted,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(misuse(format!(
                "sbatch is not in PATH, so this is no machine that submits jobs; the script is {shown}: run \
                 `sbatch {shown}` where it is"
            )));
        }
        Err(error) => return Err(error).context("sbatch cannot be started"),
    };
    if !submitted.status.success() {
        bail!("sbatch refused {shown}: {}", String::from_utf8_lossy(&submitted.stderr).trim());
    }
    writeln!(out, "{}", String::from_utf8_lossy(&submitted.stdout).trim())?;
    let name = study.name();
    writeln!(
        io::stderr(),
        "`relativenas study status {name}` says how far it is; the workers write to {}/logs",
        study.path().display()
    )?;
    Ok(ExitCode::SUCCESS)
}

/// The part of the script that is the same for all studies: it passes Slurm's signals on to the worker, and
/// queues the job again when the worker's time is up.
const BODY: &str = r#"
# Slurm signals this shell, which passes the signal on and waits until the worker has left a checkpoint.
"${worker[@]}" &
pid=$!
requeue=yes signalled=
trap 'signalled=yes; kill -USR1 "$pid"' USR1
trap 'signalled=yes; requeue=; kill -TERM "$pid"' TERM # cancelled, or killed by Slurm: not queued again
wait "$pid"
code=$?
while [ -n "$signalled" ]; do # wait returned because of the signal, or the worker ended meanwhile
  signalled=
  wait "$pid"
  code=$?
done
if [ "$code" = 75 ] && [ -n "$requeue" ]; then # the worker gave its run back and wants to go on
  echo "queued again"
  scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
fi
exit "$code"
"#;

fn script(program: &Path, folder: &Path, name: &str, arguments: &SubmitArguments) -> Result<String> {
    let SubmitArguments { workers, partition, time, gpus, cpus, options, requeue_before, work, .. } =
        arguments;
    let [program, folder] = [utf8(program)?, utf8(folder)?];
    let log = format!("{}/logs/slurm-%A_%a.log", folder.replace('%', "%%"));
    let mut wanted = vec![
        format!("job-name=relativenas-{name}"),
        format!("array=1-{workers}"),
        format!("output=\"{log}\""),
        "open-mode=append".to_owned(),
        "requeue".to_owned(),
        format!("signal=B:USR1@{requeue_before}"),
        "ntasks=1".to_owned(),
    ];
    wanted.extend(partition.iter().map(|partition| format!("partition={partition}")));
    wanted.extend(time.iter().map(|time| format!("time={time}")));
    wanted.extend(gpus.iter().map(|gpus| format!("gpus={gpus}")));
    wanted.extend(cpus.iter().map(|cpus| format!("cpus-per-task={cpus}")));
    wanted.extend(options.iter().map(|option| option.trim_start_matches('-').to_owned()));
    if let Some(strange) = wanted.iter().find(|option| option.chars().any(char::is_control)) {
        return Err(misuse(format!(
            "{strange:?}: no option of sbatch has a line break or control character"
        )));
    }
    let mut text = "#!/bin/bash\n# Workers of a study, each a task of a job array; `relativenas study submit` wrote it.\n".to_owned();
    for option in wanted {
        writeln!(text, "#SBATCH --{option}")?;
    }
    let (jobs, lease) = (work.jobs, work.lease);
    writeln!(
        text,
        "\nworker=({} study work {} --jobs {jobs} --lease {lease})",
        quoted(program),
        quoted(folder)
    )?;
    Ok(text + BODY)
}

fn utf8(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| {
        misuse(format!("{}: the path is not UTF-8, so a job script cannot name it", path.display()))
    })
}

/// A text as one word of a shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        arguments: SubmitArguments,
    }

    fn written(typed: &[&str], folder: &str) -> Result<String> {
        let words = ["submit", "chance", "--slurm"].iter().chain(typed);
        let arguments = Typed::try_parse_from(words)?.arguments;
        script(Path::new("/opt/relativenas"), Path::new(folder), "chance", &arguments)
    }

    #[test]
    fn what_was_asked_of_slurm_stands_in_the_script() {
        let typed =
            ["--workers", "3", "--partition", "gpu", "--time", "12:00:00", "--gpus", "1", "--cpus", "8"];
        let more = ["--option", "account=lab", "--requeue-before", "120", "--jobs", "2", "--lease", "60"];
        let text = written(&[&typed[..], &more[..]].concat(), "/runs/chance").expect("plain options");
        for line in [
            "#SBATCH --array=1-3",
            "#SBATCH --requeue",
            "#SBATCH --signal=B:USR1@120",
            "#SBATCH --partition=gpu",
            "#SBATCH --time=12:00:00",
            "#SBATCH --gpus=1",
            "#SBATCH --cpus-per-task=8",
            "#SBATCH --account=lab",
            "worker=('/opt/relativenas' study work '/runs/chance' --jobs 2 --lease 60)",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(text.starts_with("#!/bin/bash\n"));
    }

    #[test]
    fn strange_paths_stay_one_word_and_line_breaks_are_refused() {
        let text = written(&[], "/my runs/50%/it's").expect("a path");
        assert!(text.contains(r"study work '/my runs/50%/it'\''s' --jobs 1"), "{text}");
        assert!(text.contains("#SBATCH --output=\"/my runs/50%%/it's/logs/slurm-%A_%a.log\""), "{text}");
        let error = written(&["--partition", "a\nrm"], "/r").expect_err("two lines").to_string();
        assert!(error.contains(r#""partition=a\nrm": no option of sbatch"#), "{error}");
    }

    /// Runs the script with a program in place of the worker, and returns its output and its exit code.
    fn ran(worker: &str, while_it_runs: &str) -> (String, Option<i32>) {
        let folder = tempfile::tempdir().expect("a folder");
        let text = written(&[], "/r").expect("a path");
        let body =
            text.split_once("\nworker=(").and_then(|(_, rest)| rest.split_once('\n')).expect("a worker").1;
        let script = format!(
            "scontrol() {{ echo \"scontrol $*\"; }}\nSLURM_ARRAY_JOB_ID=7 SLURM_ARRAY_TASK_ID=2\n\
             work() {{ {worker}; }}\nworker=(work)\n{while_it_runs}\n{body}"
        );
        let path = folder.path().join("script");
        std::fs::write(&path, script).expect("written");
        let output = Command::new("bash").arg(&path).output().expect("bash");
        (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
    }

    #[test]
    fn a_worker_that_gave_its_run_back_is_queued_again_and_no_other() {
        assert_eq!(ran("return 75", ""), ("queued again\nscontrol requeue 7_2\n".to_owned(), Some(75)));
        assert_eq!(ran("return 0", ""), (String::new(), Some(0)));
        assert_eq!(ran("return 1", ""), (String::new(), Some(1)));
        let waits = |signal: &str| format!("trap 'exit 75' {signal}; while :; do sleep 0.05; done");
        let send = |signal: &str| format!("(sleep 0.5; kill -{signal} $$) &");
        let (said, code) = ran(&waits("USR1"), &send("USR1"));
        assert_eq!((said.as_str(), code), ("queued again\nscontrol requeue 7_2\n", Some(75)));
        let (said, code) = ran(&waits("TERM"), &send("TERM"));
        assert_eq!((said.as_str(), code), ("", Some(75)), "one that was cancelled stays away");
    }
}
