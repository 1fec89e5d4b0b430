//! Whether a stopped run may be gone on with.

use anyhow::{Result, anyhow, bail};

use crate::{
    engine::{
        connection::finished,
        liveness::{Liveness, liveness},
    },
    folder::RunFolder,
};

/// Whether an engine may be started on a run.
///
/// # Errors
/// If one lives, the run is finished, or it is of another version.
pub fn check_resumable(folder: &RunFolder, force: bool) -> Result<()> {
    let name = folder.reference();
    folder.manifest()?;
    match liveness(folder) {
        Liveness::Alive => bail!("{name}: an engine is running on it; `relativenas attach {name}` shows it"),
        Liveness::Unknown(why) if !force => {
            bail!(
                "{name}: locks do not work here ({why}); --force goes on without a lock, if you are sure that no engine runs"
            )
        }
        Liveness::Unknown(_) | Liveness::Gone => {}
    }
    folder.view()?; // One that is damaged is refused here.
    finished(folder).map_or(Ok(()), |why| Err(anyhow!(why)))
}
