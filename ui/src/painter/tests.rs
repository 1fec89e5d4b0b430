use proptest::prelude::*;
use ratatui::{
    buffer::Cell,
    style::{Color, Modifier, Style},
};

use super::{
    runs::is_blank,
    style::{CellStyle, OFF, ON, PLAIN},
    *,
};
use crate::draw::text;

/// A terminal that understands what the painter writes, and nothing else.
struct Screen {
    cells: Buffer,
    at: (u16, u16),
    style: CellStyle,
}

impl Screen {
    fn new(area: Rect) -> Self {
        Self { cells: Buffer::empty(area), at: (0, 0), style: PLAIN }
    }

    fn take(&mut self, bytes: &[u8]) {
        let text = std::str::from_utf8(bytes).expect("UTF-8");
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix(['\n', '\r', '\x08']) {
                match rest.as_bytes()[0] {
                    b'\n' => self.at.1 += 1,
                    b'\r' => self.at.0 = 0,
                    _ => self.at.0 -= 1,
                }
                assert!(
                    self.at.1 < self.cells.area.height,
                    "a line feed in the last row moves everything up"
                );
                rest = after;
            } else if let Some(after) = rest.strip_prefix("\x1bM") {
                assert!(self.at.1 > 0, "in the first row it moves everything down");
                self.at.1 -= 1;
                rest = after;
            } else if let Some(sequence) = rest.strip_prefix("\x1b[") {
                let end = sequence.find(|c: char| c.is_ascii_alphabetic()).expect("an end");
                self.obey(&sequence[..end], sequence.as_bytes()[end]);
                rest = &sequence[end + 1..];
            } else {
                let (_, end) = text::letters(rest).next().expect("a letter");
                self.write(&rest[..end]);
                rest = &rest[end..];
            }
        }
    }

    fn write(&mut self, letter: &str) {
        let style = Style::new().fg(self.style.fg).bg(self.style.bg).add_modifier(self.style.modifier);
        for x in self.at.0..self.at.0 + text::width(letter) as u16 {
            self.cells[(x, self.at.1)].reset();
        }
        self.cells.set_string(self.at.0, self.at.1, letter, style);
        self.at.0 += text::width(letter) as u16;
    }

    fn obey(&mut self, arguments: &str, order: u8) {
        let numbers: Vec<u16> = arguments.split(';').filter_map(|n| n.parse().ok()).collect();
        let place = |index: usize| numbers.get(index).map_or(0, |number| number - 1);
        match order {
            b'H' => self.at = (place(1), place(0)),
            b'G' => self.at.0 = place(0),
            b'A' => self.at.1 -= numbers[0],
            b'B' => self.at.1 += numbers[0],
            b'C' => self.at.0 += numbers.first().copied().unwrap_or(1),
            b'D' => self.at.0 -= numbers.first().copied().unwrap_or(1),
            b'J' => self.cells.reset(),
            b'K' => {
                assert_eq!(self.style.bg, Color::Reset, "what is erased takes the ground's colour");
                for x in self.at.0..self.cells.area.width {
                    self.cells[(x, self.at.1)].reset();
                }
            }
            b'm' => self.dress(&numbers),
            b'h' | b'l' => assert_eq!(arguments, "?2026"),
            _ => panic!("{arguments}{}", order as char),
        }
    }

    fn dress(&mut self, codes: &[u16]) {
        let mut codes = codes.iter();
        while let Some(&code) = codes.next() {
            if let Some((modifier, _)) = ON.iter().find(|(_, on)| *on == code.to_string()) {
                self.style.modifier |= *modifier;
            } else if let Some((modifier, _)) = OFF.iter().find(|(_, off)| *off == code.to_string()) {
                self.style.modifier -= *modifier;
            } else {
                match code {
                    0 => self.style = PLAIN,
                    39 => self.style.fg = Color::Reset,
                    49 => self.style.bg = Color::Reset,
                    31 => self.style.fg = Color::Red,
                    44 => self.style.bg = Color::Blue,
                    38 => {
                        let rgb: Vec<u8> = codes.by_ref().take(4).map(|&n| n as u8).collect();
                        self.style.fg = Color::Rgb(rgb[1], rgb[2], rgb[3]);
                    }
                    _ => panic!("{code}"),
                }
            }
        }
    }
}

/// What is seen; the second column of a wide letter shows nothing of its own.
fn seen(buffer: &Buffer) -> Vec<(String, CellStyle)> {
    let mut covered = 0;
    let mut cell = |(index, cell): (usize, &Cell)| {
        covered = if index % usize::from(buffer.area.width) == 0 { 0 } else { covered };
        let is_covered = covered > 0;
        covered = if is_covered { covered - 1 } else { text::width(cell.symbol()).max(1) - 1 };
        if is_covered || is_blank(cell) {
            (" ".to_owned(), PLAIN)
        } else {
            (cell.symbol().to_owned(), CellStyle::of(cell))
        }
    };
    buffer.content().iter().enumerate().map(&mut cell).collect()
}

fn frames() -> impl Strategy<Value = Vec<Vec<(u16, u16, String, usize)>>> {
    let word =
        prop::sample::select(vec!["a", "loss 1.08", "   ", "数据", "━━╸", "e\u{301}x", "          ", "b c"]);
    let put = (0..24_u16, 0..4_u16, word.prop_map(str::to_owned), 0..6_usize);
    prop::collection::vec(prop::collection::vec(put, 0..12), 1..6)
}

proptest! {
    #[test]
    fn a_terminal_shows_what_was_drawn(frames in frames()) {
        let area = Rect::new(0, 0, 24, 4);
        let styles = [
            Style::new(),
            Style::new().fg(Color::Red),
            Style::new().bg(Color::Blue).add_modifier(Modifier::BOLD),
            Style::new().add_modifier(Modifier::DIM | Modifier::UNDERLINED),
            Style::new().fg(Color::Rgb(1, 2, 3)).add_modifier(Modifier::REVERSED),
            Style::new().fg(Color::Rgb(9, 8, 7)).add_modifier(Modifier::BOLD | Modifier::DIM),
        ];
        let mut painter = Painter::new(Vec::new());
        let mut screen = Screen::new(area);
        for frame in frames {
            let mut buffer = Buffer::empty(area);
            for (x, y, word, style) in frame {
                buffer.set_string(x, y, word, styles[style]);
            }
            painter.writer.clear();
            painter.show(buffer.clone()).expect("memory takes everything");
            screen.take(&painter.writer);
            prop_assert_eq!(seen(&screen.cells), seen(&buffer));
        }
    }
}

#[test]
fn blanks_are_erased_and_what_is_the_same_is_not_written() {
    let area = Rect::new(0, 0, 80, 2);
    let mut painter = Painter::new(Vec::new());
    let draw = |painter: &mut Painter<Vec<u8>>, text: &str| {
        let mut buffer = Buffer::empty(area);
        buffer.set_string(0, 0, text, Style::new());
        painter.writer.clear();
        painter.show(buffer).expect("memory takes everything");
        String::from_utf8(painter.writer.clone()).expect("UTF-8")
    };
    assert_eq!(draw(&mut painter, "epoch 7"), "\x1b[?2026h\x1b[0m\x1b[2J\x1b[1Hepoch 7\x1b[?2026l");
    assert_eq!(draw(&mut painter, "epoch 7"), "");
    assert_eq!(draw(&mut painter, "epoch 8"), "\x1b[?2026h\x088\x1b[?2026l");
    let long = "x".repeat(70);
    draw(&mut painter, &long);
    assert_eq!(draw(&mut painter, "x"), "\x1b[?2026h\x1b[2G\x1b[K\x1b[?2026l");
}
