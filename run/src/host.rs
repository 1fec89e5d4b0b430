//! The machine that this process runs on.

/// The name of this machine, as engines write it down.
pub fn this_host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
