//! The style of a cell, and the sequence that changes it to another one.

use std::io::Write as _;

use ratatui::{
    buffer::Cell,
    style::{Color, Modifier},
};

/// Colours and modifiers of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellStyle {
    pub fg: Color,
    pub bg: Color,
    pub modifier: Modifier,
}

/// The style of an erased cell.
pub const PLAIN: CellStyle = CellStyle { fg: Color::Reset, bg: Color::Reset, modifier: Modifier::empty() };

impl CellStyle {
    pub fn of(cell: &Cell) -> Self {
        Self { fg: cell.fg, bg: cell.bg, modifier: cell.modifier }
    }

    /// Whether a blank in this style cannot be told from an erased cell.
    pub fn shows_no_blanks(self) -> bool {
        let seen = Modifier::REVERSED | Modifier::UNDERLINED | Modifier::CROSSED_OUT;
        self.bg == Color::Reset && !self.modifier.intersects(seen)
    }
}

/// Appends the shortest sequence that changes the style `from` to `to`, and sets `from` accordingly.
pub fn dress(bytes: &mut Vec<u8>, from: &mut CellStyle, to: CellStyle) {
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

pub const ON: [(Modifier, &str); 6] = [
    (Modifier::BOLD, "1"),
    (Modifier::DIM, "2"),
    (Modifier::ITALIC, "3"),
    (Modifier::UNDERLINED, "4"),
    (Modifier::REVERSED, "7"),
    (Modifier::CROSSED_OUT, "9"),
];

pub const OFF: [(Modifier, &str); 5] = [
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
