//! What ranks compare before they begin: one that differs would spoil the work of all.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Ranks;

/// What a rank found when it made itself ready.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Why it is not ready.
    pub problem: Option<String>,
    /// Fingerprints that have to be equal, with what they are of.
    pub fingerprints: Vec<(String, String)>,
}

/// Ranks that cannot work together, in words; every rank has the same, so one of them says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement(String);

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Disagreement {}

/// Shows every rank the cards of all.
///
/// # Errors
/// A [`Disagreement`] if one of them is not ready, or has other fingerprints than rank 0; else if a rank is gone.
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
                "{odd} has another {what} than {usual} ({found}, then {expected}); all ranks have to work with the same"
            ))
            .into());
        }
    }
    Ok(())
}
