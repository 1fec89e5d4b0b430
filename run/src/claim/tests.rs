use std::{
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use relativenas_core::event::Event;

use super::*;
use crate::{
    disk::Disk,
    log::{EventLog, Extent},
};

const LONG: Duration = Duration::from_secs(60);

fn me(pid: u32) -> Holder {
    Holder { host: "here".to_owned(), pid, job: None }
}

fn state(claims: &Claims) -> ClaimState {
    let now = now_in(&claims.folder).expect("a folder");
    claims.state(now).expect("readable")
}

/// Waits until the lease of the holder has lapsed.
fn lapse(claims: &Claims) {
    while !matches!(state(claims), ClaimState::Held(Held { lapsed: true, .. })) {
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_is_held_is_not_taken_until_it_is_given_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let claims = Claims::at(folder.path().join("run"));
    assert_eq!(claims.state(SystemTime::now()).expect("no folder yet"), ClaimState::Free);
    let claim = claims.take(&me(1), LONG).expect("writable").expect("free");
    assert!(claims.take(&me(2), LONG).expect("writable").is_none());
    let ClaimState::Held(held) = state(&claims) else { panic!("{:?}", state(&claims)) };
    assert_eq!((held.holder, held.lapsed), (Some(me(1)), false));
    assert!(held.since > 0 && held.age < LONG);
    claim.give_back(ClaimAction::GaveBack).expect("writable");
    assert_eq!(state(&claims), ClaimState::Free);
    let claim = claims.take(&me(2), LONG).expect("writable").expect("free again");
    claim.give_back(ClaimAction::Failed).expect("writable");
    assert!(matches!(state(&claims), ClaimState::Failed(_)));
    let drafts = fs::read_dir(folder.path().join("run")).expect("readable").flatten();
    let hidden = drafts.filter(|entry| entry.file_name().to_string_lossy().starts_with('.')).count();
    assert_eq!(hidden, 0, "nothing temporary is left");
}

#[test]
fn a_lease_that_is_renewed_does_not_lapse_and_one_that_is_not_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let claims = Claims::at(folder.path());
    let lease = Duration::from_millis(400);
    let mut claim = claims.take(&me(1), lease).expect("writable").expect("free");
    let begun = Instant::now();
    while begun.elapsed() < 3 * lease {
        if claim.due() {
            assert!(claim.renew().expect("writable"));
        }
        thread::sleep(Duration::from_millis(5));
        // If this thread was kept waiting for a lease's length, the others may well take it.
        assert!(claim.age() > lease / 2 || claims.take(&me(2), lease).expect("writable").is_none());
    }
    lapse(&claims);
    let other = claims.take(&me(2), LONG).expect("writable").expect("lapsed");
    assert!(!claim.renew().expect("writable"), "a process that wakes up late hears that it lost");
    claim.give_back(ClaimAction::GaveBack).expect("nothing to give back");
    let ClaimState::Held(held) = state(&claims) else { panic!("the other one lost its claim") };
    assert_eq!(held.holder, Some(me(2)));
    drop(other);
}

#[test]
fn whoever_works_under_a_claim_hears_before_it_writes_that_the_claim_is_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let claims = Claims::at(folder.path());
    let claim = claims.take(&me(1), Duration::from_millis(1)).expect("writable").expect("free");
    let watch = Watch::of(&claim.path()).expect("an entry");
    watch.check().expect("it stands");
    lapse(&claims);
    watch.check().expect("no other process has taken it, so it can still be renewed");
    claims.take(&me(2), LONG).expect("writable").expect("lapsed");
    let error = watch.check().expect_err("lost").to_string();
    assert!(error.contains("000001: the claim has lapsed, and another worker"), "{error}");
    Watch::of(&folder.path().join("run.toml")).expect_err("no entry");
}

#[test]
fn whoever_lost_its_claim_does_not_even_cut_the_log_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let claims = Claims::at(folder.path().join("run"));
    let claim = claims.take(&me(1), Duration::from_millis(1)).expect("writable").expect("free");
    let disk = Disk::under(Some(Watch::of(&claim.path()).expect("an entry")));
    let path = folder.path().join("events.jsonl");
    let event = || [Event::GenerationFinished { generation: 0, diversity: 0.1, moves: Vec::new() }];
    let (mut log, _) = EventLog::open(&path, Extent::default()).expect("opened");
    log.append(&disk, &event()).expect("the claim stands");
    lapse(&claims);
    claims.take(&me(2), LONG).expect("writable").expect("lapsed");
    let (mut others, _) = EventLog::open(&path, log.extent()).expect("opened");
    others.append(&Disk::default(), &event()).expect("written");
    let before = fs::read(&path).expect("there");
    log.append(&disk, &event()).expect_err("lost");
    log.sync(&disk).expect_err("lost");
    disk.replace(&path, b"").expect_err("lost");
    assert_eq!(fs::read(&path).expect("there"), before);
    let names = fs::read_dir(folder.path()).expect("readable").count();
    assert_eq!(names, 2, "nothing is left of what was tried");
}

#[test]
fn an_entry_that_cannot_be_read_counts_as_held() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("000007"), "{").expect("written");
    let claims = Claims::at(folder.path());
    assert!(matches!(state(&claims), ClaimState::Held(Held { holder: None, lapsed: false, .. })));
    assert!(claims.take(&me(1), LONG).expect("writable").is_none());
    let old = SystemTime::now() - 2 * UNREADABLE;
    File::options()
        .write(true)
        .open(folder.path().join("000007"))
        .and_then(|file| file.set_modified(old))
        .expect("there");
    let claim = claims.take(&me(1), LONG).expect("writable").expect("lapsed");
    assert_eq!(claim.path(), folder.path().join("000008"));
}

#[test]
fn without_links_a_name_is_given_once_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("000001");
    assert!(entry::place_without_links(b"1", &target).expect("writable").is_some());
    assert!(entry::place_without_links(b"2", &target).expect("writable").is_none());
    assert_eq!(fs::read(target).expect("there"), b"1");
}

/// Threads that take whatever they can get, some of which die with it, until everything was done once.
#[test]
fn of_many_that_hammer_the_claims_no_two_hold_one_and_nothing_is_lost() {
    const WORKERS: u32 = 8;
    const THINGS: usize = 12;
    let folder = tempfile::tempdir().expect("a folder");
    let lease = Duration::from_secs(1);
    let things: Vec<_> = (0..THINGS).map(|i| Claims::at(folder.path().join(i.to_string()))).collect();
    let (holders, done): (Vec<_>, Vec<_>) =
        (0..THINGS).map(|_| (AtomicUsize::new(0), AtomicUsize::new(0))).unzip();
    let barrier = Barrier::new(WORKERS as usize);
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (things, holders, done, barrier) = (&things, &holders, &done, &barrier);
            scope.spawn(move || {
                barrier.wait();
                let mut deaths = 0;
                while done.iter().any(|done| done.load(Ordering::SeqCst) == 0) {
                    for (i, thing) in things.iter().enumerate() {
                        if done[i].load(Ordering::SeqCst) > 0 {
                            continue;
                        }
                        let Some(claim) = thing.take(&me(worker), lease).expect("writable") else { continue };
                        assert_eq!(holders[i].fetch_add(1, Ordering::SeqCst), 0, "two hold {i}");
                        // The first thing that each of three workers takes is left as by a dead one.
                        if worker < 3 && deaths == 0 {
                            deaths += 1;
                            holders[i].fetch_sub(1, Ordering::SeqCst);
                            continue;
                        }
                        thread::yield_now();
                        // It may have been done between the first look and the claim.
                        if done[i].load(Ordering::SeqCst) > 0 {
                            holders[i].fetch_sub(1, Ordering::SeqCst);
                            claim.give_back(ClaimAction::GaveBack).expect("writable");
                            continue;
                        }
                        assert!(claim.age() < lease / 2, "too slow a machine for this test");
                        let before = done[i].fetch_add(1, Ordering::SeqCst);
                        assert_eq!(before, 0, "{i} is done twice");
                        holders[i].fetch_sub(1, Ordering::SeqCst);
                        claim.give_back(ClaimAction::GaveBack).expect("writable");
                    }
                    thread::sleep(Duration::from_millis(2));
                }
            });
        }
    });
    assert!(done.iter().all(|done| done.load(Ordering::SeqCst) == 1), "{done:?}");
}
