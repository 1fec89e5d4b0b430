//! How many colours a terminal has, and the nearest of them.

use ratatui::style::Color;
use relativenas_core::config::ColorDepth;

/// Red, green and blue, from 0 to 255 each.
pub(crate) type Rgb = (u8, u8, u8);

/// The colours of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    Truecolor,
    /// 256 colours, of which only the last 240 are used, because users redefine the first 16.
    Indexed,
    /// The 16 colours of ANSI terminals.
    Ansi,
    None,
}

impl Depth {
    /// The depth that a setting stands for; `auto` depends on environment variables, which `variable` looks
    /// up.
    pub fn resolve(setting: ColorDepth, variable: impl Fn(&str) -> Option<String>) -> Self {
        match setting {
            ColorDepth::Truecolor => Self::Truecolor,
            ColorDepth::Indexed => Self::Indexed,
            ColorDepth::Ansi => Self::Ansi,
            ColorDepth::None => Self::None,
            ColorDepth::Auto => {
                let value = |name| variable(name).unwrap_or_default();
                let terminal = value("TERM");
                if !value("NO_COLOR").is_empty() || has_no_colours(&terminal) {
                    Self::None
                } else if matches!(value("COLORTERM").as_str(), "truecolor" | "24bit")
                    || terminal.ends_with("-direct")
                {
                    Self::Truecolor
                } else if terminal.contains("256color") {
                    Self::Indexed
                } else {
                    Self::Ansi
                }
            }
        }
    }

    /// The nearest colour that the terminal has to this one.
    pub(super) fn color(self, rgb: Rgb) -> Color {
        match self {
            Self::Truecolor => Color::Rgb(rgb.0, rgb.1, rgb.2),
            Self::Indexed => Color::Indexed(nearest_index(rgb)),
            Self::Ansi | Self::None => Color::Reset,
        }
    }

    /// The colour that the terminal really shows for this one.
    pub(super) fn nearest(self, rgb: Rgb) -> Rgb {
        match self {
            Self::Indexed => indexed(nearest_index(rgb)),
            _ => rgb,
        }
    }
}

const CUBE: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// Whether a terminal of this name has no colours, whatever else is said of it.
fn has_no_colours(terminal: &str) -> bool {
    // Those of DEC but the last; what the database of terminals marks as monochrome.
    let family = ["vt52", "vt100", "vt102", "vt132", "vt220", "vt320", "vt420"];
    let is_one = |known: &str| terminal == known || terminal.starts_with(&format!("{known}-"));
    terminal.is_empty()
        || terminal == "dumb"
        || terminal.ends_with("-mono")
        || terminal.ends_with("-m")
        || family.into_iter().any(is_one)
}

/// Red, green and blue of a colour from 16 on, as xterm and all after it define them.
pub(super) fn indexed(index: u8) -> Rgb {
    if index >= 232 {
        let grey = 8 + (index - 232) * 10;
        return (grey, grey, grey);
    }
    let index = usize::from(index.saturating_sub(16));
    (CUBE[index / 36], CUBE[index / 6 % 6], CUBE[index % 6])
}

fn nearest_index(rgb: Rgb) -> u8 {
    let distance = |other: Rgb| {
        let square = |a: u8, b: u8| (i32::from(a) - i32::from(b)).pow(2);
        square(rgb.0, other.0) + square(rgb.1, other.1) + square(rgb.2, other.2)
    };
    (16..=255).min_by_key(|&index| distance(indexed(index))).unwrap_or(16)
}
