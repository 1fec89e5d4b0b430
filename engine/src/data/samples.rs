//! Where the sample files are that tests read.

use std::path::{Path, PathBuf};

pub(crate) fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/samples").join(name)
}
