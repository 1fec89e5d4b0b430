//! How long a search will take, by the pace of an earlier one that worked alike.

use relativenas_core::{
    config::Config,
    event::Event,
    manifest::{Job, Manifest},
    space::Space,
};

use crate::{folder::RunFolder, log::LogReader, written};

/// Runs that are looked at, from the newest.
const LOOKED_AT: usize = 20;
/// Pairs that make a pace.
const ENOUGH: usize = 2;

/// How long a search will take, as a sentence; `None` if no earlier run tells.
pub fn estimate(config: &Config, earlier: &[RunFolder]) -> Option<String> {
    earlier.iter().take(LOOKED_AT).find_map(|folder| {
        folder.manifest().ok().filter(|m| works_alike(m, config))?;
        let seconds = seconds_a_pair(folder)?;
        // Every generation, and the ranking after the last.
        let pairs = config.search.population as f64 / 2.0 * f64::from(config.search.generations + 1);
        let time = written::duration(seconds * pairs);
        Some(format!("about {time}, at the pace of {}", folder.name()))
    })
}

/// Whether a pair of that run took as long as one of ours will.
fn works_alike(manifest: &Manifest, ours: &Config) -> bool {
    let theirs = &manifest.config;
    let space = ours.search.space;
    if manifest.job != Job::Search || theirs.search.space != space {
        return false;
    }
    if space == Space::NasBench201 {
        return theirs.table.milliseconds == ours.table.milliseconds;
    }
    theirs.data == ours.data
        && theirs.network == ours.network
        && theirs.training.batch == ours.training.batch
        && theirs.device == ours.device
}

/// The median time between the ends of two pairs of one generation: a pause is an outlier.
fn seconds_a_pair(folder: &RunFolder) -> Option<f64> {
    let mut reader = LogReader::new(folder);
    let (mut last, mut gaps) = (None, Vec::new());
    loop {
        let batch = reader.batch().ok()?;
        if batch.is_empty() {
            break;
        }
        for line in batch {
            last = match line.event {
                Event::PairCompared { .. } | Event::GenerationStarted { .. } => {
                    gaps.extend(last.map(|before| line.time - before));
                    Some(line.time)
                }
                _ => None,
            };
        }
    }
    if gaps.len() < ENOUGH {
        return None;
    }
    gaps.sort_unstable();
    Some(gaps[gaps.len() / 2] as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn an_earlier_run_that_works_alike_sets_the_pace() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "earlier");
        // Lines of this log are a second apart: two pairs a generation, three with the ranking.
        fixture::write_log(&folder, &fixture::log(3));
        let mut config = fixture::config();
        let sentence = estimate(&config, std::slice::from_ref(&folder));
        assert_eq!(sentence.as_deref(), Some("about 6 s, at the pace of earlier"));
        config.network.channels *= 2;
        assert_eq!(estimate(&config, std::slice::from_ref(&folder)), None);
        let mut table = fixture::config();
        table.search.space = Space::NasBench201;
        assert_eq!(estimate(&table, &[folder]), None, "a table is no network");
    }
}
