//! Keys, and which action each of them means.

use std::{collections::BTreeMap, fmt, str::FromStr};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::{
    actions::{Action, TABLE},
    view::View,
};

/// A key together with the modifiers that are held down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Hash)]
pub struct Key {
    code: KeyCode,
    control: bool,
    alt: bool,
}

/// Letters that are never used with Ctrl, because the terminal, tmux or screen intercept them: prefix keys
/// and flow control.
const RESERVED: [char; 4] = ['a', 'b', 's', 'q'];

const NAMED: [(&str, KeyCode); 14] = [
    ("space", KeyCode::Char(' ')),
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("backtab", KeyCode::BackTab),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pageup", KeyCode::PageUp),
];

const PAGE_DOWN: &str = "pagedown";

impl From<KeyEvent> for Key {
    fn from(event: KeyEvent) -> Self {
        Self {
            code: event.code,
            control: event.modifiers.contains(KeyModifiers::CONTROL),
            alt: event.modifiers.contains(KeyModifiers::ALT),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.control {
            write!(f, "ctrl-")?;
        }
        if self.alt {
            write!(f, "alt-")?;
        }
        match self.code {
            KeyCode::PageDown => write!(f, "{PAGE_DOWN}"),
            KeyCode::F(number) => write!(f, "f{number}"),
            code => match (NAMED.iter().find(|(_, named)| *named == code), code) {
                (Some((name, _)), _) => write!(f, "{name}"),
                (None, KeyCode::Char(letter)) => write!(f, "{letter}"),
                (None, code) => write!(f, "{code}"),
            },
        }
    }
}

impl FromStr for Key {
    type Err = ();

    /// Reads what [`fmt::Display`] writes, such as `space`, `G`, `ctrl-l`, `alt-x` or `f5`.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (mut rest, mut control, mut alt) = (text, false, false);
        loop {
            if let Some(after) = rest.strip_prefix("ctrl-") {
                (rest, control) = (after, true);
            } else if let Some(after) = rest.strip_prefix("alt-") {
                (rest, alt) = (after, true);
            } else {
                break;
            }
        }
        let mut letters = rest.chars();
        let code = match (letters.next(), letters.next()) {
            (Some(letter), None) => KeyCode::Char(letter),
            _ if rest == PAGE_DOWN => KeyCode::PageDown,
            _ => match NAMED.iter().find(|(name, _)| *name == rest) {
                Some((_, code)) => *code,
                None => KeyCode::F(rest.strip_prefix('f').and_then(|n| n.parse().ok()).ok_or(())?),
            },
        };
        Ok(Self { code, control, alt })
    }
}

impl Key {
    /// Whether Ctrl is held down, so that the key may mean an action even while a text is typed.
    pub fn is_control(self) -> bool {
        self.control
    }

    fn is_reserved(self) -> bool {
        self.control && matches!(self.code, KeyCode::Char(c) if RESERVED.contains(&c.to_ascii_lowercase()))
    }
}

/// What is wrong with the `[keys]` of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("keys.{id}: there is no action `{id}`{}", .nearest.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    UnknownAction { id: String, nearest: Option<&'static str> },
    #[error(
        "keys.{id}: `{key}` is no key; write a letter, a name such as space, enter, esc, up or f5, \
         with ctrl- or alt- before it if need be"
    )]
    UnknownKey { id: String, key: String },
    #[error("keys.{id}: `{key}` belongs to tmux or the terminal and never arrives here; choose another")]
    Reserved { id: String, key: String },
    #[error("`{key}` is the key of both `{first}` and `{second}`; change keys.{first} or keys.{second}")]
    Conflict { key: String, first: &'static str, second: &'static str },
}

/// The keys of every action.
#[derive(Clone, Debug)]
pub struct KeyMap {
    keys: Vec<(Action, Vec<Key>)>,
}

impl KeyMap {
    /// The default keys with some changes: a map from an action's id to its keys, separated by spaces. An empty text
    /// leaves an action without a key; the palette still offers it.
    ///
    /// # Errors
    /// If an action or a key does not exist, or two actions that can be had at the same time share one.
    pub fn new(changes: &BTreeMap<String, String>) -> Result<Self, KeyError> {
        for id in changes.keys() {
            if !TABLE.iter().any(|definition| definition.id == id) {
                let nearest = relativenas_core::nearest(id, TABLE.iter().map(|definition| definition.id));
                return Err(KeyError::UnknownAction { id: id.clone(), nearest });
            }
        }
        let mut keys = Vec::with_capacity(TABLE.len());
        for definition in TABLE {
            let texts = changes.get(definition.id).map_or(definition.keys, String::as_str);
            let read = |text: &str| match text.parse::<Key>() {
                Err(()) => Err(KeyError::UnknownKey { id: definition.id.to_owned(), key: text.to_owned() }),
                Ok(key) if key.is_reserved() => {
                    Err(KeyError::Reserved { id: definition.id.to_owned(), key: text.to_owned() })
                }
                Ok(key) => Ok(key),
            };
            let read: Result<Vec<_>, _> = texts.split_whitespace().map(read).collect();
            keys.push((definition.action, read?));
        }
        let map = Self { keys };
        map.check()?;
        Ok(map)
    }

    fn check(&self) -> Result<(), KeyError> {
        for (index, (first, keys)) in self.keys.iter().enumerate() {
            for (second, others) in &self.keys[index + 1..] {
                let (first, second) = (first.definition(), second.definition());
                if !first.place.meets(second.place) {
                    continue;
                }
                if let Some(key) = keys.iter().find(|key| others.contains(key)) {
                    return Err(KeyError::Conflict {
                        key: key.to_string(),
                        first: first.id,
                        second: second.id,
                    });
                }
            }
        }
        Ok(())
    }

    /// The action of a key in a view, if it has one there.
    pub fn action(&self, key: Key, view: View) -> Option<Action> {
        let here = |action: &Action| action.definition().place.has(view);
        self.keys.iter().find(|(action, keys)| keys.contains(&key) && here(action)).map(|(action, _)| *action)
    }

    /// The first key of an action, as text.
    pub fn key(&self, action: Action) -> Option<String> {
        self.all(action).next()
    }

    /// All keys of an action, as text.
    pub fn all(&self, action: Action) -> impl Iterator<Item = String> {
        let keys = self.keys.iter().find(|(a, _)| *a == action).map(|(_, keys)| keys.as_slice());
        keys.unwrap_or_default().iter().map(Key::to_string)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(changes: &[(&str, &str)]) -> Result<KeyMap, KeyError> {
        KeyMap::new(&changes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    fn check_error(id: &str, keys: &str, message: &str) {
        assert_eq!(map(&[(id, keys)]).expect_err(keys).to_string(), message);
    }

    #[test]
    fn the_default_keys_have_no_conflict_and_are_read_back() {
        let map = map(&[]).expect("no conflict");
        for (action, keys) in &map.keys {
            for key in keys {
                assert_eq!(key.to_string().parse(), Ok(*key), "{action:?}");
            }
        }
    }

    #[test]
    fn keys_can_be_changed_and_exchanged() {
        let map = map(&[("pause", "p"), ("pause-at", "space")]).expect("no conflict");
        let key = |text: &str| text.parse().expect("a key");
        assert_eq!(map.action(key("p"), View::Overview), Some(Action::Pause));
        assert_eq!(map.action(key("space"), View::Overview), Some(Action::PauseAt));
    }

    #[test]
    fn wrong_keys_are_refused_by_name() {
        check_error(
            "pause",
            "q",
            "`q` is the key of both `pause` and `detach`; change keys.pause or keys.detach",
        );
        check_error("puase", "p", "keys.puase: there is no action `puase`; did you mean `pause`?");
        check_error(
            "pause",
            "ctrl-b",
            "keys.pause: `ctrl-b` belongs to tmux or the terminal and never arrives here; choose another",
        );
        check_error(
            "pause",
            "spcae",
            "keys.pause: `spcae` is no key; write a letter, a name such as space, enter, esc, up or f5, \
             with ctrl- or alt- before it if need be",
        );
    }

    #[test]
    fn one_key_may_mean_different_things_in_different_views() {
        let map = map(&[]).expect("no conflict");
        let n = "n".parse().expect("a key");
        assert_eq!(map.action(n, View::Runs), Some(Action::NewSearch));
        assert_eq!(map.action(n, View::Log), Some(Action::SearchNext));
    }
}
