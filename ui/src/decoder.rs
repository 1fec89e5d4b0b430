//! Decodes the bytes that a terminal sends: keys, pasted text, moves of the mouse, and answers to questions.
//!
//! crossterm's own reader cannot be used: it keeps the terminal's answers for calls that ask where the cursor is, and
//! never returns them to a call that waits for keys.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

/// Something that a terminal sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    Event(Event),
    /// The answer to the question where the cursor is. It shows that all that was written before the question has
    /// arrived.
    Cursor,
}

/// Collects bytes until they are a complete key, paste, move of the mouse or answer.
#[derive(Debug, Default)]
pub struct Decoder {
    held: Vec<u8>,
}

/// The beginning of what is held.
enum Next {
    /// It is not complete yet.
    Wait,
    /// So many bytes have no meaning here and are skipped.
    Skip(usize),
    Received(usize, Received),
}

const ESCAPE: u8 = 0x1b;
const PASTE_BEGINS: &[u8] = b"\x1b[200~";
const PASTE_ENDS: &[u8] = b"\x1b[201~";
/// Bytes of the longest sequence that is accepted. Those that terminals send have a few numbers and are shorter.
const LONGEST_SEQUENCE: usize = 64;

impl Decoder {
    /// Adds bytes that have arrived. Returns everything that is complete with them, in order.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Received> {
        self.held.extend_from_slice(bytes);
        let mut heard = Vec::new();
        let mut at = 0;
        loop {
            match next(&self.held[at..]) {
                Next::Wait => break,
                Next::Skip(length) => at += length,
                Next::Received(length, one) => {
                    at += length;
                    heard.push(one);
                }
            }
        }
        self.held.drain(..at);
        heard
    }

    /// Whether bytes are held that may be complete or only a beginning: the key Esc sends the byte with which every
    /// sequence begins. Only time tells them apart.
    pub fn hesitates(&self) -> bool {
        !self.held.is_empty() && !self.held.starts_with(PASTE_BEGINS)
    }

    /// Takes the bytes that are held for a key, because nothing has followed them for a while.
    pub fn settle(&mut self) -> Option<Received> {
        if !self.hesitates() {
            return None;
        }
        match *std::mem::take(&mut self.held) {
            [ESCAPE] => Some(key(KeyCode::Esc, KeyModifiers::NONE)),
            [ESCAPE, letter @ (b'[' | b'O')] => Some(key(KeyCode::Char(letter.into()), KeyModifiers::ALT)),
            _ => None, // A sequence that was cut off.
        }
    }
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Received {
    Received::Event(Event::Key(KeyEvent::new(code, modifiers)))
}

fn next(bytes: &[u8]) -> Next {
    match bytes {
        [] | [ESCAPE] | [ESCAPE, b'O'] => Next::Wait,
        [ESCAPE, b'O', last, ..] => match letter(*last) {
            Some(code) => Next::Received(3, key(code, KeyModifiers::NONE)),
            None => Next::Skip(3),
        },
        [ESCAPE, b'[', ..] => sequence(bytes),
        // Twice the key Esc, or once before a sequence.
        [ESCAPE, ESCAPE, ..] => Next::Received(1, key(KeyCode::Esc, KeyModifiers::NONE)),
        [ESCAPE, rest @ ..] => match next(rest) {
            Next::Received(length, Received::Event(Event::Key(plain))) => {
                Next::Received(length + 1, key(plain.code, plain.modifiers | KeyModifiers::ALT))
            }
            Next::Received(length, _) | Next::Skip(length) => Next::Skip(length + 1),
            Next::Wait => Next::Wait,
        },
        [first, ..] => match control(*first) {
            Some((code, modifiers)) => Next::Received(1, key(code, modifiers)),
            None => character(bytes),
        },
    }
}

fn control(byte: u8) -> Option<(KeyCode, KeyModifiers)> {
    let held = |letter: u8| (KeyCode::Char(letter.into()), KeyModifiers::CONTROL);
    match byte {
        b'\r' => Some((KeyCode::Enter, KeyModifiers::NONE)),
        b'\t' => Some((KeyCode::Tab, KeyModifiers::NONE)),
        0x7f => Some((KeyCode::Backspace, KeyModifiers::NONE)),
        0 => Some(held(b' ')),
        1..=0x1a => Some(held(byte - 1 + b'a')),
        0x1c..=0x1f => Some(held(byte - 0x1c + b'4')),
        _ => None,
    }
}

/// A letter in UTF-8.
fn character(bytes: &[u8]) -> Next {
    let length = match bytes[0] {
        0x00..=0x7f => 1,
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return Next::Skip(1),
    };
    let Some(letter) = bytes.get(..length) else { return Next::Wait };
    match str::from_utf8(letter).ok().and_then(|text| text.chars().next()) {
        Some(c) => {
            let shift = if c.is_uppercase() { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
            Next::Received(length, key(KeyCode::Char(c), shift))
        }
        None => Next::Skip(1),
    }
}

/// A sequence that begins with `ESC [`: numbers, and the letter that ends it.
fn sequence(bytes: &[u8]) -> Next {
    let end = match bytes.get(2) {
        // Keys of the Linux console, and the mouse as the oldest terminals send it.
        Some(b'[') => 3,
        _ => match bytes.iter().skip(2).position(|byte| (0x40..=0x7e).contains(byte)) {
            Some(place) => place + 2,
            None if bytes.len() > LONGEST_SEQUENCE => return Next::Skip(bytes.len()),
            None => return Next::Wait,
        },
    };
    let Some(&last) = bytes.get(end) else { return Next::Wait };
    let (numbers, length) = (&bytes[2..end], end + 1);
    if bytes.starts_with(PASTE_BEGINS) {
        return paste(bytes);
    }
    if numbers.is_empty() && last == b'M' {
        let Some(&[button, column, row]) = bytes.get(3..6) else { return Next::Wait };
        let at = |byte: u8| u16::from(byte).saturating_sub(32);
        return moved(6, u16::from(button).saturating_sub(32), (at(column), at(row)), false);
    }
    let is_console = numbers.first() == Some(&b'[');
    let fields: Vec<u16> = str::from_utf8(numbers.strip_prefix(b"<").unwrap_or(numbers))
        .unwrap_or_default()
        .split(';')
        .filter_map(|number| number.parse().ok())
        .collect();
    let modifiers = modifiers(fields.get(1).copied().unwrap_or(1));
    let code = match (last, &fields[..]) {
        (b'M' | b'm', &[button, column, row]) if numbers.starts_with(b"<") => {
            return moved(length, button, (column, row), last == b'm');
        }
        (b'M', &[button, column, row]) => {
            return moved(length, button.saturating_sub(32), (column, row), false);
        }
        (b'R', &[_, _]) => return Next::Received(length, Received::Cursor),
        (b'A'..=b'E', _) if is_console => Some(KeyCode::F(last - b'A' + 1)),
        (b'Z', _) => return Next::Received(length, key(KeyCode::BackTab, KeyModifiers::SHIFT)),
        (b'~', &[number, ..]) => numbered(number),
        _ => letter(last),
    };
    match code {
        Some(code) => Next::Received(length, key(code, modifiers)),
        None => Next::Skip(length),
    }
}

/// The key that the last letter of a sequence stands for.
fn letter(last: u8) -> Option<KeyCode> {
    Some(match last {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'F' => KeyCode::End,
        b'H' => KeyCode::Home,
        b'M' => KeyCode::Enter,
        b'P'..=b'S' => KeyCode::F(last - b'P' + 1),
        _ => return None,
    })
}

fn numbered(number: u16) -> Option<KeyCode> {
    Some(match number {
        1 | 7 => KeyCode::Home,
        2 => KeyCode::Insert,
        3 => KeyCode::Delete,
        4 | 8 => KeyCode::End,
        5 => KeyCode::PageUp,
        6 => KeyCode::PageDown,
        11..=15 => KeyCode::F(number as u8 - 10),
        17..=21 => KeyCode::F(number as u8 - 11),
        23 | 24 => KeyCode::F(number as u8 - 12),
        _ => return None,
    })
}

/// The modifiers that are held down. Their number is 1 plus the sum of 1 for Shift, 2 for Alt and 4 for Ctrl.
fn modifiers(number: u16) -> KeyModifiers {
    let bits = number.saturating_sub(1);
    let of = |bit, modifier| if bits & bit == 0 { KeyModifiers::NONE } else { modifier };
    of(1, KeyModifiers::SHIFT) | of(2, KeyModifiers::ALT) | of(4, KeyModifiers::CONTROL)
}

fn paste(bytes: &[u8]) -> Next {
    let text = &bytes[PASTE_BEGINS.len()..];
    let Some(end) = text.windows(PASTE_ENDS.len()).position(|window| window == PASTE_ENDS) else {
        return Next::Wait;
    };
    let pasted = String::from_utf8_lossy(&text[..end]).into_owned();
    Next::Received(PASTE_BEGINS.len() + end + PASTE_ENDS.len(), Received::Event(Event::Paste(pasted)))
}

/// A move, click or turn of the wheel. In `button`, bits 0, 1, 6 and 7 are the number of the button; the others stand
/// for Shift (4), Alt (8), Ctrl (16), and for a mouse that moves (32).
fn moved(length: usize, button: u16, (column, row): (u16, u16), released: bool) -> Next {
    let number = (button & 0b11) | ((button & 0b1100_0000) >> 4);
    let which = match number {
        0 => MouseButton::Left,
        1 => MouseButton::Middle,
        _ => MouseButton::Right,
    };
    let kind = match (number, button & 0b10_0000 != 0) {
        (0..=2, _) if released => MouseEventKind::Up(which),
        (0..=2, false) => MouseEventKind::Down(which),
        (0..=2, true) => MouseEventKind::Drag(which),
        (3, false) => MouseEventKind::Up(MouseButton::Left),
        (3, true) => MouseEventKind::Moved,
        (4, _) => MouseEventKind::ScrollUp,
        (5, _) => MouseEventKind::ScrollDown,
        (6, _) => MouseEventKind::ScrollLeft,
        (7, _) => MouseEventKind::ScrollRight,
        _ => return Next::Skip(length),
    };
    let modifiers = modifiers(((button >> 2) & 0b111) + 1);
    let event = MouseEvent { kind, column: column.saturating_sub(1), row: row.saturating_sub(1), modifiers };
    Next::Received(length, Received::Event(Event::Mouse(event)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn heard(bytes: &[u8]) -> Vec<Received> {
        let mut decoder = Decoder::default();
        let mut heard = decoder.feed(bytes);
        heard.extend(decoder.settle());
        heard
    }

    fn check(bytes: &[u8], code: KeyCode, modifiers: KeyModifiers) {
        assert_eq!(heard(bytes), [key(code, modifiers)], "{}", bytes.escape_ascii());
    }

    #[test]
    fn keys_are_what_terminals_send_for_them() {
        const NONE: KeyModifiers = KeyModifiers::NONE;
        check(b"q", KeyCode::Char('q'), NONE);
        check(b"Q", KeyCode::Char('Q'), KeyModifiers::SHIFT);
        check("数".as_bytes(), KeyCode::Char('数'), NONE);
        check(b"\r", KeyCode::Enter, NONE);
        check(b"\x0a", KeyCode::Char('j'), KeyModifiers::CONTROL);
        check(b"\x1a", KeyCode::Char('z'), KeyModifiers::CONTROL);
        check(b"\x7f", KeyCode::Backspace, NONE);
        check(b"\x1b", KeyCode::Esc, NONE);
        check(b"\x1bx", KeyCode::Char('x'), KeyModifiers::ALT);
        check(b"\x1b[A", KeyCode::Up, NONE);
        check(b"\x1bOA", KeyCode::Up, NONE);
        check(b"\x1b[1;5C", KeyCode::Right, KeyModifiers::CONTROL);
        check(b"\x1b[Z", KeyCode::BackTab, KeyModifiers::SHIFT);
        check(b"\x1b[5~", KeyCode::PageUp, NONE);
        check(b"\x1b[3;2~", KeyCode::Delete, KeyModifiers::SHIFT);
        check(b"\x1bOP", KeyCode::F(1), NONE);
        check(b"\x1b[15~", KeyCode::F(5), NONE);
        check(b"\x1b[24~", KeyCode::F(12), NONE);
        check(b"\x1b[[E", KeyCode::F(5), NONE);
    }

    #[test]
    fn answers_pastes_and_the_mouse_are_told_from_keys() {
        let mouse = |kind, column, row, modifiers| {
            Received::Event(Event::Mouse(MouseEvent { kind, column, row, modifiers }))
        };
        let left = MouseButton::Left;
        let paste = |text: &str| Received::Event(Event::Paste(text.to_owned()));
        assert_eq!(
            heard(b"a\x1b[24;80R\x1b[200~q\x1b[A\n\x1b[201~\x1b[<0;3;7M\x1b[<0;3;7m\x1b[<64;1;1M\x1b[M#!\"\x1b[<20;2;2M\x1b[I"),
            [
                key(KeyCode::Char('a'), KeyModifiers::NONE),
                Received::Cursor,
                paste("q\x1b[A\n"),
                mouse(MouseEventKind::Down(left), 2, 6, KeyModifiers::NONE),
                mouse(MouseEventKind::Up(left), 2, 6, KeyModifiers::NONE),
                mouse(MouseEventKind::ScrollUp, 0, 0, KeyModifiers::NONE),
                mouse(MouseEventKind::Up(left), 0, 1, KeyModifiers::NONE),
                mouse(MouseEventKind::Down(left), 1, 1, KeyModifiers::SHIFT | KeyModifiers::CONTROL),
            ]
        );
    }

    #[test]
    fn a_paste_that_takes_its_time_is_waited_for() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.feed(b"\x1b[200~half"), []);
        assert!(!decoder.hesitates());
        assert_eq!(decoder.settle(), None);
        assert_eq!(
            decoder.feed(b" of it\x1b[201~"),
            [Received::Event(Event::Paste("half of it".to_owned()))]
        );
    }

    #[test]
    fn what_is_cut_off_is_forgotten() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.feed(b"\x1b[1;"), []);
        assert!(decoder.hesitates());
        assert_eq!(decoder.settle(), None);
        assert_eq!(decoder.feed(b"q"), [key(KeyCode::Char('q'), KeyModifiers::NONE)]);
        let endless = [b"\x1b[".to_vec(), b"1;".repeat(100)].concat();
        assert_eq!(decoder.feed(&endless), []);
        assert_eq!(decoder.feed(b"q"), [key(KeyCode::Char('q'), KeyModifiers::NONE)]);
    }

    proptest! {
        #[test]
        fn pieces_mean_what_the_whole_means(bytes in prop::collection::vec(
            prop_oneof![any::<u8>(), Just(0x1b), Just(b'['), Just(b';'), Just(b'M'), b'0'..=b'9'], 0..40),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut whole = Decoder::default();
            let at_once = whole.feed(&bytes);
            let mut decoder = Decoder::default();
            let cut = cut.index(bytes.len() + 1);
            let mut in_pieces = decoder.feed(&bytes[..cut]);
            in_pieces.extend(decoder.feed(&bytes[cut..]));
            prop_assert_eq!(at_once, in_pieces);
        }
    }
}
