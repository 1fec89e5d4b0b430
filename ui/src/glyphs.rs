//! The characters that screens are drawn with, from Braille down to ASCII.

use relativenas_core::config::GlyphSet;

/// Which kinds of characters the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fineness {
    /// Nothing but ASCII.
    Ascii,
    /// Block elements and box drawing.
    Block,
    /// Block elements and box drawing, and Braille for lines, with two by four dots a character.
    Braille,
}

/// Every character that is not a letter, a digit or plain punctuation. All are one column wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glyphs {
    pub fineness: Fineness,
    /// Eight heights, lowest first.
    pub heights: [char; 8],
    /// Five shades, empty first.
    pub shades: [char; 5],
    /// Progress: done, the edge, still to do.
    pub bar_full: char,
    pub bar_edge: char,
    pub bar_empty: char,
    /// Rules and box drawing.
    pub horizontal: char,
    pub vertical: char,
    pub top_left: char,
    pub top_right: char,
    pub bottom_left: char,
    pub bottom_right: char,
    pub tee_right: char,
    pub tee_left: char,
    pub tee_down: char,
    pub tee_up: char,
    pub cross: char,
    pub dashed: char,
    /// Arrows: their shaft is `horizontal`.
    pub arrow_right: char,
    pub arrow_left: char,
    pub arrow_up: char,
    pub arrow_down: char,
    pub triangle_right: char,
    pub triangle_down: char,
    /// Marks of points in charts, by series: fast, slow, best, and further ones.
    pub marks: [char; 6],
    /// A value in a chart that is missing or not a number.
    pub gap: char,
    /// Something that never happened, such as an operation that was never trained.
    pub never: char,
    pub separator: char,
    pub ellipsis: char,
    pub delta: char,
    pub minus: char,
    pub playing: char,
    /// Shown while the screen shows an earlier moment.
    pub past: char,
    pub paused: char,
    pub stepping: char,
    pub stopped: char,
    pub working: char,
    pub tick: char,
    pub cross_mark: char,
    pub warning: char,
    pub selected: char,
    /// Shown at the place where text is typed.
    pub caret: char,
}

impl Glyphs {
    pub fn new(fineness: Fineness) -> Self {
        match fineness {
            Fineness::Ascii => ASCII,
            fineness => Self { fineness, ..BLOCK },
        }
    }

    /// The character for a share from 0 to 1 of the full height; NaN is drawn as a gap.
    pub fn height(&self, share: f64) -> char {
        if share.is_nan() {
            return self.gap;
        }
        self.heights[((share.clamp(0.0, 1.0) * 7.0).round()) as usize]
    }

    /// The shade for a share from 0 (empty) to 1 (full).
    pub fn shade(&self, share: f64) -> char {
        self.shades[((share.clamp(0.0, 1.0) * 4.0).round()) as usize]
    }

    pub fn is_ascii(&self) -> bool {
        self.fineness == Fineness::Ascii
    }
}

impl Fineness {
    /// The fineness that a setting stands for; `auto` depends on environment variables, which `variable`
    /// looks up.
    ///
    /// Braille needs a UTF-8 locale and a font that has it, which the Linux console lacks.
    pub fn resolve(setting: GlyphSet, variable: impl Fn(&str) -> Option<String>) -> Self {
        match setting {
            GlyphSet::Ascii => Self::Ascii,
            GlyphSet::Block => Self::Block,
            GlyphSet::Braille => Self::Braille,
            GlyphSet::Auto => {
                let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
                    .into_iter()
                    .find_map(|name| variable(name).filter(|value| !value.is_empty()))
                    .unwrap_or_default()
                    .to_lowercase();
                let terminal = variable("TERM").unwrap_or_default();
                if !locale.contains("utf-8") && !locale.contains("utf8") {
                    Self::Ascii
                } else if terminal == "linux" {
                    Self::Block
                } else {
                    Self::Braille
                }
            }
        }
    }
}

const BLOCK: Glyphs = Glyphs {
    fineness: Fineness::Block,
    heights: ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
    shades: [' ', '░', '▒', '▓', '█'],
    bar_full: '━',
    bar_edge: '╸',
    bar_empty: '─',
    horizontal: '─',
    vertical: '│',
    top_left: '╭',
    top_right: '╮',
    bottom_left: '╰',
    bottom_right: '╯',
    tee_right: '├',
    tee_left: '┤',
    tee_down: '┬',
    tee_up: '┴',
    cross: '┼',
    dashed: '┄',
    arrow_right: '→',
    arrow_left: '←',
    arrow_up: '↑',
    arrow_down: '↓',
    triangle_right: '▸',
    triangle_down: '▾',
    marks: ['●', '○', '◆', '▲', '■', '×'],
    gap: '╳',
    never: '·',
    separator: '·',
    ellipsis: '…',
    delta: 'Δ',
    minus: '−',
    playing: '▶',
    past: '◀',
    paused: '‖',
    stepping: '▸',
    stopped: '■',
    working: '◌',
    tick: '✓',
    cross_mark: '✗',
    warning: '▲',
    selected: '▌',
    caret: '▏',
};

const ASCII: Glyphs = Glyphs {
    fineness: Fineness::Ascii,
    heights: ['_', '.', ':', '-', '=', '+', '*', '#'],
    shades: [' ', '.', ':', '+', '#'],
    bar_full: '=',
    bar_edge: '>',
    bar_empty: '-',
    horizontal: '-',
    vertical: '|',
    top_left: '+',
    top_right: '+',
    bottom_left: '+',
    bottom_right: '+',
    tee_right: '+',
    tee_left: '+',
    tee_down: '+',
    tee_up: '+',
    cross: '+',
    dashed: '-',
    arrow_right: '>',
    arrow_left: '<',
    arrow_up: '^',
    arrow_down: 'v',
    triangle_right: '>',
    triangle_down: 'v',
    marks: ['*', 'o', '+', '^', '#', 'x'],
    gap: 'x',
    never: '.',
    separator: '-',
    ellipsis: '~',
    delta: 'd',
    minus: '-',
    playing: '>',
    past: '<',
    paused: '=',
    stepping: '>',
    stopped: '#',
    working: 'o',
    tick: '+',
    cross_mark: 'x',
    warning: '!',
    selected: '>',
    caret: '_',
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ascii_set_is_ascii() {
        let drawn = format!("{ASCII:?}");
        assert!(drawn.is_ascii(), "{drawn}");
    }

    #[test]
    fn every_glyph_is_one_column_wide() {
        use unicode_width::UnicodeWidthChar;
        let drawn = format!("{BLOCK:?}");
        for glyph in drawn.chars().filter(|c| !c.is_ascii()) {
            assert_eq!(glyph.width(), Some(1), "{glyph}");
        }
    }

    #[test]
    fn the_locale_and_the_terminal_decide_unless_told() {
        let env = |lang: &'static str, term: &'static str| {
            move |name: &str| match name {
                "LANG" => Some(lang.to_owned()),
                "TERM" => Some(term.to_owned()),
                _ => None,
            }
        };
        let auto = |lang, term| Fineness::resolve(GlyphSet::Auto, env(lang, term));
        assert_eq!(auto("en_GB.UTF-8", "xterm-256color"), Fineness::Braille);
        assert_eq!(auto("en_GB.UTF-8", "linux"), Fineness::Block);
        assert_eq!(auto("C", "xterm"), Fineness::Ascii);
        assert_eq!(Fineness::resolve(GlyphSet::Braille, env("C", "linux")), Fineness::Braille);
    }
}
