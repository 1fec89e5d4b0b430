//! A training by several ranks, as threads.

use std::{thread, time::Duration};

use super::*;
use crate::ranks::Threads;

/// The results of `does` with a fresh trainer on each of several ranks.
fn each<T: Send>(ranks: usize, plan: &Plan, does: impl Fn(&mut Trainer) -> T + Sync) -> Vec<T> {
    let does = &does;
    thread::scope(|scope| {
        let crew = Threads::crew(ranks, Duration::from_secs(60)).into_iter().map(|own| {
            scope.spawn(move || {
                let fresh = Trainer::new(plan.clone(), settings(), Device::Cpu).unwrap();
                does(&mut fresh.among(Arc::new(own)))
            })
        });
        let threads: Vec<_> = crew.collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

#[test]
fn all_ranks_hold_the_same_bits_and_one_that_is_resumed_goes_on_to_them() {
    // Batches of eight and four: of the last one, the third rank gets nothing, because batch norm needs two
    // images.
    let source = || source(20);
    for ranks in [2, 3] {
        let straight = each(ranks, &plan(), |trainer| {
            train(trainer, &source(), (1, 2));
            bits(&trainer.store().unwrap())
        });
        assert!(straight.iter().all(|bits| *bits == straight[0]), "{ranks} ranks");
        let resumed = each(ranks, &plan(), |trainer| {
            train(trainer, &source(), (0, 2));
            let ranks = Arc::clone(&trainer.ranks);
            let stored = trainer.store().unwrap();
            let mut again = Trainer::resume(plan(), settings(), stored, Device::Cpu).unwrap().among(ranks);
            train(&mut again, &source(), (1, 2));
            bits(&again.store().unwrap())
        });
        assert!(resumed == straight, "{ranks} ranks");
    }
}

#[test]
fn shares_count_by_their_images() {
    let shape = NetworkShape { kind: NetworkKind::Cifar, channels: 2, cells: 3, classes: CLASSES };
    let plan = Plan::full(&published::genotype("RelativeNAS").unwrap(), &shape, false);
    // One part has two images, the other three.
    let part = |rank: usize| {
        let share = Share { rank, ranks: 2, least: 1 };
        let feed = BatchSettings { batch: 5, share, ..fresh().feed() };
        source(5).training(feed, 0, 0).unwrap().next().unwrap().unwrap()
    };
    let apart = [0, 1].map(|rank| {
        let mut trainer = Trainer::new(plan.clone(), settings(), Device::Cpu).unwrap();
        let found = trainer.differentiate(&part(rank), None).unwrap();
        (found.loss, found.gradient, trainer.weights.parts().1.shallow_clone())
    });
    let mean = |of: fn(&(Tensor, Tensor, Tensor)) -> &Tensor| of(&apart[0]) * 0.4 + of(&apart[1]) * 0.6;
    let together = each(2, &plan, |trainer| {
        let part = part(trainer.ranks.rank());
        assert_eq!((part.len(), part.whole), ([2, 3][trainer.ranks.rank()], 5));
        let found = trainer.learn_together(&part, None).unwrap();
        (found.loss, found.gradient, trainer.weights.parts().1.shallow_clone())
    });
    for (loss, gradient, statistics) in &together {
        near("loss", loss, &mean(|found| &found.0));
        near("gradient", gradient, &mean(|found| &found.1));
        near("statistics", statistics, &mean(|found| &found.2));
    }
}

#[test]
fn ranks_with_the_same_images_learn_what_one_learns() {
    let images = || {
        let feed = BatchSettings { batch: 8, share: Share::WHOLE, ..fresh().feed() };
        source(8).training(feed, 0, 0).unwrap().next().unwrap().unwrap()
    };
    let mut one = fresh();
    one.step(&images()).unwrap();
    let expected = Vec::<f32>::try_from(&*one.weights.parameters()).unwrap();
    let two = each(2, &plan(), |trainer| {
        let part = BatchPart { first: 8 * trainer.ranks.rank(), whole: 16, ..images() };
        trainer.step(&part).unwrap();
        (Vec::<f32>::try_from(&*trainer.weights.parameters()).unwrap(), trainer.position().unwrap())
    });
    for (parameters, position) in two {
        assert!(parameters == expected);
        assert_eq!((position.images, position.right), (16, 2 * one.position().unwrap().right));
        assert!((position.loss - 2.0 * one.position().unwrap().loss).abs() < 1e-5);
    }
}

#[test]
fn ranks_that_drifted_apart_take_what_the_first_has() {
    let found = each(2, &plan(), |trainer| {
        train(trainer, &source(8), (0, 1));
        if trainer.ranks.rank() == 1 {
            let _ = no_grad(|| trainer.weights.parameters().f_mul_scalar_(1.001)).unwrap();
        }
        let before = bits(&trainer.store().unwrap());
        trainer.take_from_first().unwrap();
        [before, bits(&trainer.store().unwrap())]
    });
    let [[first, of_first], [second, of_second]] = [&found[0], &found[1]];
    assert!(first != second && of_first == first && of_second == first);
}

#[test]
fn an_evaluation_by_ranks_is_that_of_all_images() {
    let go = |_| relativenas_core::search::Flow::Go;
    let judge = |trainer: &Trainer| {
        evaluate(&trainer.frozen().unwrap(), &source(50), 20, usize::MAX, &*trainer.ranks, &go)
            .unwrap()
            .unwrap()
    };
    let one = judge(&fresh());
    for found in each(3, &plan(), |trainer| judge(trainer)) {
        assert!((found.loss - one.loss).abs() < 1e-5 * one.loss.0, "{found:?} {one:?}");
        assert_eq!(Evaluation { loss: Loss(0.0), ..found }, Evaluation { loss: Loss(0.0), ..one });
    }
}
