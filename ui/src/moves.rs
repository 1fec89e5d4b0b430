//! Ways from one cell of the terminal to another, and the shortest of them.
//!
//! In raw mode a line feed goes down and keeps the column, and a carriage return goes to the first one.

use std::fmt::Write as _;

/// Blanks that are written rather than jumped over: a jump has three letters at least.
const MOST_BLANKS: u16 = 3;

/// What is known of the place where a move ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    pub x: u16,
    pub y: u16,
    /// Whether everything before it in its row is blank, and would be if it were written as blanks.
    pub behind_blanks: bool,
}

/// The shortest way, from a column and a row, which may be unknown. `is_sure` says whether the column is certain:
/// terminals differ in how wide they take some letters for, so from an uncertain one every way names the column anew.
pub fn way(from: Option<(u16, u16)>, is_sure: bool, target: Target) -> String {
    let Target { x, y, behind_blanks } = target;
    let mut ways = vec![match from {
        Some((_, line)) if line == y => format!("\x1b[{}G", x + 1),
        _ if x == 0 => format!("\x1b[{}H", y + 1),
        _ => format!("\x1b[{};{}H", y + 1, x + 1),
    }];
    if let Some((column, line)) = from
        && line <= y
    {
        let down = "\n".repeat(usize::from(y - line).min(8));
        let is_near = y - line <= 8;
        if is_sure && is_near {
            ways.push(down.clone() + &along(column, x));
        }
        if is_near {
            let mut anew = String::from("\r") + &down;
            if behind_blanks && x <= MOST_BLANKS {
                anew.extend(std::iter::repeat_n(' ', usize::from(x)));
            } else {
                anew += &along(0, x);
            }
            ways.push(anew);
        }
    }
    // Of equals the first, which names the place.
    ways.into_iter().min_by_key(String::len).unwrap_or_default()
}

/// Along a row.
fn along(from: u16, to: u16) -> String {
    let mut way = String::new();
    let _ = match (from, to) {
        _ if from == to => Ok(()),
        _ if to == from + 1 => write!(way, "\x1b[C"),
        _ if to > from => write!(way, "\x1b[{}C", to - from),
        _ if from - to <= 4 => write!(way, "{}", "\x08".repeat(usize::from(from - to))),
        _ => write!(way, "\x1b[{}D", from - to),
    };
    way
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_way_is_taken_and_the_column_named_where_it_is_not_certain() {
        let check = |from, is_sure, (x, y), expected: &str| {
            let target = Target { x, y, behind_blanks: false };
            assert_eq!(way(from, is_sure, target), expected, "{from:?} to {x}, {y}");
        };
        check(None, true, (0, 4), "\x1b[5H");
        check(None, true, (6, 4), "\x1b[5;7H");
        check(Some((6, 3)), true, (6, 4), "\n");
        check(Some((9, 3)), true, (6, 5), "\n\n\x08\x08\x08");
        check(Some((60, 30)), true, (70, 31), "\n\x1b[10C");
        check(Some((60, 30)), true, (0, 31), "\r\n");
        check(Some((60, 30)), false, (70, 31), "\r\n\x1b[70C");
        check(Some((60, 30)), false, (1, 31), "\r\n\x1b[C");
        check(Some((60, 30)), true, (20, 29), "\x1b[30;21H");
        check(Some((4, 30)), true, (20, 30), "\x1b[21G");
        check(Some((4, 30)), true, (3, 30), "\x08");
        check(Some((4, 30)), false, (0, 30), "\r");
        check(Some((7, 0)), true, (7, 20), "\x1b[21;8H");
    }

    #[test]
    fn few_blanks_are_written() {
        let target = Target { x: 2, y: 5, behind_blanks: true };
        assert_eq!(way(Some((40, 4)), false, target), "\r\n  ");
        assert_eq!(way(Some((40, 4)), false, Target { x: 9, ..target }), "\r\n\x1b[9C");
    }
}
