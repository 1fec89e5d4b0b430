//! What the tests of all widgets share.

use ratatui::{buffer::Buffer, layout::Rect};

use crate::glyphs::Fineness;

pub const EVERY_FINENESS: [Fineness; 3] = [Fineness::Braille, Fineness::Block, Fineness::Ascii];

/// What a widget draws at each size, as text, with its size above.
pub fn sheet(sizes: &[(u16, u16)], mut draw: impl FnMut(Rect, &mut Buffer)) -> String {
    let mut sheet = String::new();
    for &(width, height) in sizes {
        // The area lies within a larger buffer, so that writing outside of it shows.
        let mut buffer = Buffer::empty(Rect::new(0, 0, width + 2, height + 2));
        draw(Rect::new(1, 1, width, height), &mut buffer);
        sheet += &format!("{width}x{height}\n");
        for y in 0..height + 2 {
            let row: String = (0..width + 2).map(|x| buffer[(x, y)].symbol()).collect();
            let border = y == 0 || y == height + 1 || row.starts_with(|c| c != ' ');
            assert!(!border || row.trim().is_empty(), "{width}x{height}: drawn outside, row {y}: {row}");
            assert!(row.ends_with(' '), "{width}x{height}: drawn outside, row {y}: {row}");
            if (1..=height).contains(&y) {
                sheet += row.trim_end();
                sheet.push('\n');
            }
        }
    }
    sheet
}
