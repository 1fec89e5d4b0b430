//! Augmentation for detection: changes of colours, a larger canvas, a crop and a mirror image of a picture with
//! boxes.

use relativenas_core::{
    randomness::Stream,
    tasks::{boxes::CornerBox, priors::IMAGE_SIDE},
};

use super::{canvas::Canvas, colours, half, uniform};
use crate::data::picture::Picture;

/// The grey value around a picture on a larger canvas.
const GREY: f32 = 127.0;
/// The greatest ratio of the canvas's sides to the picture's.
const LARGEST: f64 = 4.0;
/// The intersection over union that a crop must have with some box: one of these is drawn, and `None` requires
/// nothing.
const OVERLAPS: [Option<f64>; 5] = [Some(0.1), Some(0.3), Some(0.7), Some(0.9), None];
/// The least share of a side that a crop keeps.
const LEAST_SIDE: f64 = 0.3;
/// The number of crops that are tried with one overlap, before another overlap is drawn.
const TRIES: usize = 50;
/// The number of overlaps that are drawn before the whole picture is taken. (The published program has no
/// limit.)
const ROUNDS: usize = 50;

/// A picture with the size of the detector's input, and the boxes in it.
#[derive(Clone, Debug, PartialEq)]
pub struct DetectorInput {
    /// Pixels, `[320, 320, 3] f32`, not clamped to 0 to 255.
    pub rgb: Vec<f32>,
    /// Boxes in shares of the sides, with their classes.
    pub boxes: Vec<(CornerBox, usize)>,
}

/// A picture with boxes in its pixels and their classes.
#[derive(Clone, Debug)]
struct Scene {
    canvas: Canvas,
    boxes: Vec<(CornerBox, usize)>,
}

/// A picture without variations. `boxes` are in pixels.
pub fn plain(picture: &Picture, boxes: &[(CornerBox, usize)]) -> DetectorInput {
    Scene { canvas: Canvas::from(picture), boxes: boxes.to_vec() }.shown()
}

/// A picture with random variations. `boxes` are in pixels.
pub fn varied(picture: &Picture, boxes: &[(CornerBox, usize)], stream: &mut Stream) -> DetectorInput {
    let mut scene = Scene { canvas: Canvas::from(picture), boxes: boxes.to_vec() };
    colours::change(&mut scene.canvas, stream);
    scene.moved(stream).shown()
}

impl Scene {
    /// The variations that move boxes.
    fn moved(self, stream: &mut Stream) -> Self {
        let mut scene = if half(stream) { self.on_larger_canvas(stream) } else { self };
        scene = scene.cropped(stream);
        if half(stream) {
            scene.mirror();
        }
        scene
    }

    fn shown(&self) -> DetectorInput {
        let (width, height) = (self.canvas.width as f64, self.canvas.height as f64);
        let share =
            |(corners, class): &(CornerBox, usize)| (corners.scaled(1.0 / width, 1.0 / height), *class);
        let boxes = self.boxes.iter().map(share).collect();
        DetectorInput { rgb: self.canvas.resized(IMAGE_SIDE, IMAGE_SIDE).rgb, boxes }
    }

    fn shifted(boxes: &[(CornerBox, usize)], x: f64, y: f64) -> Vec<(CornerBox, usize)> {
        let shift = |(corners, class): &(CornerBox, usize)| {
            let CornerBox { left, top, right, bottom } = *corners;
            (CornerBox { left: left + x, top: top + y, right: right + x, bottom: bottom + y }, *class)
        };
        boxes.iter().map(shift).collect()
    }

    fn on_larger_canvas(self, stream: &mut Stream) -> Self {
        let ratio = uniform(1.0, LARGEST, stream);
        let old = [self.canvas.width, self.canvas.height];
        let new = old.map(|side| (side as f64 * ratio) as usize);
        let corner = [0, 1].map(|axis| stream.below(new[axis] - old[axis] + 1));
        let canvas = self.canvas.framed(corner, new, GREY);
        Self { canvas, boxes: Self::shifted(&self.boxes, corner[0] as f64, corner[1] as f64) }
    }

    /// A random part of the picture that some box overlaps enough, with the visible parts of the boxes whose
    /// centres lie in it.
    ///
    /// The published program intends this, but its test joins two conditions of which one is never true, so
    /// it takes any crop.
    fn cropped(self, stream: &mut Stream) -> Self {
        let (width, height) = (self.canvas.width as f64, self.canvas.height as f64);
        for _ in 0..ROUNDS {
            let Some(&least) = OVERLAPS.get(stream.below(OVERLAPS.len() + 1)) else { return self };
            for _ in 0..TRIES {
                let sides = [width, height].map(|side| uniform(LEAST_SIDE * side, side, stream) as usize);
                let corner = [uniform(0.0, 1.0, stream), uniform(0.0, 1.0, stream)];
                let ratio = sides[1] as f64 / sides[0].max(1) as f64;
                if sides.contains(&0) || !(0.5..=2.0).contains(&ratio) {
                    continue;
                }
                let room = [self.canvas.width - sides[0], self.canvas.height - sides[1]];
                let corner = [0, 1].map(|axis| (corner[axis] * (room[axis] + 1) as f64) as usize);
                if let Some(boxes) = self.boxes_in(corner, sides, least) {
                    return Self { canvas: self.canvas.cropped(corner, sides), boxes };
                }
            }
        }
        self
    }

    /// The visible parts of the boxes in a part of the picture; `None` if it overlaps no box enough, or the
    /// centre of no box lies in it. Without boxes, no overlap is required.
    fn boxes_in(
        &self,
        corner: [usize; 2],
        sides: [usize; 2],
        least: Option<f64>,
    ) -> Option<Vec<(CornerBox, usize)>> {
        if self.boxes.is_empty() {
            return Some(Vec::new());
        }
        let [left, top] = corner.map(|at| at as f64);
        let [width, height] = sides.map(|side| side as f64);
        let part = CornerBox { left, top, right: left + width, bottom: top + height };
        let best = self.boxes.iter().map(|(corners, _)| corners.overlap(&part)).fold(0.0, f64::max);
        if least.is_some_and(|least| best < least) {
            return None;
        }
        let inside = |corners: &CornerBox| {
            let centre = corners.centred();
            part.left < centre.x && centre.x < part.right && part.top < centre.y && centre.y < part.bottom
        };
        let kept = self.boxes.iter().filter(|(corners, _)| inside(corners));
        let cut: Vec<_> = kept.map(|(corners, class)| (corners.intersection(&part), *class)).collect();
        (!cut.is_empty()).then(|| Self::shifted(&cut, -left, -top))
    }

    fn mirror(&mut self) {
        self.canvas.mirror();
        let width = self.canvas.width as f64;
        for (corners, _) in &mut self.boxes {
            (corners.left, corners.right) = (width - corners.right, width - corners.left);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use relativenas_core::randomness::{Purpose, Streams};

    use super::*;

    /// A grey picture in which a box is red.
    fn red_box(width: usize, height: usize, [left, top, right, bottom]: [usize; 4]) -> Scene {
        let mut rgb = Vec::new();
        for y in 0..height {
            for x in 0..width {
                let inside = (left..right).contains(&x) && (top..bottom).contains(&y);
                rgb.extend(if inside { [200.0, 0.0, 0.0] } else { [90.0; 3] });
            }
        }
        let corners = CornerBox::from([left, top, right, bottom].map(|n| n as f64));
        Scene { canvas: Canvas { width, height, rgb }, boxes: vec![(corners, 3)] }
    }

    /// The smallest box around all red pixels, in shares of the sides.
    fn where_red(shown: &DetectorInput) -> Option<CornerBox> {
        let red = |place: usize| shown.rgb[3 * place] - shown.rgb[3 * place + 1] > 100.0;
        let places = (0..IMAGE_SIDE * IMAGE_SIDE).filter(|&place| red(place));
        let side = IMAGE_SIDE as f64;
        places.fold(None, |found: Option<CornerBox>, place| {
            let (x, y) = ((place % IMAGE_SIDE) as f64 / side, (place / IMAGE_SIDE) as f64 / side);
            let pixel = CornerBox { left: x, top: y, right: x + 1.0 / side, bottom: y + 1.0 / side };
            Some(found.map_or(pixel, |b| CornerBox {
                left: b.left.min(pixel.left),
                top: b.top.min(pixel.top),
                right: b.right.max(pixel.right),
                bottom: b.bottom.max(pixel.bottom),
            }))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn boxes_stay_where_what_they_hold_is(
            width in 40_usize..160, height in 40_usize..160, at in prop::array::uniform4(0.0..1.0_f64), seed: u64,
        ) {
            let span = |side: usize, start: f64, length: f64| {
                let length = 12 + (length * (side - 12) as f64) as usize;
                let start = (start * (side - length + 1) as f64) as usize;
                (start, (start + length).min(side))
            };
            let ((left, right), (top, bottom)) = (span(width, at[0], at[2]), span(height, at[1], at[3]));
            let scene = red_box(width, height, [left, top, right, bottom]);
            let mut stream = Streams::new(seed).stream(Purpose::Augmentation, 0, 0);
            let scene = scene.moved(&mut stream);
            let (sides, shown) = ([scene.canvas.width, scene.canvas.height], scene.shown());
            prop_assert!(shown.boxes.len() == 1, "the one box is in every crop: {:?}", shown.boxes);
            let (corners, class) = shown.boxes[0];
            let red = where_red(&shown).expect("something red");
            prop_assert_eq!(class, 3);
            // A pixel that is interpolated between two is half red.
            for (found, expected, side) in [
                (corners.left, red.left, sides[0]), (corners.right, red.right, sides[0]),
                (corners.top, red.top, sides[1]), (corners.bottom, red.bottom, sides[1]),
            ] {
                prop_assert!((0.0..=1.0).contains(&found));
                let tolerance = 0.6 / side as f64 + 1.5 / IMAGE_SIDE as f64;
                prop_assert!((found - expected).abs() <= tolerance, "{:?} for {:?}", corners, red);
            }
        }
    }

    #[test]
    fn crops_overlap_a_box_by_as_much_as_was_asked() {
        let scene = red_box(100, 100, [10, 10, 60, 60]);
        assert!(scene.boxes_in([10, 10], [50, 50], Some(0.9)).is_some());
        assert!(scene.boxes_in([0, 0], [100, 100], Some(0.3)).is_none(), "a quarter of it");
        assert!(scene.boxes_in([0, 0], [100, 100], Some(0.1)).is_some());
        assert!(scene.boxes_in([40, 40], [60, 60], None).is_none(), "the centre is not in it");
        let cut = scene.boxes_in([20, 30], [60, 60], None).expect("the centre is in it");
        assert_eq!(cut, [(CornerBox::from([0.0, 0.0, 40.0, 30.0]), 3)]);
    }

    #[test]
    fn pictures_without_boxes_vary_too() {
        let mut scene = red_box(50, 40, [1, 1, 20, 20]);
        scene.boxes.clear();
        for number in 0..40 {
            let mut stream = Streams::new(1).stream(Purpose::Augmentation, 0, number);
            assert!(scene.clone().moved(&mut stream).shown().boxes.is_empty());
        }
    }
}
