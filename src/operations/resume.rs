//! Whether an engine may go on with a stopped run.

use anyhow::{Result, anyhow, bail};

use crate::{
    engine::{
        connection::finished,
        liveness::{Liveness, liveness},
    },
    folder::RunFolder,
};

/// Whether a run on which no engine works can go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resumable {
    Yes,
    /// It is finished; the sentence says what can be done with it.
    Finished(String),
}

/// Finds out whether an engine may be started on a run.
///
/// # Errors
/// If an engine works on the run already, or the run is damaged or of another version.
pub fn resumable(folder: &RunFolder, force: bool) -> Result<Resumable> {
    let name = folder.reference();
    folder.manifest()?;
    let view = folder.view()?; // One that is damaged is refused here.
    if let Some(sentence) = finished(folder, &view) {
        return Ok(Resumable::Finished(sentence));
    }
    match liveness(folder) {
        Liveness::Alive => bail!("{name}: an engine is running on it; `relativenas attach {name}` shows it"),
        Liveness::Unknown(why) if !force => {
            bail!(
                "{name}: locks do not work here ({why}); --force goes on without a lock, if you are sure that no engine runs"
            )
        }
        Liveness::Unknown(_) | Liveness::Gone => Ok(Resumable::Yes),
    }
}

/// Checks that an engine may be started on a run.
///
/// # Errors
/// As [`resumable`], and if the run is finished.
pub fn check_resumable(folder: &RunFolder, force: bool) -> Result<()> {
    match resumable(folder, force)? {
        Resumable::Yes => Ok(()),
        Resumable::Finished(sentence) => Err(anyhow!(sentence)),
    }
}
