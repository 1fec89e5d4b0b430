//! The numbers of ranks that can share a search.

use super::Config;
use crate::space::Space;

/// Why ranks cannot share a search evenly.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnevenRanks {
    #[error(
        "{ranks} ranks cannot share the {learners} learners that this search estimates at once evenly; take {works}, or \
         another search.pairs_at_once"
    )]
    Learners { ranks: usize, learners: usize, works: String },
    #[error(
        "the losses of this search come from a table, so there is no work that {ranks} ranks could share; take one"
    )]
    Table { ranks: usize },
}

impl Config {
    /// Checks that this many ranks can share a search, with the same number of learners on each.
    ///
    /// # Errors
    /// If they cannot.
    pub fn check_ranks_of_search(&self, ranks: usize) -> Result<(), UnevenRanks> {
        let search = &self.search;
        if ranks <= 1 {
            return Ok(());
        }
        if search.space == Space::NasBench201 {
            return Err(UnevenRanks::Table { ranks });
        }
        let learners = search.searcher.together() * search.pairs_at_once;
        if learners.is_multiple_of(ranks) {
            return Ok(());
        }
        let works: Vec<_> =
            (1..=learners).filter(|n| learners.is_multiple_of(*n)).map(|n| n.to_string()).collect();
        let works = match works.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            _ => works.concat(),
        };
        Err(UnevenRanks::Learners { ranks, learners, works })
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Layers;

    fn check(settings: &[&str], ranks: usize) -> Result<(), String> {
        let mut layers = Layers::built_in();
        settings.iter().for_each(|setting| layers.add_assignment(setting).expect("a setting"));
        layers.config().expect("valid").check_ranks_of_search(ranks).map_err(|error| error.to_string())
    }

    #[test]
    fn ranks_share_the_members_of_pairs_at_once_evenly_or_not_at_all() {
        let two_pairs = ["search.pairs_at_once=2"];
        assert_eq!((check(&[], 1), check(&[], 2)), (Ok(()), Ok(())));
        for (ranks, fits) in [(2, true), (3, false), (4, true), (8, false)] {
            assert_eq!(check(&two_pairs, ranks).is_ok(), fits, "{ranks}");
        }
        let error = check(&two_pairs, 3).unwrap_err();
        let expected = "3 ranks cannot share the 4 learners that this search estimates at once evenly; take 1, 2 or 4, or";
        assert!(error.starts_with(expected), "{error}");
        let alone = check(&["search.searcher=regularized-evolution"], 2).unwrap_err();
        assert!(alone.contains("the 1 learners that") && alone.contains("take 1,"), "{alone}");
        let table = check(&["search.space=nas-bench-201"], 2).unwrap_err();
        assert!(table.starts_with("the losses of this search come from a table"), "{table}");
    }
}
