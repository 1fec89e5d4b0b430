//! How a large picture is cut into chips that overlap, to be segmented one by one.

/// The chips of one picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chips {
    /// Height and width of the picture with its border, at least those of a chip.
    pub padded: [usize; 2],
    /// Rows and columns of the border before the picture.
    pub offset: [usize; 2],
    /// Top and left of each chip in the padded picture, row by row.
    pub places: Vec<[usize; 2]>,
}

/// The distance from one chip to the next in pixels: five sixths of a chip, rounded up.
pub fn stride(chip: usize) -> usize {
    (chip * 5).div_ceil(6)
}

/// The chips of `chip` × `chip` pixels for a picture of this size (height, width). A side that is too short
/// is padded on both ends, with one pixel less before than after if the border is odd. The last chip of a row
/// or column is moved back to the border.
pub fn chips(size: [usize; 2], chip: usize) -> Chips {
    let padded = size.map(|side| side.max(chip));
    let offset = [0, 1].map(|axis| (padded[axis] - size[axis]) / 2);
    let starts = |side: usize| {
        let last = side - chip;
        let count = last.div_ceil(stride(chip).max(1));
        (0..count).map(|index| index * stride(chip)).chain([last]).collect::<Vec<_>>()
    };
    let (rows, columns) = (starts(padded[0]), starts(padded[1]));
    let places = rows.iter().flat_map(|&top| columns.iter().map(move |&left| [top, left])).collect();
    Chips { padded, offset, places }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chips_cover_every_pixel_and_leave_the_picture_nowhere() {
        for size in [[1, 1], [7, 50], [48, 48], [49, 130], [200, 47]] {
            let Chips { padded, places, .. } = chips(size, 48);
            let mut covered = vec![false; padded[0] * padded[1]];
            for [top, left] in places {
                assert!(top + 48 <= padded[0] && left + 48 <= padded[1], "{size:?}");
                for row in top..top + 48 {
                    covered[row * padded[1] + left..][..48].fill(true);
                }
            }
            assert!(covered.into_iter().all(|c| c), "{size:?}");
        }
    }
}
