//! The crop of a picture around one person, and the maps between the picture and the network's input.

use super::{
    boxes::CornerBox,
    heat_maps::{INPUT, MAP},
};

/// The unit of a crop's scale, in pixels.
const PIXELS: f64 = 200.0;
/// The crop is larger than the person's box by this factor.
const MARGIN: f64 = 1.25;

/// The part of a picture in which a person's joints are looked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PersonCrop {
    /// The centre in pixels of the picture.
    pub centre: [f64; 2],
    /// Width and height, in units of 200 pixels.
    pub scale: [f64; 2],
}

/// Clips an annotated box (x, y, width, height) to a picture (width, height). As in the published program, the box is
/// one pixel smaller than annotated in both directions. `None` if no part of it lies in the picture.
pub fn cut([x, y, width, height]: [f64; 4], [image_width, image_height]: [usize; 2]) -> Option<CornerBox> {
    let (left, top) = (x.max(0.0), y.max(0.0));
    let right = (left + (width - 1.0).max(0.0)).min(image_width as f64 - 1.0);
    let bottom = (top + (height - 1.0).max(0.0)).min(image_height as f64 - 1.0);
    (right >= left && bottom >= top).then_some(CornerBox { left, top, right, bottom })
}

impl PersonCrop {
    /// The crop around a box: enlarged to the ratio of sides of the network's input, and then by a quarter.
    pub fn around(corners: &CornerBox) -> Self {
        let mut size = [corners.right - corners.left, corners.bottom - corners.top];
        let aspect = INPUT[0] as f64 / INPUT[1] as f64;
        let centre = [corners.left + size[0] * 0.5, corners.top + size[1] * 0.5];
        if size[0] > aspect * size[1] {
            size[1] = size[0] / aspect;
        } else {
            size[0] = size[1] * aspect;
        }
        Self { centre, scale: size.map(|side| side / PIXELS * MARGIN) }
    }

    /// The area in pixels, as the suppression of poses uses it.
    pub fn area(&self) -> f64 {
        self.scale[0] * PIXELS * self.scale[1] * PIXELS
    }

    /// The map from pixels of the picture to pixels of an output (width, height), with a rotation by
    /// `degrees`. Only the width of the crop determines the size. `None` for a crop without width.
    pub fn to_output(&self, output: [usize; 2], degrees: f64) -> Option<Affine> {
        let grows = output[0] as f64 / (self.scale[0] * PIXELS);
        grows.is_finite().then(|| {
            let (sine, cosine) = degrees.to_radians().sin_cos();
            let rows = [[grows * cosine, grows * sine], [-grows * sine, grows * cosine]];
            Affine::that_maps(self.centre, output.map(|side| side as f64 / 2.0), rows)
        })
    }

    /// The inverse of [`Self::to_output`].
    pub fn from_output(&self, output: [usize; 2], degrees: f64) -> Affine {
        let shrinks = self.scale[0] * PIXELS / output[0] as f64;
        let (sine, cosine) = degrees.to_radians().sin_cos();
        let rows = [[shrinks * cosine, -shrinks * sine], [shrinks * sine, shrinks * cosine]];
        Affine::that_maps(output.map(|side| side as f64 / 2.0), self.centre, rows)
    }

    /// The map from pixels of a heat map to pixels of the picture.
    pub fn from_map(&self) -> Affine {
        self.from_output(MAP, 0.0)
    }
}

/// An affine map of the plane, as the rows of its 2 × 3 matrix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine(pub [[f64; 3]; 2]);

impl Affine {
    /// The map with the linear part `rows` that sends the point `from` to `to`.
    fn that_maps(from: [f64; 2], to: [f64; 2], rows: [[f64; 2]; 2]) -> Self {
        let row = |r: usize| [rows[r][0], rows[r][1], to[r] - rows[r][0] * from[0] - rows[r][1] * from[1]];
        Self([row(0), row(1)])
    }

    pub fn apply(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        self.0.map(|[a, b, c]| a * x + b * y + c)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_is_where_one_was() {
        let crop = PersonCrop { centre: [37.5, 80.25], scale: [0.6, 0.8] };
        let there = crop.to_output(INPUT, 33.0).expect("a crop with width");
        let back = crop.from_output(INPUT, 33.0);
        for point in [[0.0, 0.0], [12.5, 99.0]] {
            let found = back.apply(there.apply(point));
            assert!((found[0] - point[0]).abs() + (found[1] - point[1]).abs() < 1e-9, "{found:?}");
        }
        let flat = PersonCrop { centre: [1.0, 1.0], scale: [0.0, 0.0] };
        assert_eq!(flat.to_output(INPUT, 0.0), None);
    }

    #[test]
    fn a_box_beside_the_picture_shows_nobody() {
        assert_eq!(cut([120.0, 0.0, 10.0, 10.0], [100, 100]), None);
        assert!(cut([95.0, 0.0, 10.0, 10.0], [100, 100]).is_some());
    }
}
