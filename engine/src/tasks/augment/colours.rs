//! Changes of colour with which the published detector is trained.

use relativenas_core::randomness::Stream;

use super::{canvas::Canvas, half, uniform};

/// The greatest number that is added to or subtracted from all values.
const BRIGHTNESS: f64 = 32.0;
/// The range of the factors of contrast and saturation.
const FACTOR: (f64, f64) = (0.5, 1.5);
/// The greatest change of hue, in degrees of the colour circle.
const HUE: f64 = 18.0;

/// Changes brightness, contrast, saturation and hue, and the order of the channels, each with a probability
/// of one half. Contrast comes before or after the changes of hue. Nothing is clamped to 0 to 255.
pub fn change(canvas: &mut Canvas, stream: &mut Stream) {
    if half(stream) {
        let more = uniform(-BRIGHTNESS, BRIGHTNESS, stream) as f32;
        canvas.change_each(|pixel| pixel.map(|value| value + more));
    }
    let before = half(stream);
    if before {
        contrast(canvas, stream);
    }
    saturation_and_hue(canvas, stream);
    if !before {
        contrast(canvas, stream);
    }
    if half(stream) {
        let order = stream.order(3);
        canvas.change_each(|pixel| [pixel[order[0]], pixel[order[1]], pixel[order[2]]]);
    }
}

fn contrast(canvas: &mut Canvas, stream: &mut Stream) {
    if half(stream) {
        let factor = uniform(FACTOR.0, FACTOR.1, stream) as f32;
        canvas.change_each(|pixel| pixel.map(|value| value * factor));
    }
}

fn saturation_and_hue(canvas: &mut Canvas, stream: &mut Stream) {
    let factor = if half(stream) { uniform(FACTOR.0, FACTOR.1, stream) as f32 } else { 1.0 };
    let turn = if half(stream) { uniform(-HUE, HUE, stream) as f32 } else { 0.0 };
    if factor != 1.0 || turn != 0.0 {
        canvas.change_each(|pixel| {
            let [hue, saturation, value] = to_hsv(pixel);
            from_hsv([hue + turn, saturation * factor, value])
        });
    }
}

/// The hue in degrees, the saturation as a share, and the value, which is the largest of the three.
fn to_hsv([red, green, blue]: [f32; 3]) -> [f32; 3] {
    let (value, least) = (red.max(green).max(blue), red.min(green).min(blue));
    let chroma = value - least;
    if chroma == 0.0 || value == 0.0 {
        return [0.0, 0.0, value];
    }
    let sixths = match value {
        v if v == red => (green - blue) / chroma,
        v if v == green => (blue - red) / chroma + 2.0,
        _ => (red - green) / chroma + 4.0,
    };
    // Values below 0 are darker than black; the saturation is the share of their absolute value.
    [60.0 * sixths, chroma / value.abs(), value]
}

fn from_hsv([hue, saturation, value]: [f32; 3]) -> [f32; 3] {
    [5.0, 3.0, 1.0].map(|offset: f32| {
        let distance = (offset + hue / 60.0).rem_euclid(6.0);
        value - value.abs() * saturation * distance.min(4.0 - distance).clamp(0.0, 1.0)
    })
}

#[cfg(test)]
mod tests {
    use relativenas_core::randomness::{Purpose, Streams};

    use super::*;

    fn canvas() -> Canvas {
        let rgb = (0..3 * 9 * 5).map(|i| (i * 53 % 256) as f32).collect();
        Canvas { width: 9, height: 5, rgb }
    }

    #[test]
    fn colours_go_to_hue_and_back() {
        for pixel in
            [[12.0, 200.0, 43.0], [0.0, 0.0, 0.0], [90.0, 90.0, 90.0], [-20.0, -4.0, -9.0], [255.0, 0.0, 1.0]]
        {
            let found = from_hsv(to_hsv(pixel));
            for (found, expected) in found.into_iter().zip(pixel) {
                assert!((found - expected).abs() < 1e-3, "{found} for {pixel:?}");
            }
        }
        // A third of the circle turns red to green.
        let [hue, saturation, value] = to_hsv([200.0, 0.0, 0.0]);
        assert_eq!(from_hsv([hue + 120.0, saturation, value]), [0.0, 200.0, 0.0]);
    }

    #[test]
    fn colours_depend_on_the_stream_and_vary() {
        let changed = |number| {
            let mut canvas = canvas();
            change(&mut canvas, &mut Streams::new(3).stream(Purpose::Augmentation, 0, number));
            canvas
        };
        assert_eq!(changed(1), changed(1));
        // The probability that nothing changes is 1/2 (brightness) · 1/2 (contrast) · 1/4 (hue and
        // saturation) · 7/12 (the order of channels), which is 3.6 %.
        let alike = (0..400).filter(|&number| changed(number) == canvas()).count();
        assert!((4..30).contains(&alike), "{alike} of 400");
    }
}
