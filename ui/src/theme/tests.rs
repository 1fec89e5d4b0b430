//! Legibility, computed.

use super::*;

/// Background colours of widely used terminal schemes.
fn usual_grounds(theme: Theme) -> &'static [Rgb] {
    match theme {
        // Black, VS Code, One Dark, Solarized dark, Dracula.
        Theme::Dark => &[(0, 0, 0), (30, 30, 30), (40, 44, 52), (0, 43, 54), (40, 42, 54)],
        // White, GitHub, Solarized light, Catppuccin Latte.
        Theme::Light => &[(255, 255, 255), (246, 248, 250), (253, 246, 227), (239, 241, 245)],
        Theme::Contrast => &[(0, 0, 0)],
    }
}

const THEMES: [Theme; 3] = [Theme::Dark, Theme::Light, Theme::Contrast];

/// What a colour shows; the sixteen as xterm has them by default.
fn shown(color: Color) -> Option<Rgb> {
    Some(match color {
        Color::Rgb(r, g, b) => (r, g, b),
        Color::Indexed(index) => depth::indexed(index),
        Color::Black => (0, 0, 0),
        Color::Red => (205, 0, 0),
        Color::Magenta => (205, 0, 205),
        Color::Blue => (0, 0, 238),
        Color::Gray => (229, 229, 229),
        Color::DarkGray => (127, 127, 127),
        Color::LightMagenta => (255, 0, 255),
        Color::LightCyan => (0, 255, 255),
        Color::LightYellow => (255, 255, 0),
        Color::LightGreen => (0, 255, 0),
        Color::White => (255, 255, 255),
        _ => return None,
    })
}

fn texts(palette: &Palette) -> Vec<(&'static str, Style)> {
    let p = palette;
    let mut texts = vec![
        ("text", p.text),
        ("strong", p.strong),
        ("dim", p.dim),
        ("heading", p.heading),
        ("fast", p.fast),
        ("slow", p.slow),
        ("best", p.best),
        ("warning", p.warning),
        ("key", p.key),
    ];
    texts.extend(p.series.map(|s| ("series", s)));
    texts
}

#[test]
fn every_text_has_a_contrast_of_four_and_a_half() {
    for theme in THEMES {
        for depth in [Depth::Truecolor, Depth::Indexed] {
            let palette = Palette::new(theme, depth);
            for (name, style) in texts(&palette) {
                let Some(text) = style.fg.and_then(shown) else {
                    continue; // The terminal's own text on its own ground.
                };
                for &ground in usual_grounds(theme) {
                    let ratio = contrast(text, ground);
                    assert!(ratio >= 4.5, "{theme:?} {depth:?} {name} on {ground:?}: {ratio:.2}");
                }
            }
        }
    }
}

#[test]
fn text_on_painted_grounds_is_legible() {
    for theme in THEMES {
        for depth in [Depth::Truecolor, Depth::Indexed] {
            let palette = Palette::new(theme, depth);
            let painted = palette.ramp.iter().chain(&palette.ramp_age).chain([&palette.selected]);
            for style in painted {
                let (text, ground) = (style.fg.and_then(shown), style.bg.and_then(shown));
                let ratio = contrast(text.expect("a colour"), ground.expect("a colour"));
                assert!(ratio >= 4.5, "{theme:?} {depth:?} {style:?}: {ratio:.2}");
            }
        }
    }
}

#[test]
fn fast_and_slow_differ_in_every_palette() {
    for theme in THEMES {
        for depth in [Depth::Truecolor, Depth::Indexed, Depth::Ansi, Depth::None] {
            let palette = Palette::new(theme, depth);
            assert_ne!(palette.fast, palette.slow, "{theme:?} {depth:?}");
        }
    }
}

#[test]
fn without_colour_nothing_is_coloured() {
    let palette = Palette::new(Theme::Dark, Depth::None);
    for (name, style) in texts(&palette).into_iter().chain([("selected", palette.selected)]) {
        assert!(matches!(style.fg, None | Some(Color::Reset)), "{name}");
        assert_eq!(style.bg, None, "{name}");
    }
    assert_eq!(palette.heat(0.5), None);
}

#[test]
fn sixteen_colours_are_legible_in_the_scheme_of_xterm() {
    for (theme, ground) in [(Theme::Dark, BLACK), (Theme::Contrast, BLACK)] {
        for (name, style) in texts(&Palette::new(theme, Depth::Ansi)) {
            if let Some(text) = style.fg.and_then(shown) {
                assert!(contrast(text, ground) >= 4.5, "{theme:?} {name}");
            }
        }
    }
}

#[test]
fn no_color_wins_over_what_the_terminal_can() {
    use relativenas_core::config::ColorDepth::Auto;
    let env = |no_color: &'static str| {
        move |name: &str| match name {
            "NO_COLOR" => Some(no_color.to_owned()),
            "COLORTERM" => Some("truecolor".to_owned()),
            "TERM" => Some("xterm-256color".to_owned()),
            _ => None,
        }
    };
    assert_eq!(Depth::resolve(Auto, env("1")), Depth::None);
    assert_eq!(Depth::resolve(Auto, env("")), Depth::Truecolor);
}

#[test]
fn terminals_without_colours_get_none() {
    use relativenas_core::config::ColorDepth::Auto;
    let depth =
        |terminal: &'static str| Depth::resolve(Auto, |name| (name == "TERM").then(|| terminal.to_owned()));
    for plain in ["", "dumb", "vt100", "vt100-am", "vt220", "xterm-mono", "linux-m"] {
        assert_eq!(depth(plain), Depth::None, "{plain}");
    }
    for coloured in ["xterm", "linux", "screen", "vt525", "vt1000"] {
        assert_eq!(depth(coloured), Depth::Ansi, "{coloured}");
    }
    assert_eq!(depth("tmux-256color"), Depth::Indexed);
}
