//! Changing the brightness, contrast, saturation and hue of a photograph.
//!
//! The three colours are kept apart while they change, as whole numbers in f32, so that the compiler can compute many
//! pixels at once. Every processor gives the same bits.

use relativenas_core::randomness::Stream;

use crate::simd::{Kernel, Simd, dispatch};

/// The weights of red, green and blue in grey (ITU-R BT.601).
const GREY: [f32; 3] = [0.299, 0.587, 0.114];
/// The number of pixels that are computed together.
const TOGETHER: usize = 16;

/// How much colours may change. Each factor is drawn from [1 − x, 1 + x].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ColourJitter {
    pub brightness: f64,
    pub contrast: f64,
    pub saturation: f64,
    /// The greatest change of hue, in turns of the colour circle: it is drawn from [−x, x].
    pub hue: f64,
}

impl ColourJitter {
    pub const NONE: Self = Self { brightness: 0.0, contrast: 0.0, saturation: 0.0, hue: 0.0 };
    /// The changes with which the published code trains on ImageNet.
    pub const PUBLISHED: Self = Self { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.2 };
}

/// One change of all pixels. Results are rounded, and clamped to 0 and 255.
#[derive(Clone, Copy, Debug)]
enum Change {
    /// Multiplies every value.
    Brightness(f32),
    /// Multiplies every value's distance from this mean.
    Contrast { mean: f32, factor: f32 },
    /// Multiplies every value's distance from the grey of its pixel.
    Saturation(f32),
    /// Turns the hue by this part of the colour circle, and keeps saturation and value (HSV).
    Hue(f32),
}

/// Changes brightness, contrast, saturation and hue of pixels `[pixels, 3]`, in random order.
pub(super) fn change_colours(pixels: &mut [u8], jitter: ColourJitter, stream: &mut Stream) {
    let order = stream.order(4);
    let factor = |amount: f64, stream: &mut Stream| {
        let (low, high) = ((1.0 - amount).max(0.0), 1.0 + amount);
        (low + (high - low) * stream.unit()) as f32
    };
    let brightness = factor(jitter.brightness, stream);
    let contrast = factor(jitter.contrast, stream);
    let saturation = factor(jitter.saturation, stream);
    let turn = (-jitter.hue + 2.0 * jitter.hue * stream.unit()) as f32;
    if jitter == ColourJitter::NONE {
        return;
    }
    let mut groups = PixelGroups::of(pixels);
    for change in order {
        match change {
            0 if jitter.brightness > 0.0 => groups.change(Change::Brightness(brightness)),
            1 if jitter.contrast > 0.0 => {
                groups.change(Change::Contrast { mean: groups.mean_grey(), factor: contrast });
            }
            2 if jitter.saturation > 0.0 => groups.change(Change::Saturation(saturation)),
            3 if jitter.hue > 0.0 => groups.change(Change::Hue(turn)),
            _ => {}
        }
    }
    groups.write(pixels);
}

/// Multiplies brightness, contrast and saturation of pixels `[pixels, 3]`, in this order, each by its factor. The
/// rounded mean grey of all pixels is what contrast is measured from.
pub fn enhance(pixels: &mut [u8], [brightness, contrast, saturation]: [f32; 3]) {
    let mut groups = PixelGroups::of(pixels);
    groups.change(Change::Brightness(brightness));
    groups.change(Change::Contrast { mean: groups.mean_grey().round(), factor: contrast });
    groups.change(Change::Saturation(saturation));
    groups.write(pixels);
}

/// The pixels of a photograph in groups; of the last group, only the first values may be pixels.
struct PixelGroups {
    groups: Vec<Group>,
    pixels: usize,
}

/// The red, green and blue values of some pixels.
type Group = [[f32; TOGETHER]; 3];

impl PixelGroups {
    fn of(pixels: &[u8]) -> Self {
        let pixels = pixels.as_chunks::<3>().0;
        let group = |pixels: &[[u8; 3]]| {
            let mut group = [[0.0; TOGETHER]; 3];
            for (place, pixel) in pixels.iter().enumerate() {
                for (values, &value) in group.iter_mut().zip(pixel) {
                    values[place] = f32::from(value);
                }
            }
            group
        };
        Self { groups: pixels.chunks(TOGETHER).map(group).collect(), pixels: pixels.len() }
    }

    fn write(&self, pixels: &mut [u8]) {
        let pixels = pixels.as_chunks_mut::<3>().0;
        for (pixels, [red, green, blue]) in pixels.chunks_mut(TOGETHER).zip(&self.groups) {
            for (place, pixel) in pixels.iter_mut().enumerate() {
                *pixel = [red[place] as u8, green[place] as u8, blue[place] as u8];
            }
        }
    }

    fn change(&mut self, change: Change) {
        struct All<'a>(&'a mut [Group], Change);
        impl Kernel for All<'_> {
            type Output = ();

            #[inline(always)]
            fn run<S: Simd>(self, _: S) {
                match self.1 {
                    Change::Brightness(factor) => each(self.0, |p| p.map(|c| c * factor)),
                    Change::Contrast { mean, factor } => {
                        each(self.0, |p| p.map(|c| mean + (c - mean) * factor))
                    }
                    Change::Saturation(factor) => each(self.0, |p| {
                        let grey = grey(p);
                        p.map(|c| grey + (c - grey) * factor)
                    }),
                    Change::Hue(turn) => each(self.0, |p| with_hue_turned(p, turn)),
                }
            }
        }
        dispatch(All(&mut self.groups, change));
    }

    /// The mean over all pixels.
    fn mean_grey(&self) -> f32 {
        let mut left = self.pixels;
        let mut sum = 0.0;
        for [red, green, blue] in &self.groups {
            let count = left.min(TOGETHER);
            let grey: [f32; TOGETHER] =
                std::array::from_fn(|place| grey([red[place], green[place], blue[place]]));
            sum += grey[..count].iter().map(|&grey| f64::from(grey)).sum::<f64>();
            left -= count;
        }
        (sum / self.pixels.max(1) as f64) as f32
    }
}

/// Replaces each pixel by the rounded and clamped result of `change`.
#[inline(always)]
fn each(groups: &mut [Group], change: impl Fn([f32; 3]) -> [f32; 3]) {
    for [red, green, blue] in groups {
        for place in 0..TOGETHER {
            let changed = change([red[place], green[place], blue[place]]);
            let [r, g, b] = changed.map(|c| (c.clamp(0.0, 255.0) + 0.5).floor());
            (red[place], green[place], blue[place]) = (r, g, b);
        }
    }
}

#[inline(always)]
fn grey([red, green, blue]: [f32; 3]) -> f32 {
    GREY[0] * red + GREY[1] * green + GREY[2] * blue
}

/// A pixel whose hue is turned by `turn` of the colour circle. It has no branches, so that many are computed at once.
#[inline(always)]
fn with_hue_turned([red, green, blue]: [f32; 3], turn: f32) -> [f32; 3] {
    let value = red.max(green).max(blue);
    let chroma = value - red.min(green).min(blue);
    // Grey has no hue, and whatever is taken for it is multiplied by a chroma of 0.
    let divisor = if chroma == 0.0 { 1.0 } else { chroma };
    // The hue in sixths of the colour circle, from red over yellow to green and on.
    let from_red = (green - blue) / divisor;
    let from_green = (blue - red) / divisor + 2.0;
    let from_blue = (red - green) / divisor + 4.0;
    let hue = if value == red {
        from_red
    } else if value == green {
        from_green
    } else {
        from_blue
    };
    let hue = hue + 6.0 * turn;
    [5.0, 3.0, 1.0].map(|offset: f32| {
        let turns = (offset + hue) / 6.0;
        let distance = 6.0 * (turns - turns.floor());
        value - chroma * distance.min(4.0 - distance).clamp(0.0, 1.0)
    })
}

#[cfg(test)]
mod tests {
    use relativenas_core::randomness::{Purpose, Streams};

    use super::*;

    fn changed(pixels: &[u8], change: Change) -> Vec<u8> {
        let mut groups = PixelGroups::of(pixels);
        groups.change(change);
        let mut pixels = pixels.to_vec();
        groups.write(&mut pixels);
        pixels
    }

    #[test]
    fn each_change_does_what_its_name_says() {
        let pixels = [200, 100, 50, 10, 20, 30];
        assert_eq!(changed(&pixels, Change::Brightness(1.5)), [255, 150, 75, 15, 30, 45]);
        assert_eq!(changed(&pixels, Change::Contrast { mean: 50.0, factor: 0.5 }), [125, 75, 50, 30, 35, 40]);
        assert_eq!(changed(&[90, 90, 90], Change::Saturation(1.7)), [90, 90, 90]);
        assert_eq!(changed(&[200, 0, 0], Change::Saturation(0.0)), [60, 60, 60]);
        // A third of the circle turns red to green; grey has no hue.
        assert_eq!(changed(&[200, 0, 0, 90, 90, 90], Change::Hue(1.0 / 3.0)), [0, 200, 0, 90, 90, 90]);
        assert_eq!(changed(&pixels, Change::Hue(0.0)), pixels);
    }

    #[test]
    fn hues_turn_as_in_a_conversion_pixel_by_pixel() {
        let reference = |pixel: [u8; 3], turn: f64| -> [f64; 3] {
            let [r, g, b] = pixel.map(f64::from);
            let value = r.max(g).max(b);
            let chroma = value - r.min(g).min(b);
            let hue = match value {
                _ if chroma == 0.0 => 0.0,
                v if v == r => (g - b) / chroma,
                v if v == g => (b - r) / chroma + 2.0,
                _ => (r - g) / chroma + 4.0,
            };
            [5.0, 3.0, 1.0].map(|offset: f64| {
                let distance = (offset + hue + 6.0 * turn).rem_euclid(6.0);
                value - chroma * distance.min(4.0 - distance).clamp(0.0, 1.0)
            })
        };
        for turn in [-0.5, -0.2, -0.01, 0.0, 0.1, 0.2, 0.5] {
            for red in (0..=255).step_by(15) {
                let pixels: Vec<[u8; 3]> = (0..=255)
                    .step_by(15)
                    .flat_map(|green| (0..=255).step_by(15).map(move |blue| [red, green, blue]))
                    .collect();
                let turned = changed(pixels.as_flattened(), Change::Hue(turn as f32));
                for (pixel, turned) in pixels.iter().zip(turned.as_chunks::<3>().0) {
                    for (expected, &found) in reference(*pixel, turn).into_iter().zip(turned) {
                        assert!(
                            (expected - f64::from(found)).abs() < 0.51,
                            "{pixel:?} by {turn}: {turned:?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn the_mean_knows_only_pixels() {
        for count in [1, 15, 16, 17, 40] {
            assert_eq!(PixelGroups::of(&vec![100; 3 * count]).mean_grey(), 100.0, "{count} pixels");
        }
        assert_eq!(PixelGroups::of(&[]).mean_grey(), 0.0);
    }

    #[test]
    fn without_jitter_nothing_changes_and_as_much_is_drawn() {
        let mut after = [ColourJitter::NONE, ColourJitter::PUBLISHED].map(|jitter| {
            let mut stream = Streams::new(5).stream(Purpose::Augmentation, 0, 1);
            let mut pixels = [200, 100, 50, 10, 20, 30];
            change_colours(&mut pixels, jitter, &mut stream);
            (pixels, stream.bits())
        });
        assert_eq!(after[0].0, [200, 100, 50, 10, 20, 30]);
        assert_ne!(after[1].0, after[0].0);
        after[1].0 = after[0].0;
        assert_eq!(after[0], after[1]);
    }
}
