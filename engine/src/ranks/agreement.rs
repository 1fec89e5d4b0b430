//! What ranks compare before they begin, because a single rank with other data or settings would make the
//! results wrong.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Ranks;

/// The state of a rank after its preparation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Why the rank is not ready; `None` if it is.
    pub problem: Option<String>,
    /// Fingerprints that have to be equal on all ranks, each after a description of what it identifies.
    pub fingerprints: Vec<(String, String)>,
}

/// Why ranks cannot work together, in words; every rank has the same text, so one of them prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement(String);

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Disagreement {}

/// Compares the cards of all ranks.
///
/// # Errors
/// A [`Disagreement`] if a rank is not ready or has fingerprints other than those of rank 0; another error if
/// a rank has ended.
pub fn agree(ranks: &dyn Ranks, mine: &Card) -> anyhow::Result<()> {
    let cards = ranks.gather(&serde_json::to_vec(mine)?)?;
    let cards: Vec<Card> =
        cards.iter().map(|bytes| serde_json::from_slice(bytes)).collect::<Result<_, _>>()?;
    let named = |rank: usize| ranks.name(rank);
    for (rank, card) in cards.iter().enumerate() {
        if let Some(problem) = &card.problem {
            return Err(Disagreement(format!("{}: {problem}", named(rank))).into());
        }
    }
    let first = &cards[0];
    for (rank, card) in cards.iter().enumerate().skip(1) {
        let pairs = first.fingerprints.iter().zip(&card.fingerprints);
        if let Some(((what, expected), (_, found))) = pairs.into_iter().find(|(first, other)| first != other)
        {
            let (odd, usual) = (named(rank), named(0));
            return Err(Disagreement(format!(
                "{odd} has another {what} than {usual} ({found} instead of {expected}); all ranks must have the same"
            ))
            .into());
        }
    }
    Ok(())
}
