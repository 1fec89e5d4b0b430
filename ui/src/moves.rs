//! Moves the terminal's cursor from one place to another in as few bytes as possible.
//!
//! In raw mode a line feed moves the cursor down and keeps its column, and a carriage return moves it to the first
//! column.

/// The most blanks that are written instead of being jumped over: a jump takes at least three bytes.
const MOST_BLANKS: u16 = 3;

/// The place where a move ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    pub x: u16,
    pub y: u16,
    /// Whether everything before it in its row is blank, and stays so if blanks are written there in the present
    /// style.
    pub behind_blanks: bool,
}

/// The shortest text that moves the cursor to `target` from a column and a row, which may be unknown. `is_sure` says
/// whether the column is certain: terminals differ in the width of some characters. From an uncertain column the
/// cursor is first moved to a certain one.
pub fn way(from: Option<(u16, u16)>, is_sure: bool, target: Target) -> String {
    let mut letters = String::new();
    shortest(from, is_sure, target).iter().flatten().for_each(|step| step.write(&mut letters));
    letters
}

/// The length in bytes of the shortest text that moves the cursor to a column and a row without writing blanks.
pub fn length(from: Option<(u16, u16)>, is_sure: bool, (x, y): (u16, u16)) -> usize {
    length_of(&shortest(from, is_sure, Target { x, y, behind_blanks: false }))
}

/// A movement of the cursor. Columns and rows count from 0; distances are at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CursorMove {
    To(u16, u16),
    ToColumn(u16),
    ToFirstColumn,
    Up(u16),
    Down(u16),
    Left(u16),
    Right(u16),
    Blanks(u16),
}

/// Steps one after the other.
type Steps = [Option<CursorMove>; 3];

fn shortest(from: Option<(u16, u16)>, is_sure: bool, target: Target) -> Steps {
    let Target { x, y, behind_blanks } = target;
    let Some((column, row)) = from else { return [Some(CursorMove::To(x, y)), None, None] };
    let by_name = if row == y { CursorMove::ToColumn(x) } else { CursorMove::To(x, y) };
    let rows = match () {
        () if row < y => Some(CursorMove::Down(y - row)),
        () if row > y => Some(CursorMove::Up(row - y)),
        () => None,
    };
    let along = |column: u16| match () {
        () if column < x => Some(CursorMove::Right(x - column)),
        () if column > x => Some(CursorMove::Left(column - x)),
        () => None,
    };
    let blanks = Some(CursorMove::Blanks(x)).filter(|_| behind_blanks && (1..=MOST_BLANKS).contains(&x));
    let relative = [rows, along(column), None];
    let anew = [Some(CursorMove::ToFirstColumn), rows, blanks.or_else(|| along(0))];
    let mut best = [Some(by_name), None, None];
    // Of equals the first, which names the place.
    for way in [Some(relative).filter(|_| is_sure), Some(anew)].into_iter().flatten() {
        if length_of(&way) < length_of(&best) {
            best = way;
        }
    }
    best
}

fn length_of(steps: &Steps) -> usize {
    steps.iter().flatten().map(|step| step.length()).sum()
}

/// The most rows or columns that are moved one by one: a sequence with a number takes as many bytes.
const FEW: u16 = 4;

impl CursorMove {
    fn write(self, letters: &mut String) {
        let repeated = |letter: &str, count: u16| letter.repeat(usize::from(count));
        *letters += &match self {
            Self::To(0, y) => format!("\x1b[{}H", y + 1),
            Self::To(x, y) => format!("\x1b[{};{}H", y + 1, x + 1),
            Self::ToColumn(x) => format!("\x1b[{}G", x + 1),
            Self::ToFirstColumn => "\r".to_owned(),
            Self::Up(1) => "\x1bM".to_owned(),
            Self::Up(rows) => format!("\x1b[{rows}A"),
            Self::Down(rows) if rows <= FEW => repeated("\n", rows),
            Self::Down(rows) => format!("\x1b[{rows}B"),
            Self::Left(columns) if columns <= FEW => repeated("\x08", columns),
            Self::Left(columns) => format!("\x1b[{columns}D"),
            Self::Right(1) => "\x1b[C".to_owned(),
            Self::Right(columns) => format!("\x1b[{columns}C"),
            Self::Blanks(columns) => repeated(" ", columns),
        };
    }

    /// The bytes that [`CursorMove::write`] adds.
    fn length(self) -> usize {
        let digits =
            |number: u16| 1 + usize::from(number > 9) + usize::from(number > 99) + usize::from(number > 999);
        match self {
            Self::To(0, y) => 3 + digits(y + 1),
            Self::To(x, y) => 4 + digits(y + 1) + digits(x + 1),
            Self::ToColumn(x) => 3 + digits(x + 1),
            Self::ToFirstColumn => 1,
            Self::Up(1) => 2,
            Self::Down(steps) | Self::Left(steps) if steps <= FEW => usize::from(steps),
            Self::Right(1) => 3,
            Self::Up(steps) | Self::Down(steps) | Self::Left(steps) | Self::Right(steps) => 3 + digits(steps),
            Self::Blanks(columns) => usize::from(columns),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
        check(Some((60, 30)), true, (20, 29), "\x1bM\x1b[40D");
        check(Some((60, 30)), false, (20, 29), "\x1b[30;21H");
        check(Some((60, 30)), true, (58, 27), "\x1b[3A\x08\x08");
        check(Some((4, 30)), true, (20, 30), "\x1b[21G");
        check(Some((4, 30)), true, (3, 30), "\x08");
        check(Some((4, 30)), false, (0, 30), "\r");
        check(Some((7, 0)), true, (7, 20), "\x1b[20B");
        check(Some((7, 0)), true, (17, 20), "\x1b[21;18H");
    }

    #[test]
    fn few_blanks_are_written() {
        let target = Target { x: 2, y: 5, behind_blanks: true };
        assert_eq!(way(Some((40, 4)), false, target), "\r\n  ");
        assert_eq!(way(Some((40, 4)), false, Target { x: 9, ..target }), "\r\n\x1b[9C");
    }

    proptest! {
        #[test]
        fn the_length_is_that_of_the_way(
            from in prop::option::of((0..300_u16, 0..120_u16)),
            is_sure: bool,
            (x, y) in (0..300_u16, 0..120_u16),
        ) {
            let way = way(from, is_sure, Target { x, y, behind_blanks: false });
            prop_assert_eq!(length(from, is_sure, (x, y)), way.len(), "{}", way.escape_debug());
        }
    }
}
