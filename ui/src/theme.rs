//! Colours: three themes, each from truecolor down to none.
//!
//! The fast learner has one colour and the slow learner another, the same in every view. Terminals do not
//! reliably report their background, so only the contrast theme paints it, and every text colour is legible on
//! all backgrounds that are usual for its theme; the tests compute the contrasts.

mod depth;

pub use depth::Depth;
use ratatui::style::{Color, Modifier, Style};
use relativenas_core::config::Theme;

use self::depth::Rgb;

/// The styles of everything on the screen. Without colours, bold, underline and reverse take their place.
#[derive(Clone, Debug, PartialEq)]
pub struct Palette {
    pub depth: Depth,
    /// The background colour of everything; `None` leaves the terminal's own.
    pub background: Option<Color>,
    pub text: Style,
    /// What the eye should find first.
    pub strong: Style,
    /// Labels, units, and values that need no attention.
    pub dim: Style,
    /// Lines and marks that hold no text.
    pub rule: Style,
    /// Titles of panels.
    pub heading: Style,
    /// The fast learner, in every view.
    pub fast: Style,
    /// The slow learner, in every view.
    pub slow: Style,
    /// The best so far, and other good results.
    pub best: Style,
    /// What needs attention.
    pub warning: Style,
    /// Keys in the footer, and whatever else can be pressed.
    pub key: Style,
    /// The selected row: colours of text and background.
    pub selected: Style,
    /// Curves of compared runs, beside fast, slow and best.
    pub series: [Style; 4],
    /// Grounds with legible text on them, from little to much; empty where there is no colour.
    ramp: Vec<Style>,
    /// Another ramp, for a second quantity (age).
    ramp_age: Vec<Style>,
}

impl Palette {
    pub fn new(theme: Theme, depth: Depth) -> Self {
        match depth {
            Depth::None => Self::plain(),
            Depth::Ansi => Self::ansi(theme),
            depth => Self::of(&tones(theme), theme, depth),
        }
    }

    /// The background for a share from 0 to 1, with a legible text colour; `None` without colours for it, where a
    /// shade glyph is drawn instead.
    pub fn heat(&self, share: f64) -> Option<Style> {
        pick(&self.ramp, share)
    }

    /// The background for a share from 0 to 1 in another hue than that of [`Palette::heat`]; `None` without colours
    /// for it.
    pub fn age(&self, share: f64) -> Option<Style> {
        pick(&self.ramp_age, share)
    }

    /// The same palette without backgrounds for shares, as if there were no colours for them.
    pub fn without_shades(&self) -> Self {
        Self { ramp: Vec::new(), ramp_age: Vec::new(), ..self.clone() }
    }

    fn of(tones: &Tones, theme: Theme, depth: Depth) -> Self {
        let color = |rgb| depth.color(rgb);
        let fg = |rgb| Style::new().fg(color(rgb));
        let ramp = |[from, middle, to]: [Rgb; 3]| {
            (0..RAMP_STEPS)
                .map(|step| {
                    let share = f64::from(step) / f64::from(RAMP_STEPS - 1);
                    let ground = if share < 0.5 {
                        mix(from, middle, share * 2.0)
                    } else {
                        mix(middle, to, share * 2.0 - 1.0)
                    };
                    // With 256 colours the background becomes the nearest of them, and the text is chosen for
                    // that one.
                    let ground = depth.nearest(ground);
                    Style::new().bg(color(ground)).fg(color(legible_on(ground)))
                })
                .collect()
        };
        Self {
            depth,
            background: tones.background.map(color),
            text: if theme == Theme::Contrast { fg(tones.text) } else { Style::new().fg(Color::Reset) },
            strong: if theme == Theme::Contrast { fg(tones.text) } else { Style::new().fg(Color::Reset) }
                .add_modifier(Modifier::BOLD),
            dim: fg(tones.dim),
            rule: fg(tones.rule),
            heading: fg(tones.dim).add_modifier(Modifier::BOLD),
            fast: fg(tones.fast),
            slow: fg(tones.slow),
            best: fg(tones.best),
            warning: fg(tones.warning).add_modifier(Modifier::BOLD),
            key: fg(tones.key),
            selected: Style::new().fg(color(tones.selected.0)).bg(color(tones.selected.1)),
            series: tones.series.map(fg),
            ramp: ramp(tones.ramp),
            ramp_age: ramp(tones.ramp_age),
        }
    }

    /// The sixteen colours are whatever the terminal says: named ones that are legible in the
    /// usual schemes, and no grounds.
    fn ansi(theme: Theme) -> Self {
        let plain = Self::plain();
        let light = theme == Theme::Light;
        let fg = |dark: Color, on_light: Color| Style::new().fg(if light { on_light } else { dark });
        Self {
            depth: Depth::Ansi,
            background: (theme == Theme::Contrast).then_some(Color::Black),
            text: if theme == Theme::Contrast { Style::new().fg(Color::White) } else { plain.text },
            strong: if theme == Theme::Contrast {
                Style::new().fg(Color::White).add_modifier(Modifier::BOLD)
            } else {
                plain.strong
            },
            dim: fg(Color::Gray, Color::DarkGray),
            rule: fg(Color::DarkGray, Color::DarkGray),
            heading: fg(Color::Gray, Color::DarkGray).add_modifier(Modifier::BOLD),
            fast: fg(Color::LightCyan, Color::Blue),
            slow: fg(Color::LightYellow, Color::Magenta),
            best: fg(Color::LightGreen, Color::Black).add_modifier(Modifier::BOLD),
            warning: fg(Color::LightMagenta, Color::Red).add_modifier(Modifier::BOLD),
            key: fg(Color::LightCyan, Color::Blue),
            series: [
                fg(Color::LightMagenta, Color::Red),
                fg(Color::White, Color::Black),
                fg(Color::LightGreen, Color::Black),
                fg(Color::LightCyan, Color::Blue),
            ],
            ..plain
        }
    }

    /// Without any colour. Everything is [`Color::Reset`]: with `NO_COLOR` crossterm writes an
    /// empty colour sequence for anything else, which terminals read as "reset bold and reverse".
    fn plain() -> Self {
        let plain = Style::new().fg(Color::Reset);
        let bold = plain.add_modifier(Modifier::BOLD);
        Self {
            depth: Depth::None,
            background: None,
            text: plain,
            strong: bold,
            dim: plain,
            rule: plain,
            heading: bold,
            fast: bold,
            slow: plain,
            best: plain.add_modifier(Modifier::UNDERLINED),
            warning: bold,
            key: bold,
            selected: plain.add_modifier(Modifier::REVERSED),
            series: [plain; 4],
            ramp: Vec::new(),
            ramp_age: Vec::new(),
        }
    }
}

const RAMP_STEPS: u8 = 6;

fn pick(ramp: &[Style], share: f64) -> Option<Style> {
    let last = ramp.len().checked_sub(1)?;
    let share = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
    ramp.get((share * last as f64).round() as usize).copied()
}

/// The colour at `share` of the way from one colour to another.
fn mix(from: Rgb, to: Rgb, share: f64) -> Rgb {
    let channel = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * share).round() as u8;
    (channel(from.0, to.0), channel(from.1, to.1), channel(from.2, to.2))
}

const WHITE: Rgb = (255, 255, 255);
const BLACK: Rgb = (0, 0, 0);

fn legible_on(ground: Rgb) -> Rgb {
    if contrast(WHITE, ground) >= contrast(BLACK, ground) { WHITE } else { BLACK }
}

/// Contrast of two colours, from 1 to 21, as WCAG 2.2 defines it.
pub(crate) fn contrast(a: Rgb, b: Rgb) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

fn luminance((r, g, b): Rgb) -> f64 {
    let linear = |channel: u8| {
        let c = f64::from(channel) / 255.0;
        if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
}

/// A theme's colours.
struct Tones {
    background: Option<Rgb>,
    text: Rgb,
    dim: Rgb,
    rule: Rgb,
    fast: Rgb,
    slow: Rgb,
    best: Rgb,
    warning: Rgb,
    key: Rgb,
    /// Text and ground.
    selected: (Rgb, Rgb),
    series: [Rgb; 4],
    ramp: [Rgb; 3],
    ramp_age: [Rgb; 3],
}

fn tones(theme: Theme) -> Tones {
    match theme {
        Theme::Dark => Tones {
            background: None,
            text: (215, 215, 215),
            dim: (158, 164, 172),
            rule: (88, 94, 102),
            fast: (95, 200, 235),
            slow: (245, 170, 95),
            best: (140, 215, 140),
            warning: (255, 145, 150),
            key: (190, 205, 255),
            selected: ((255, 255, 255), (38, 79, 120)),
            series: [(200, 165, 255), (230, 220, 130), (255, 160, 200), (150, 220, 210)],
            ramp: [(24, 30, 44), (28, 100, 130), (165, 230, 235)],
            ramp_age: [(40, 28, 24), (140, 80, 30), (250, 205, 140)],
        },
        Theme::Light => Tones {
            background: None,
            text: (30, 30, 30),
            dim: (88, 94, 102),
            rule: (160, 165, 172),
            fast: (0, 95, 140),
            slow: (150, 70, 0),
            best: (30, 100, 30),
            warning: (175, 20, 40),
            key: (50, 60, 150),
            selected: ((0, 0, 0), (190, 215, 240)),
            series: [(110, 50, 160), (100, 85, 0), (150, 30, 100), (0, 95, 95)],
            ramp: [(240, 245, 248), (125, 190, 215), (0, 70, 105)],
            ramp_age: [(250, 244, 236), (230, 170, 105), (125, 55, 0)],
        },
        Theme::Contrast => Tones {
            background: Some(BLACK),
            text: WHITE,
            dim: (215, 215, 215),
            rule: (175, 175, 175),
            fast: (95, 215, 255),
            slow: (255, 215, 0),
            best: (135, 255, 135),
            warning: (255, 175, 175),
            key: (215, 215, 255),
            selected: (BLACK, WHITE),
            series: [(215, 175, 255), (255, 255, 175), (255, 175, 215), (175, 255, 215)],
            ramp: [(0, 0, 0), (0, 95, 135), (255, 255, 255)],
            ramp_age: [(0, 0, 0), (135, 95, 0), (255, 255, 255)],
        },
    }
}

#[cfg(test)]
mod tests;
