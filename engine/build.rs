//! Links the engine against libtorch, and leaves a run path so that it is found at run time.

use std::{env, path::Path};

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    // torch-sys hands the folder to direct dependents only, which is why this package is one.
    let Ok(lib) = env::var("DEP_TCH_LIBTORCH_LIB") else {
        return;
    };
    // In an archive that `make dist` packs, libraries lie in a folder beside the program.
    println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN/lib:{lib}");
    if Path::new(&lib).join("libtorch_cuda.so").exists() {
        // Nothing of ours names a symbol of libtorch_cuda, so the linker would drop it and
        // CUDA would not be found. In the CPU variant libtorch.so must not be linked: it
        // wants the libtorch_cuda.so that is not there.
        println!("cargo:rustc-link-arg=-Wl,--no-as-needed");
        println!("cargo:rustc-link-arg=-ltorch");
    }
}
