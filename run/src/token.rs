//! Unique names: a process id alone is not unique where containers share folders.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// 32 hexadecimal digits that no other process, here or in a container beside, comes up with.
pub fn token() -> String {
    // Each state has keys of its own from the system's randomness.
    let random = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", random(), random())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_the_same() {
        let tokens: std::collections::BTreeSet<_> = (0..100).map(|_| token()).collect();
        assert_eq!(tokens.len(), 100);
        assert!(tokens.iter().all(|token| token.len() == 32));
    }
}
