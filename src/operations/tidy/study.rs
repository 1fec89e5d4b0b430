//! Removing a study with all its runs, where no worker and no engine works on it.

use std::{fs, io, time::Duration};

use anyhow::{Context as _, Result, bail};
use relativenas_run::{
    aside::{Aside, set_aside},
    claim::{Claim, ClaimAction, ClaimState, Claims, Held, Holder, now_in},
    folder,
    lock::Lock,
};

use crate::{
    engine::liveness::{Liveness, hold, liveness},
    study::Study,
};

/// How long the claims of a study are held while its folder is moved.
const LEASE: Duration = Duration::from_secs(120);

/// Removes a study from where studies are found; its folder is still to be deleted, which may take a while.
///
/// # Errors
/// If a worker or an engine works on one of its runs, or that cannot be told, or the folder cannot be moved.
pub fn set_study_aside(study: &Study) -> Result<Aside> {
    check_claims(study)?;
    let _locks = hold_runs(study)?;
    let claims = take_claims(study)?;
    set_aside(study.path()).map_err(|error| {
        claims.into_iter().for_each(give_back);
        error.into()
    })
}

/// What can be claimed in a study: each of its runs, and whatever else was claimed there.
fn claimable(study: &Study) -> io::Result<Vec<(String, Claims)>> {
    let mut names: Vec<String> = study.plan.in_order().into_iter().map(|run| run.name()).collect();
    match fs::read_dir(study.claims_folder()) {
        Ok(entries) => {
            for entry in entries {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                if entry.file_type()?.is_dir() && !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(names.into_iter().map(|name| (name.clone(), study.claims(&name))).collect())
}

/// Checks that no worker holds a claim, without changing anything.
fn check_claims(study: &Study) -> Result<()> {
    let folder = study.claims_folder();
    let cannot_tell = || unknown(study, "whether workers are on it");
    if !folder.try_exists().with_context(cannot_tell)? {
        return Ok(()); // No worker has begun yet.
    }
    let held = || -> io::Result<Option<(String, Held)>> {
        let now = now_in(&folder)?;
        for (name, claims) in claimable(study)? {
            if let ClaimState::Held(held) = claims.state(now)?
                && !held.lapsed
            {
                return Ok(Some((name, held)));
            }
        }
        Ok(None)
    };
    match held().with_context(cannot_tell)? {
        None => Ok(()),
        Some((name, Held { holder, .. })) => {
            let on = holder
                .map_or_else(String::new, |Holder { host, pid, .. }| format!(" on {host} (process {pid})"));
            let (who, does) = match name.strip_prefix('.') {
                None => ("a worker", format!("has {name}")),
                Some("extending") => ("a command", "extends it".to_owned()),
                Some(_) => ("a worker", "waits for its runs".to_owned()),
            };
            bail!("{}: {who}{on} {does}; end it first", study.name())
        }
    }
}

/// Holds the lock of every run, so that no engine starts on one.
fn hold_runs(study: &Study) -> Result<Vec<Lock>> {
    let mut locks = Vec::new();
    for run in
        folder::all(&study.runs()).with_context(|| unknown(study, "whether engines are on its runs"))?
    {
        let name = run.name();
        let alive = || {
            format!(
                "{}: an engine is running on {name}; `relativenas stop {}` first",
                study.name(),
                run.reference()
            )
        };
        if liveness(&run) == Liveness::Alive {
            bail!(alive());
        }
        match hold(&run) {
            Ok(Some(lock)) => locks.push(lock),
            Ok(None) => bail!(alive()),
            Err(why) => {
                return Err(why)
                    .with_context(|| unknown(study, &format!("whether an engine works on {name}")));
            }
        }
    }
    Ok(locks)
}

/// Takes every claim, so that no worker takes one.
fn take_claims(study: &Study) -> Result<Vec<Claim>> {
    let holder = Holder::this(None);
    let mut taken = Vec::new();
    for (name, claims) in claimable(study).with_context(|| unknown(study, "whether workers are on it"))? {
        let outcome = match claims.take(&holder, LEASE) {
            Ok(Some(claim)) => {
                taken.push(claim);
                continue;
            }
            Ok(None) => {
                Err(anyhow::anyhow!("{}: a worker has just taken {name}; end it first", study.name()))
            }
            Err(error) => Err(error).with_context(|| unknown(study, "whether workers are on it")),
        };
        taken.into_iter().for_each(give_back);
        return outcome;
    }
    Ok(taken)
}

/// A claim that cannot be given back lapses.
fn give_back(claim: Claim) {
    let _ = claim.give_back(ClaimAction::GaveBack);
}

fn unknown(study: &Study, what: &str) -> String {
    let folder = study.path().display();
    format!(
        "{}: it cannot be told {what}; if nothing is at work there, remove {folder} by hand",
        study.name()
    )
}

#[cfg(test)]
mod tests {
    use relativenas_core::{manifest::files, searcher::SearcherKind};

    use super::*;
    use crate::{fixture, study::Plan};

    fn study(runs: &std::path::Path) -> Study {
        let plan = Plan::new(vec![SearcherKind::SlowFast, SearcherKind::Random], 2, 1);
        let study = Study::create(runs, "chance", plan, &fixture::config()).expect("made");
        fixture::write_log(&fixture::run(&study.runs(), "slow-fast-1"), &fixture::log(3));
        fixture::run(&study.runs(), "random-1");
        study
    }

    fn elsewhere() -> Holder {
        Holder { host: "node7".to_owned(), pid: 41, job: None }
    }

    #[test]
    fn a_removed_study_leaves_nothing_and_touches_no_run_beside_it() {
        let runs = tempfile::tempdir().expect("a folder");
        let (study, beside) = (study(runs.path()), fixture::run(runs.path(), "r"));
        set_study_aside(&study).expect("no worker is on it").delete().expect("deleted");
        let left: Vec<_> = fs::read_dir(runs.path()).expect("readable").flatten().map(|e| e.path()).collect();
        assert_eq!(left, [beside.path()]);
    }

    #[test]
    fn what_a_program_left_of_a_removed_run_of_a_study_is_deleted_later() {
        let runs = tempfile::tempdir().expect("a folder");
        let study = study(runs.path());
        let removed = set_aside(&study.runs().join("random-1")).expect("moved");
        let path = removed.path().to_owned();
        assert!(path.is_dir(), "it waits");
        super::super::finish_removals(runs.path());
        assert!(!path.exists() && study.runs().join("slow-fast-1").is_dir());
    }

    #[test]
    fn a_study_on_which_a_worker_is_stays_as_it_is() {
        let runs = tempfile::tempdir().expect("a folder");
        let study = study(runs.path());
        for (name, why_not) in [
            ("random-2", "a worker on node7 (process 41) has random-2"),
            (".waiting-1", "a worker on node7 (process 41) waits for its runs"),
            (".extending", "a command on node7 (process 41) extends it"),
        ] {
            let claims = study.claims(name);
            let claim = claims.take(&elsewhere(), LEASE).expect("writable").expect("free");
            let why = set_study_aside(&study).expect_err("held").to_string();
            assert_eq!(why, format!("chance: {why_not}; end it first"));
            // Other workers may go on with what is free.
            let now = now_in(&study.claims_folder()).expect("writable");
            assert_eq!(study.claims("slow-fast-2").state(now).expect("readable"), ClaimState::Free);
            claim.give_back(ClaimAction::GaveBack).expect("writable");
        }
        // One that was not heard of for its lease is gone.
        let _gone =
            study.claims("random-2").take(&elsewhere(), Duration::ZERO).expect("writable").expect("free");
        std::thread::sleep(Duration::from_millis(50)); // A lease of no length lapses as soon as time goes on.
        set_study_aside(&study).expect("no worker is on it").delete().expect("deleted");
    }

    #[test]
    fn a_study_of_which_nothing_can_be_told_stays_as_it_is() {
        let runs = tempfile::tempdir().expect("a folder");
        let study = study(runs.path());
        let run = study.run("random-1").expect("begun");
        // No file that can be locked.
        fs::create_dir(run.file(files::ENGINE_LOCK)).expect("made");
        let why = set_study_aside(&study).expect_err("unknown").to_string();
        let path = study.path().display();
        assert_eq!(
            why,
            format!(
                "chance: it cannot be told whether an engine works on random-1; if nothing is at work there, remove {path} by hand"
            )
        );
        fs::remove_dir(run.file(files::ENGINE_LOCK)).expect("removed");
        // No folder in which claims can be read.
        fs::write(study.claims_folder(), "").expect("written");
        let why = set_study_aside(&study).expect_err("unknown").to_string();
        assert!(
            why.starts_with(
                "chance: it cannot be told whether workers are on it; if nothing is at work there, "
            ),
            "{why}"
        );
        assert!(study.run("slow-fast-1").is_some());
    }
}
