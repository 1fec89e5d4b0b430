use std::{thread, time::Duration};

use super::*;

const LONG: Duration = Duration::from_secs(60);

/// The results of `does` on each rank of a crew.
fn each<T: Send>(count: usize, does: impl Fn(&dyn Ranks) -> T + Sync) -> Vec<T> {
    let does = &does;
    thread::scope(|scope| {
        let threads: Vec<_> =
            Threads::crew(count, LONG).into_iter().map(|rank| scope.spawn(move || does(&rank))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

#[test]
fn sums_are_taken_in_the_order_of_ranks() {
    // In any other order the rounding gives another sum.
    let brought = [1.0_f32, 1e8, -1e8, 0.25];
    let expected = brought.iter().sum::<f32>();
    assert_ne!(expected, brought.iter().rev().sum::<f32>());
    for _ in 0..20 {
        let sums = each(4, |ranks| {
            let mut values = vec![brought[ranks.rank()]; 3];
            ranks.all_reduce(&mut values).unwrap();
            values
        });
        assert_eq!(sums, vec![vec![expected; 3]; 4]);
    }
}

#[test]
fn everybody_hears_what_one_says_and_what_all_have() {
    let heard = each(3, |ranks| {
        let mut bytes = vec![ranks.rank() as u8; 2];
        ranks.broadcast(1, &mut bytes).unwrap();
        ranks.barrier().unwrap();
        let all = ranks.gather(&[ranks.rank() as u8]).unwrap();
        (bytes, all, ranks.sums([ranks.rank() as f64, 0.5]).unwrap())
    });
    assert_eq!(heard, vec![(vec![1, 1], vec![vec![0], vec![1], vec![2]], [3.0, 1.5]); 3]);
}

#[test]
fn the_first_decides_and_the_others_are_not_asked() {
    let decided = each(3, |ranks| ranks.decide(|| ranks.is_first()).unwrap());
    assert_eq!(decided, [true; 3]);
    let alone: &dyn Ranks = &Alone;
    assert_eq!((alone.decide(|| false), alone.sums([2.0])), (Ok(false), Ok([2.0])));
}

#[test]
fn a_rank_that_does_not_come_is_named() {
    let mut crew = Threads::crew(3, Duration::from_millis(20));
    let absent = crew.remove(1);
    let error = thread::scope(|scope| {
        let waiting: Vec<_> =
            crew.iter().map(|rank| scope.spawn(|| rank.all_reduce(&mut [0.0]).unwrap_err())).collect();
        waiting.into_iter().map(|thread| thread.join().expect("no panic")).next().expect("two")
    });
    assert_eq!(error, RanksError::Silent { who: absent.name(1), seconds: 0 });
}

#[test]
fn a_rank_that_has_ended_is_named() {
    let mut crew = Threads::crew(2, LONG);
    let (ended, rest) = (crew.remove(0), crew.remove(0));
    let name = rest.name(0);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| rest.broadcast(0, &mut Vec::new()));
        drop(ended);
        assert_eq!(waiting.join().expect("no panic"), Err(RanksError::Gone { who: name }));
    });
}

#[test]
fn ranks_that_differ_or_are_not_ready_refuse_to_begin() {
    let card = |rank: usize, data: &str, problem: Option<&str>| Card {
        problem: problem.filter(|_| rank == 2).map(str::to_owned),
        fingerprints: vec![
            ("build".to_owned(), "1".to_owned()),
            ("data".to_owned(), if rank == 1 { data } else { "a" }.to_owned()),
        ],
    };
    let said = |data, problem| {
        let said =
            each(3, |ranks| agree(ranks, &card(ranks.rank(), data, problem)).map_err(|e| e.to_string()));
        assert!(said.iter().all(|s| *s == said[0]), "all say the same: {said:?}");
        said.into_iter().next().expect("three")
    };
    assert_eq!(said("a", None), Ok(()));
    let differs = said("b", None).unwrap_err();
    assert!(differs.starts_with("rank 1 (") && differs.contains("another data than rank 0 ("), "{differs}");
    let unready = said("a", Some("/data: no such folder")).unwrap_err();
    assert!(unready.starts_with("rank 2 (") && unready.ends_with("/data: no such folder"), "{unready}");
}
