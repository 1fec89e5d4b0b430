//! Writes the difference of two frames in few bytes: blanks are erased, colours named once, and the cursor moved
//! only where that is shorter than writing over what is there.

use std::io::{self, Write};

use ratatui::{
    buffer::{Buffer, Cell},
    layout::Rect,
    style::{Color, Modifier},
};

use crate::{
    draw::text,
    moves::{self, Target},
};

/// Writes the difference of two frames, and nothing where there is none.
///
/// ratatui's own backend resets and names colours for every change, and writes blanks one by one.
pub struct Painter<W: Write> {
    writer: W,
    shown: Buffer,
    pen: WritingState,
}

/// The style and the position with which the terminal would write the next letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct WritingState {
    style: CellStyle,
    /// Column and row, if they are known.
    at: Option<(u16, u16)>,
    /// Since the cursor was last placed, only letters were written on whose width all terminals agree.
    is_sure: bool,
}

/// Colours and modifiers of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CellStyle {
    fg: Color,
    bg: Color,
    modifier: Modifier,
}

const PLAIN: CellStyle = CellStyle { fg: Color::Reset, bg: Color::Reset, modifier: Modifier::empty() };
const FROM_NOTHING: WritingState = WritingState { style: PLAIN, at: None, is_sure: false };

/// The usual number of unchanged letters up to which they are written again instead of moving the cursor past them.
const SHORT_GAP: u16 = 4;

impl<W: Write> Painter<W> {
    pub fn new(writer: W) -> Self {
        Self { writer, shown: Buffer::empty(Rect::ZERO), pen: FROM_NOTHING }
    }

    /// Forgets what is on the screen: the next frame is drawn in full.
    pub fn forget(&mut self) {
        self.shown = Buffer::empty(Rect::ZERO);
    }

    /// Shows a frame; says whether anything was written. The first one, and one of another size, is drawn on a
    /// cleared screen.
    ///
    /// # Errors
    /// If the terminal cannot be written.
    pub fn show(&mut self, frame: Buffer) -> io::Result<bool> {
        let mut bytes = Vec::new();
        let mut pen = self.pen;
        if frame.area != self.shown.area {
            self.shown = Buffer::empty(frame.area);
            bytes.extend_from_slice(b"\x1b[0m\x1b[2J");
            pen = FROM_NOTHING;
        }
        let width = usize::from(frame.area.width).max(1);
        let mut runs = Vec::new();
        // Cells that are still to be written.
        let mut open = vec![false; frame.content().len()];
        let rows = self.shown.content().chunks(width).zip(frame.content().chunks(width));
        for (y, (old, new)) in (0..).zip(rows) {
            let found = row(&mut bytes, &mut pen, (old, new), y);
            // What has the pen's colour already is written where the row was erased.
            let (now, later): (Vec<Run>, Vec<Run>) =
                found.into_iter().partition(|run| run.style == pen.style);
            let open = &mut open[usize::from(y) * width..][..width];
            later.iter().for_each(|run| open[run.place()].fill(true));
            now.iter().for_each(|run| write_run(&mut bytes, &mut pen, run, (new, open)));
            runs.extend(later);
        }
        // Runs are written style by style, because a move takes fewer bytes than a change of colour.
        while let Some(style) = runs.first().map(|run| run.style) {
            let (now, later): (Vec<Run>, Vec<Run>) = runs.into_iter().partition(|run| run.style == style);
            dress(&mut bytes, &mut pen.style, style);
            let start = |run: &Run| usize::from(run.at.1) * width;
            now.iter().for_each(|run| open[start(run)..][run.place()].fill(false));
            for run in &now {
                let row = (&frame.content()[start(run)..][..width], &open[start(run)..][..width]);
                write_run(&mut bytes, &mut pen, run, row);
            }
            runs = later;
        }
        if bytes.is_empty() {
            self.shown = frame; // Blanks may differ in what cannot be seen.
            return Ok(false);
        }
        self.writer.write_all(b"\x1b[?2026h")?;
        let written = self.writer.write_all(&bytes);
        // The synchronized update is ended even if writing failed.
        self.writer.write_all(b"\x1b[?2026l")?;
        self.writer.flush()?;
        written?;
        self.shown = frame;
        self.pen = pen;
        Ok(true)
    }
}

/// Letters of one style side by side.
struct Run {
    at: (u16, u16),
    columns: u16,
    style: CellStyle,
    text: String,
}

impl Run {
    /// The columns that it takes.
    fn place(&self) -> std::ops::Range<usize> {
        usize::from(self.at.0)..usize::from(self.at.0 + self.columns)
    }
}

/// Writes a run, whose style the pen has, into its row, of which some cells are still open: they are written later.
fn write_run(bytes: &mut Vec<u8>, pen: &mut WritingState, run: &Run, (row, open): (&[Cell], &[bool])) {
    go_to(bytes, pen, (row, open), run.at);
    bytes.extend_from_slice(run.text.as_bytes());
    pen.is_sure &= run.text.is_ascii();
    // Behind the last column terminals differ in where the cursor is.
    let x = run.at.0 + run.columns;
    pen.at = Some((x, run.at.1)).filter(|_| usize::from(x) < row.len());
}

/// Finds what changed in a row, and erases what is blank now where that is shorter; gives what is to be written.
fn row(bytes: &mut Vec<u8>, pen: &mut WritingState, (old, new): (&[Cell], &[Cell]), y: u16) -> Vec<Run> {
    let Some(first) = old.iter().zip(new).position(|(old, new)| !is_same(old, new)) else {
        return Vec::new();
    };
    let end = new.iter().rposition(|cell| !is_blank(cell)).map_or(0, |last| last + 1);
    // In a row with wide letters a column may lie within one of them, so such a row is not erased.
    let is_narrow = |cells: &[Cell]| cells.iter().all(|cell| text::width(cell.symbol()) <= 1);
    let changed = changes(old, new, y);
    // Erase the whole row if it is mostly blank now.
    let blank = vec![Cell::EMPTY; new.len()];
    let anew = changes(&[&new[..first], &blank[first..]].concat(), new, y);
    // Erase only the end of the row if that is blank now.
    let tail_is_left = old.iter().skip(end).filter(|cell| !is_blank(cell)).count() > 3;
    let ended = changes(&[&old[..end.max(first)], &blank[end.max(first)..]].concat(), new, y);
    let erases = |at: usize, runs: &[Run]| cost(runs) + 8 + usize::from(at > 99);
    let narrow = is_narrow(old) && is_narrow(new);
    let choices = [
        (cost(&changed), changed, None),
        (if narrow { erases(first, &anew) } else { usize::MAX }, anew, Some(first)),
        (if narrow && tail_is_left { erases(end, &ended) } else { usize::MAX }, ended, Some(end.max(first))),
    ];
    let Some((_, chosen, erased)) = choices.into_iter().min_by_key(|(cost, ..)| *cost) else {
        return Vec::new();
    };
    if let Some(x) = erased {
        erase(bytes, pen, (x as u16, y));
    }
    chosen
}

/// About how many bytes the runs of a row take: their letters, what leads from one to the next, and now and then a
/// colour. Those of one style are written one after the other.
fn cost(runs: &[Run]) -> usize {
    let mut ends: Vec<(CellStyle, u16)> = Vec::new();
    let way = |run: &Run| {
        let end = run.at.0 + run.columns;
        match ends.iter_mut().find(|(style, _)| *style == run.style) {
            Some((_, before)) => {
                let gap = run.at.0 - *before;
                *before = end;
                usize::from(if gap <= SHORT_GAP { gap } else { 4 })
            }
            None => {
                ends.push((run.style, end));
                5
            }
        }
    };
    runs.iter().map(|run| run.text.len()).sum::<usize>() + runs.iter().map(way).sum::<usize>()
}

/// Every cell that changed, those of one style together.
fn changes(old: &[Cell], new: &[Cell], y: u16) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut x = 0;
    // The number of columns, from here on, that a wide letter of the old frame covered.
    let mut uncovered = 0;
    while x < new.len() {
        let columns = text::width(new[x].symbol()).max(1);
        let was = text::width(old[x].symbol()).max(1);
        if uncovered > 0 || !is_same(&old[x], &new[x]) {
            let (at, style) = ((x as u16, y), look(&new[x]));
            match runs.last_mut() {
                Some(run) if run.style == style && run.at.0 + run.columns == at.0 => {
                    run.text.push_str(new[x].symbol());
                    run.columns += columns as u16;
                }
                _ => runs.push(Run { at, columns: columns as u16, style, text: new[x].symbol().to_owned() }),
            }
            uncovered = uncovered.max(was);
        }
        uncovered = uncovered.saturating_sub(columns);
        x += columns;
    }
    runs
}

/// Moves the cursor, or writes what is in between if that takes no more bytes.
fn go_to(bytes: &mut Vec<u8>, pen: &mut WritingState, (row, open): (&[Cell], &[bool]), (x, y): (u16, u16)) {
    let before = pen.at.replace((x, y));
    if before == Some((x, y)) {
        return;
    }
    let is_left_blank = row.get(..usize::from(x)).is_some_and(|before| before.iter().all(is_blank));
    let target = Target { x, y, behind_blanks: is_left_blank && shows_no_blanks(pen.style) };
    let way = moves::way(before, pen.is_sure, target);
    let between = before.filter(|(from, line)| *line == y && *from < x).and_then(|(from, _)| {
        let columns = usize::from(from)..usize::from(x);
        written_between(row.get(columns.clone())?, open.get(columns)?, pen.style, way.len())
    });
    match between {
        Some(between) => bytes.extend_from_slice(&between),
        None => {
            bytes.extend_from_slice(way.as_bytes());
            pen.is_sure = true;
        }
    }
}

/// What leads across these cells with the pen's style: what they hold, or anything where they are written later.
/// `None` if it cannot be written in this style, or takes more than `most` bytes.
fn written_between(cells: &[Cell], open: &[bool], style: CellStyle, most: usize) -> Option<Vec<u8>> {
    if cells.len() > most {
        return None;
    }
    let letter = |(cell, &open): (&Cell, &bool)| {
        let same = look(cell) == style || (is_blank(cell) && shows_no_blanks(style));
        match cell.symbol().as_bytes() {
            _ if open => Some(b' '),
            &[letter] if same && letter.is_ascii() => Some(letter),
            _ => None,
        }
    };
    cells.iter().zip(open).map(letter).collect()
}

/// Erases a row from a column on, in the terminal's own colours.
fn erase(bytes: &mut Vec<u8>, pen: &mut WritingState, (x, y): (u16, u16)) {
    go_to(bytes, pen, (&[], &[]), (x, y));
    let ground = CellStyle { bg: Color::Reset, ..pen.style };
    dress(bytes, &mut pen.style, ground);
    bytes.extend_from_slice(b"\x1b[K");
}

fn look(cell: &Cell) -> CellStyle {
    CellStyle { fg: cell.fg, bg: cell.bg, modifier: cell.modifier }
}

/// Whether two cells look the same.
fn is_same(a: &Cell, b: &Cell) -> bool {
    (is_blank(a) && is_blank(b)) || (a.symbol() == b.symbol() && look(a) == look(b))
}

/// Whether a cell is what an erased one is.
fn is_blank(cell: &Cell) -> bool {
    cell.symbol() == " " && cell.bg == Color::Reset && shows_no_blanks(look(cell))
}

/// Whether a blank in this style cannot be told from an erased cell.
fn shows_no_blanks(look: CellStyle) -> bool {
    let seen = Modifier::REVERSED | Modifier::UNDERLINED | Modifier::CROSSED_OUT;
    look.bg == Color::Reset && !look.modifier.intersects(seen)
}

/// Changes the style in one sequence.
fn dress(bytes: &mut Vec<u8>, from: &mut CellStyle, to: CellStyle) {
    if *from == to {
        return;
    }
    let gone = from.modifier - to.modifier;
    let mut anew = vec![String::from("0")];
    add(&mut anew, PLAIN, to);
    let codes = if gone.is_empty() {
        let mut codes = Vec::new();
        add(&mut codes, *from, to);
        codes
    } else {
        let mut codes = Vec::new();
        let mut left = *from;
        for (modifier, code) in OFF {
            if gone.intersects(modifier) {
                // The same code ends bold and dim.
                left.modifier -= modifier;
                codes.push(code.to_owned());
            }
        }
        add(&mut codes, left, to);
        codes
    };
    let length = |codes: &[String]| codes.iter().map(|code| code.len() + 1).sum::<usize>();
    let codes = if length(&codes) <= length(&anew) { codes } else { anew };
    let _ = write!(bytes, "\x1b[{}m", codes.join(";"));
    *from = to;
}

const ON: [(Modifier, &str); 6] = [
    (Modifier::BOLD, "1"),
    (Modifier::DIM, "2"),
    (Modifier::ITALIC, "3"),
    (Modifier::UNDERLINED, "4"),
    (Modifier::REVERSED, "7"),
    (Modifier::CROSSED_OUT, "9"),
];

const OFF: [(Modifier, &str); 5] = [
    (Modifier::BOLD.union(Modifier::DIM), "22"),
    (Modifier::ITALIC, "23"),
    (Modifier::UNDERLINED, "24"),
    (Modifier::REVERSED, "27"),
    (Modifier::CROSSED_OUT, "29"),
];

/// Adds the codes that turn a style into another one.
fn add(codes: &mut Vec<String>, from: CellStyle, to: CellStyle) {
    let new = to.modifier - from.modifier;
    codes.extend(
        ON.iter().filter(|(modifier, _)| new.contains(*modifier)).map(|(_, code)| (*code).to_owned()),
    );
    if from.fg != to.fg {
        codes.push(colour(to.fg, 30));
    }
    if from.bg != to.bg {
        codes.push(colour(to.bg, 40));
    }
}

/// The code of a colour: `base` is 30 for letters and 40 for the ground.
fn colour(colour: Color, base: u8) -> String {
    let bright = base + 60;
    let plain = match colour {
        Color::Reset => base + 9,
        Color::Black => base,
        Color::Red => base + 1,
        Color::Green => base + 2,
        Color::Yellow => base + 3,
        Color::Blue => base + 4,
        Color::Magenta => base + 5,
        Color::Cyan => base + 6,
        Color::Gray => base + 7,
        Color::DarkGray => bright,
        Color::LightRed => bright + 1,
        Color::LightGreen => bright + 2,
        Color::LightYellow => bright + 3,
        Color::LightBlue => bright + 4,
        Color::LightMagenta => bright + 5,
        Color::LightCyan => bright + 6,
        Color::White => bright + 7,
        Color::Indexed(index) => return format!("{};5;{index}", base + 8),
        Color::Rgb(red, green, blue) => return format!("{};2;{red};{green};{blue}", base + 8),
    };
    plain.to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ratatui::style::Style;

    use super::*;

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
                (cell.symbol().to_owned(), look(cell))
            }
        };
        buffer.content().iter().enumerate().map(&mut cell).collect()
    }

    fn frames() -> impl Strategy<Value = Vec<Vec<(u16, u16, String, usize)>>> {
        let word = prop::sample::select(vec![
            "a",
            "loss 1.08",
            "   ",
            "数据",
            "━━╸",
            "e\u{301}x",
            "          ",
            "b c",
        ]);
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
}
