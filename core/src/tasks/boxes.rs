//! Boxes with sides parallel to the picture's, given by corners or by centre.

use serde::{Deserialize, Serialize};

/// Added to the area of a union by the published detector, so that two empty boxes overlap by 0.
///
/// It belongs to the protocol: matching, suppression and average precision all divide by it.
pub const UNION_EPSILON: f64 = 1e-5;

/// A box given by two corners, in pixels or in shares of the picture's width and height.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f64; 4]", into = "[f64; 4]")]
pub struct CornerBox {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

/// A box given by centre, width and height, in pixels or in shares of the picture's width and height.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f64; 4]", into = "[f64; 4]")]
pub struct CentreBox {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl From<[f64; 4]> for CornerBox {
    fn from([left, top, right, bottom]: [f64; 4]) -> Self {
        Self { left, top, right, bottom }
    }
}

impl From<CornerBox> for [f64; 4] {
    fn from(CornerBox { left, top, right, bottom }: CornerBox) -> Self {
        [left, top, right, bottom]
    }
}

impl From<[f64; 4]> for CentreBox {
    fn from([x, y, width, height]: [f64; 4]) -> Self {
        Self { x, y, width, height }
    }
}

impl From<CentreBox> for [f64; 4] {
    fn from(CentreBox { x, y, width, height }: CentreBox) -> Self {
        [x, y, width, height]
    }
}

impl CornerBox {
    /// The area; 0 if left and right, or top and bottom, are exchanged.
    pub fn area(&self) -> f64 {
        (self.right - self.left).max(0.0) * (self.bottom - self.top).max(0.0)
    }

    /// The intersection of two boxes, which is an empty box if they do not overlap.
    pub fn intersection(&self, other: &Self) -> Self {
        Self {
            left: self.left.max(other.left),
            top: self.top.max(other.top),
            right: self.right.min(other.right),
            bottom: self.bottom.min(other.bottom),
        }
    }

    /// Intersection over union, with [`UNION_EPSILON`] in the denominator. Widths are differences of
    /// coordinates: no pixel is added.
    pub fn overlap(&self, other: &Self) -> f64 {
        let shared = self.intersection(other).area();
        shared / (self.area() + other.area() - shared + UNION_EPSILON)
    }

    pub fn centred(&self) -> CentreBox {
        CentreBox {
            x: (self.left + self.right) / 2.0,
            y: (self.top + self.bottom) / 2.0,
            width: self.right - self.left,
            height: self.bottom - self.top,
        }
    }

    /// The box with its coordinates multiplied, x by `width` and y by `height`.
    pub fn scaled(&self, width: f64, height: f64) -> Self {
        Self {
            left: self.left * width,
            top: self.top * height,
            right: self.right * width,
            bottom: self.bottom * height,
        }
    }
}

impl CentreBox {
    pub fn corners(&self) -> CornerBox {
        let (half_width, half_height) = (self.width / 2.0, self.height / 2.0);
        CornerBox {
            left: self.x - half_width,
            top: self.y - half_height,
            right: self.x + half_width,
            bottom: self.y + half_height,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_that_touch_or_are_empty_do_not_overlap() {
        let unit = CornerBox::from([0.0, 0.0, 1.0, 1.0]);
        assert!((unit.overlap(&unit) - 1.0).abs() < 2e-5);
        assert_eq!(unit.overlap(&CornerBox::from([1.0, 0.0, 2.0, 1.0])), 0.0);
        let empty = CornerBox::from([0.5, 0.5, 0.5, 0.5]);
        assert_eq!(empty.overlap(&empty), 0.0);
        assert!((unit.overlap(&CornerBox::from([0.5, 0.0, 1.5, 1.0])) - 1.0 / 3.0).abs() < 1e-5);
    }

    #[test]
    fn a_box_is_the_same_by_corners_and_by_centre() {
        let corners = CornerBox::from([0.25, 0.5, 0.75, 0.625]);
        assert_eq!(corners.centred(), CentreBox::from([0.5, 0.5625, 0.5, 0.125]));
        assert_eq!(corners.centred().corners(), corners);
    }
}
