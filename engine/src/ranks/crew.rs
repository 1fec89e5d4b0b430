//! Starting the ranks, as threads or as processes.

use std::{sync::Arc, thread, time::Duration};

use anyhow::Context as _;

use super::{Alone, Ranks, RanksError, Threads};

/// How many ranks there are, and whether they are threads or processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RankLayout {
    /// One rank, which is this process.
    #[default]
    Alone,
    /// Threads of one process, each with a device.
    Threads(usize),
    /// Processes that an MPI launcher started, of which this process is one.
    Processes(usize),
}

/// Calls one function on the first rank and another on all others, and waits until all have ended. In an
/// exchange, ranks wait for each other no longer than the timeout.
///
/// # Errors
/// The error of a rank that failed. Among processes only the first rank returns it; another rank that fails
/// prints its error and ends all processes.
pub fn together(
    ranked: RankLayout,
    timeout: Duration,
    first: impl FnOnce(&Arc<dyn Ranks>) -> anyhow::Result<()>,
    other: impl Fn(&Arc<dyn Ranks>) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<()> {
    match ranked {
        RankLayout::Alone => first(&(Arc::new(Alone) as _)),
        RankLayout::Threads(count) => in_threads(count, timeout, first, &other),
        RankLayout::Processes(count) => in_processes(count, timeout, first, other),
    }
}

fn in_threads(
    count: usize,
    timeout: Duration,
    first: impl FnOnce(&Arc<dyn Ranks>) -> anyhow::Result<()>,
    other: &(dyn Fn(&Arc<dyn Ranks>) -> anyhow::Result<()> + Sync),
) -> anyhow::Result<()> {
    let mut crew = Threads::crew(count, timeout).into_iter();
    let leader: Arc<dyn Ranks> = Arc::new(crew.next().context("there are no ranks")?);
    thread::scope(|scope| {
        let others = crew.map(|own| {
            let thread = thread::Builder::new().name(format!("rank-{}", own.rank()));
            thread.spawn_scoped(scope, move || {
                let (name, ranks): (_, Arc<dyn Ranks>) = (own.name(own.rank()), Arc::new(own));
                other(&ranks).context(name)
            })
        });
        let others = others.collect::<Result<Vec<_>, _>>()?;
        let mut outcome = first(&leader);
        drop(leader); // A rank that still waits for it hears that it is gone.
        for other in others {
            let theirs = other.join().map_err(|_| anyhow::anyhow!("the thread of a rank panicked"))?;
            // The message that another rank has ended says less than the reason why that rank ended.
            if matches!((&outcome, &theirs), (Err(known), Err(why)) if is_gone(known) && !is_gone(why)) {
                outcome = theirs;
            }
        }
        outcome
    })
}

fn is_gone(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| matches!(cause.downcast_ref(), Some(RanksError::Gone { .. })))
}

#[cfg(feature = "mpi")]
fn in_processes(
    count: usize,
    timeout: Duration,
    first: impl FnOnce(&Arc<dyn Ranks>) -> anyhow::Result<()>,
    other: impl Fn(&Arc<dyn Ranks>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    super::Mpi::with(count, timeout, |ranks| if ranks.is_first() { first(ranks) } else { other(ranks) })
}

#[cfg(not(feature = "mpi"))]
fn in_processes(
    count: usize,
    _timeout: Duration,
    _first: impl FnOnce(&Arc<dyn Ranks>) -> anyhow::Result<()>,
    _other: impl Fn(&Arc<dyn Ranks>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    Err(RanksError::NoMpi { asked: count }.into())
}
