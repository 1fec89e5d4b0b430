//! Files and folders that other programs leave in folders of images.

use std::collections::BTreeMap;

/// Their names, in small letters.
const NAMES: [&str; 13] = [
    "thumbs.db",
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "desktop.ini",
    "picasa.ini",
    "icon\r",
    "@eadir",
    "@tmp",
    "#recycle",
    "$recycle.bin",
    "system volume information",
    "lost+found",
    "__macosx",
];

/// The names that were skipped, and how often each.
#[derive(Debug, Default)]
pub(super) struct Junk(BTreeMap<String, usize>);

impl Junk {
    /// Whether a file or folder of this name is skipped; if so, it is counted.
    pub(super) fn takes(&mut self, name: &str) -> bool {
        let known = NAMES.contains(&name.to_ascii_lowercase().as_str());
        // There may be as many hidden files as there are images, each with another name, so they are counted
        // together.
        let kind = match (known, name) {
            (true, _) => name,
            (false, ".DS_Store") => name,
            (false, _) if name.starts_with("._") => "._…",
            (false, _) if name.starts_with('.') => ".…",
            // The origin that Windows stores beside a download, once copied to another file system; and
            // copies that editors leave.
            (false, _) if name.ends_with(":Zone.Identifier") => "…:Zone.Identifier",
            (false, _) if name.ends_with('~') => "…~",
            _ => return false,
        };
        *self.0.entry(kind.to_owned()).or_default() += 1;
        true
    }

    /// A sentence about what was skipped, if anything was.
    pub(super) fn note(&self, folder: &str) -> Option<String> {
        let total: usize = self.0.values().sum();
        let kinds: Vec<_> =
            self.0.iter().map(|(name, count)| format!("{count} × {}", name.trim_end())).collect();
        (total > 0).then(|| {
            format!(
                "{folder}: passed over {total} files and folders of other programs ({})",
                kinds.join(", ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_leave_is_passed_over_and_counted() {
        let mut junk = Junk::default();
        for name in [
            "Thumbs.db",
            "Thumbs.db",
            "@eaDir",
            "__MACOSX",
            ".DS_Store",
            "._a.jpg",
            "._b.jpg",
            ".nfs01",
            "a.jpg~",
        ]
        .into_iter()
        .chain(["a.jpg:Zone.Identifier"])
        {
            assert!(junk.takes(name), "{name}");
        }
        for name in ["cat", "0001.jpg", "thumbs", "_a.jpg", "n01440764"] {
            assert!(!junk.takes(name), "{name}");
        }
        assert_eq!(
            junk.note("photos").as_deref(),
            Some(
                "photos: passed over 10 files and folders of other programs (1 × .DS_Store, 2 × ._…, 1 × .…, \
                 1 × @eaDir, 2 × Thumbs.db, 1 × __MACOSX, 1 × …:Zone.Identifier, 1 × …~)"
            )
        );
        assert_eq!(Junk::default().note("photos"), None);
    }
}
