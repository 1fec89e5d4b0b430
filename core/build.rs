//! Names this build by what both programs must agree on: the sources of this crate and the
//! defaults. No git is needed, and a change elsewhere does not make a new name.

use std::{env, fs, io, path::Path};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=src");
    println!("cargo:rerun-if-changed=../config.toml");
    let mut files = vec![Path::new("../config.toml").to_owned()];
    collect(Path::new("src"), &mut files)?;
    files.sort();
    // FNV-1a, 64 bit.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for file in files {
        for byte in fs::read(&file)? {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    println!("cargo:rustc-env=RELATIVENAS_BUILD={version}+{:08x}", hash >> 32);
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<std::path::PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
