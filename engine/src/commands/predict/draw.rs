//! Drawing boxes, masks, skeletons and text on pictures.

use relativenas_core::tasks::{boxes::CornerBox, joints::JOINTS};

use super::font::{self, GLYPH};
use crate::data::picture::Picture;

/// The colour of each class or person. The twelve can be told apart on photographs, and are used again from
/// the start beyond that.
const COLORS: [[u8; 3]; 12] = [
    [230, 57, 70],
    [29, 120, 216],
    [44, 160, 44],
    [255, 159, 28],
    [148, 80, 200],
    [23, 190, 187],
    [227, 90, 190],
    [188, 189, 34],
    [140, 86, 75],
    [90, 200, 250],
    [170, 255, 120],
    [255, 214, 102],
];
/// The colours of Cityscapes' classes, as in the data set's own pictures.
const STREET: [[u8; 3]; 19] = [
    [128, 64, 128],
    [244, 35, 232],
    [70, 70, 70],
    [102, 102, 156],
    [190, 153, 153],
    [153, 153, 153],
    [250, 170, 30],
    [220, 220, 0],
    [107, 142, 35],
    [152, 251, 152],
    [70, 130, 180],
    [220, 20, 60],
    [255, 0, 0],
    [0, 0, 142],
    [0, 0, 70],
    [0, 60, 100],
    [0, 80, 100],
    [0, 0, 230],
    [119, 11, 32],
];
/// The bones of a skeleton, as pairs of joints.
const BONES: [(usize, usize); 19] = [
    (15, 13),
    (13, 11),
    (16, 14),
    (14, 12),
    (11, 12),
    (5, 11),
    (6, 12),
    (5, 6),
    (5, 7),
    (6, 8),
    (7, 9),
    (8, 10),
    (1, 2),
    (0, 1),
    (0, 2),
    (1, 3),
    (2, 4),
    (3, 5),
    (4, 6),
];
/// The opacity of a mask, from 0 to 1.
const COVERS: f64 = 0.55;
/// Pictures whose shorter side, in pixels, is below this are drawn larger, so that lines and text stay
/// legible.
const READABLE: usize = 240;
/// The largest factor by which a small picture is enlarged.
const LARGEST_SCALE: usize = 4;

/// What is drawn on a picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drawing {
    /// Boxes, skeletons and labels, drawn in this order.
    pub marks: Vec<Mark>,
    /// The class of every pixel, row by row.
    pub mask: Option<Vec<u8>>,
    /// Cityscapes' label id of every pixel, row by row, which is written to a file of its own.
    pub label_ids: Option<Vec<u8>>,
}

/// One thing that is drawn. Coordinates are in pixels of the picture; `color` is the number of a class or person,
/// each of which has a colour.
#[derive(Clone, Debug, PartialEq)]
pub enum Mark {
    /// Text in the upper left corner.
    Title { text: String, color: usize },
    /// The outline of a box, with text above it.
    Box { corners: CornerBox, color: usize, text: String },
    /// A person's joints; `None` for a joint that is not known.
    Skeleton { joints: Box<[Option<[f64; 2]>; JOINTS]>, color: usize },
}

impl Drawing {
    /// Returns the picture with everything drawn on it; small pictures are enlarged.
    pub fn on(&self, picture: &Picture) -> Picture {
        let shorter = picture.width.min(picture.height).max(1);
        let scale = READABLE.div_ceil(shorter).clamp(1, LARGEST_SCALE);
        let mut canvas = Canvas { picture: enlarged(picture, scale), scale };
        if let Some(mask) = &self.mask {
            canvas.cover(mask, picture.width);
        }
        for mark in &self.marks {
            match mark {
                Mark::Title { text, color } => canvas.words(text, 0, 0, COLORS[color % COLORS.len()]),
                Mark::Box { corners, color, text } => {
                    canvas.framed(corners, COLORS[color % COLORS.len()], text)
                }
                Mark::Skeleton { joints, color } => canvas.skeleton(joints, COLORS[color % COLORS.len()]),
            }
        }
        canvas.picture
    }
}

/// Enlarges a picture: every pixel becomes a square of `scale` × `scale` pixels.
fn enlarged(picture: &Picture, scale: usize) -> Picture {
    let (width, height) = (picture.width * scale, picture.height * scale);
    let mut rgb = Vec::with_capacity(3 * width * height);
    for row in 0..height {
        for column in 0..width {
            let at = 3 * ((row / scale) * picture.width + column / scale);
            rgb.extend_from_slice(&picture.rgb[at..at + 3]);
        }
    }
    Picture { width, height, rgb }
}

struct Canvas {
    picture: Picture,
    scale: usize,
}

impl Canvas {
    /// Sets a pixel; pixels outside of the picture are ignored.
    fn dot(&mut self, x: i64, y: i64, color: [u8; 3]) {
        let (width, height) = (self.picture.width as i64, self.picture.height as i64);
        if (0..width).contains(&x) && (0..height).contains(&y) {
            let at = 3 * (y * width + x) as usize;
            self.picture.rgb[at..at + 3].copy_from_slice(&color);
        }
    }

    fn block(&mut self, [left, top]: [i64; 2], [right, bottom]: [i64; 2], color: [u8; 3]) {
        let (width, height) = (self.picture.width as i64, self.picture.height as i64);
        for y in top.max(0)..bottom.min(height) {
            for x in left.max(0)..right.min(width) {
                self.dot(x, y, color);
            }
        }
    }

    /// Converts a coordinate of the picture to the canvas.
    fn place(&self, value: f64) -> i64 {
        (value * self.scale as f64).round().clamp(-1e9, 1e9) as i64
    }

    /// The thickness of lines in pixels, which grows with the picture.
    fn thickness(&self) -> i64 {
        (self.picture.width.min(self.picture.height) / 200).clamp(1, 8) as i64
    }

    fn framed(&mut self, corners: &CornerBox, color: [u8; 3], text: &str) {
        let [left, top] = [self.place(corners.left), self.place(corners.top)];
        let [right, bottom] = [self.place(corners.right), self.place(corners.bottom)];
        let thick = self.thickness();
        self.block([left, top], [right, top + thick], color);
        self.block([left, bottom - thick], [right, bottom], color);
        self.block([left, top], [left + thick, bottom], color);
        self.block([right - thick, top], [right, bottom], color);
        // The text stands above the box if there is room, else inside it.
        let height = self.line_height();
        let y = if top >= height { top - height } else { top.max(0) };
        self.words(text, left.max(0), y, color);
    }

    /// The side, in pixels of the canvas, of one pixel of a letter.
    fn letter(&self) -> i64 {
        self.thickness().min(3)
    }

    fn line_height(&self) -> i64 {
        (GLYPH[1] as i64 + 2) * self.letter()
    }

    /// Draws a line of text on a bar of the given colour.
    fn words(&mut self, text: &str, x: i64, y: i64, color: [u8; 3]) {
        let size = self.letter();
        let advance = (GLYPH[0] as i64 + 1) * size;
        let width = advance * text.chars().count() as i64 + size;
        // The bar is moved back where it would leave the picture.
        let x = x.min(self.picture.width as i64 - width).max(0);
        self.block([x, y], [x + width, y + self.line_height()], color);
        let light = color.iter().map(|&c| u32::from(c)).sum::<u32>() > 420;
        let ink = if light { [0; 3] } else { [255; 3] };
        for (place, letter) in text.chars().enumerate() {
            let left = x + size + advance * place as i64;
            for (row, bits) in font::glyph(letter).into_iter().enumerate() {
                for column in (0..GLYPH[0]).filter(|column| bits >> (GLYPH[0] - 1 - column) & 1 == 1) {
                    let corner = [left + column as i64 * size, y + (row as i64 + 1) * size];
                    self.block(corner, corner.map(|at| at + size), ink);
                }
            }
        }
    }

    fn skeleton(&mut self, joints: &[Option<[f64; 2]>; JOINTS], color: [u8; 3]) {
        let radius = self.thickness() as f64 / 2.0 + 0.5;
        // A pixel's centre lies at its whole number.
        let scale = self.scale as f64;
        let at = |[x, y]: [f64; 2]| [(x + 0.5) * scale - 0.5, (y + 0.5) * scale - 0.5];
        for (from, to) in BONES {
            if let (Some(from), Some(to)) = (joints[from], joints[to]) {
                self.line(at(from), at(to), radius, color);
            }
        }
        for joint in joints.iter().flatten() {
            self.line(at(*joint), at(*joint), 2.0 * radius, [255; 3]);
            self.line(at(*joint), at(*joint), 2.0 * radius - 1.0, color);
        }
    }

    /// Colours every pixel within `radius` of the line between two points.
    fn line(&mut self, from: [f64; 2], to: [f64; 2], radius: f64, color: [u8; 3]) {
        let span = |axis: usize, most: usize| {
            let (low, high) = (from[axis].min(to[axis]) - radius, from[axis].max(to[axis]) + radius);
            (low.floor().max(0.0) as i64)..=(high.ceil().min(most as f64) as i64)
        };
        let direction = [to[0] - from[0], to[1] - from[1]];
        let squared = direction[0] * direction[0] + direction[1] * direction[1];
        for y in span(1, self.picture.height) {
            for x in span(0, self.picture.width) {
                let offset = [x as f64 - from[0], y as f64 - from[1]];
                let along = offset[0] * direction[0] + offset[1] * direction[1];
                let share = if squared > 0.0 { (along / squared).clamp(0.0, 1.0) } else { 0.0 };
                let apart = (offset[0] - share * direction[0]).hypot(offset[1] - share * direction[1]);
                if apart <= radius {
                    self.dot(x, y, color);
                }
            }
        }
    }

    fn cover(&mut self, mask: &[u8], width: usize) {
        let (columns, scale) = (self.picture.width, self.scale);
        for (place, pixel) in self.picture.rgb.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            let class = mask[(place / columns / scale) * width + place % columns / scale];
            let color = STREET[usize::from(class) % STREET.len()];
            for (channel, value) in pixel.iter_mut().enumerate() {
                let mixed = f64::from(*value) * (1.0 - COVERS) + f64::from(color[channel]) * COVERS;
                *value = mixed.round() as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn black(width: usize, height: usize) -> Picture {
        Picture { width, height, rgb: vec![0; 3 * width * height] }
    }

    fn at(picture: &Picture, x: usize, y: usize) -> [u8; 3] {
        let at = 3 * (y * picture.width + x);
        [picture.rgb[at], picture.rgb[at + 1], picture.rgb[at + 2]]
    }

    #[test]
    fn a_box_is_a_frame_where_it_was_found_and_nothing_is_drawn_outside() {
        let corners = CornerBox::from([20.0, 120.0, 200.0, 260.0]);
        let mark = Mark::Box { corners, color: 1, text: "car 90 %".to_owned() };
        let drawn = Drawing { marks: vec![mark], ..Drawing::default() }.on(&black(300, 300));
        assert_eq!((drawn.width, drawn.height), (300, 300));
        for (x, y) in [(20, 120), (100, 120), (199, 200), (20, 259), (100, 259)] {
            assert_eq!(at(&drawn, x, y), COLORS[1], "{x},{y}");
        }
        for (x, y) in [(100, 200), (19, 200), (201, 200), (100, 261)] {
            assert_eq!(at(&drawn, x, y), [0; 3], "{x},{y}");
        }
        let words = (20..100).flat_map(|x| (111..120).map(move |y| (x, y)));
        assert!(words.filter(|&(x, y)| at(&drawn, x, y) == [255; 3]).count() > 40, "letters above the box");
        let beyond = CornerBox::from([-50.0, -50.0, 900.0, 900.0]);
        let mark = Mark::Box { corners: beyond, color: 0, text: "a very long name of a class".to_owned() };
        let _ = Drawing { marks: vec![mark], ..Drawing::default() }.on(&black(30, 20));
    }

    #[test]
    fn small_pictures_are_drawn_larger_and_masks_cover_them() {
        let mut mask = vec![0; 64 * 32];
        mask[5 * 64 + 7] = 13;
        let drawing = Drawing { mask: Some(mask), ..Drawing::default() };
        let drawn = drawing.on(&black(64, 32));
        assert_eq!((drawn.width, drawn.height), (256, 128));
        let covered = |color: [u8; 3]| color.map(|c| (f64::from(c) * COVERS).round() as u8);
        assert_eq!(at(&drawn, 30, 22), covered(STREET[13]));
        assert_eq!(at(&drawn, 26, 22), covered(STREET[0]));
    }

    #[test]
    fn bones_connect_the_joints_that_are_known() {
        let mut joints = [None; JOINTS];
        (joints[5], joints[7], joints[9]) = (Some([50.0, 50.0]), Some([250.0, 50.0]), None);
        let drawn = Drawing {
            marks: vec![Mark::Skeleton { joints: Box::new(joints), color: 2 }],
            ..Drawing::default()
        }
        .on(&black(300, 300));
        assert_eq!(at(&drawn, 150, 50), COLORS[2]);
        assert_eq!(at(&drawn, 150, 60), [0; 3]);
        assert_eq!(at(&drawn, 50, 50), COLORS[2]);
    }
}
