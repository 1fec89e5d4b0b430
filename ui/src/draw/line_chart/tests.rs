use proptest::prelude::*;
use ratatui::style::Style;

use super::*;
use crate::draw::tests::{EVERY_FINENESS, sheet};

/// Losses that fall, with two generations missing.
fn falling(start: f64, floor: f64) -> Vec<f64> {
    let mut values: Vec<f64> = (0..34)
        .map(|g| floor + (start - floor) * (-0.11 * f64::from(g)).exp() + 0.05 * f64::from(g % 3))
        .collect();
    values[20] = f64::NAN;
    values[21] = f64::INFINITY;
    values
}

fn plain() -> [Style; 2] {
    [Style::new(); 2]
}

#[test]
fn losses_over_generations() {
    let (fast, slow) = (falling(2.2, 0.95), falling(2.5, 1.15));
    let best: Vec<f64> = (0..34).map(|g| if g % 8 == 0 { fast[g] } else { f64::NAN }).collect();
    let best: Vec<f64> = best.iter().zip(&fast).map(|(b, f)| if b.is_nan() { f - 0.1 } else { *b }).collect();
    for fineness in EVERY_FINENESS {
        let glyphs = Glyphs::new(fineness);
        let series = [
            Series::new("slow", &slow, Stroke::Dotted, Style::new()),
            Series::new("fast", &fast, Stroke::Solid, Style::new()),
            Series::new("best", &best[..6], Stroke::Mark(glyphs.marks[2]), Style::new()),
        ];
        let chart = LineChart::new(&series, 0..=50, &glyphs, plain());
        let drawn = sheet(&[(72, 12), (34, 6), (12, 3)], |area, buffer| chart.clone().render(area, buffer));
        insta::assert_snapshot!(
            format!("losses_{fineness:?}"),
            format!("{}\n{drawn}", legend(&series, None, &glyphs))
        );
    }
}

#[test]
fn a_cursor_reads_every_curve() {
    let glyphs = Glyphs::new(Fineness::Braille);
    let (fast, slow) = (falling(2.2, 0.95), falling(2.5, 1.15));
    let band: Vec<_> = slow.iter().map(|value| (value - 0.25, value + 0.25)).collect();
    let series = [
        Series { band: Some(&band), ..Series::new("mean", &slow, Stroke::Dashed, Style::new()) },
        Series::new("fast", &fast, Stroke::Solid, Style::new()),
    ];
    let chart = LineChart::new(&series, 0..=50, &glyphs, plain()).cursor(Some(9));
    let drawn = sheet(&[(72, 14)], |area, buffer| chart.clone().render(area, buffer));
    insta::assert_snapshot!(format!("{}\n{drawn}", legend(&series, Some(9), &glyphs)));
}

#[test]
fn a_logarithmic_axis_has_decades() {
    let glyphs = Glyphs::new(Fineness::Braille);
    let rate: Vec<f64> = (0..60).map(|e| 0.1 * 0.87f64.powi(e)).collect();
    let zero: Vec<f64> = (0..60).map(|e| f64::from(e % 10) * 0.002).collect();
    let series = [
        Series::new("rate", &rate, Stroke::Solid, Style::new()),
        Series::new("zero at times", &zero, Stroke::Mark('o'), Style::new()),
    ];
    let chart = LineChart::new(&series, 1..=60, &glyphs, plain()).scale(Scale::Logarithmic);
    insta::assert_snapshot!(sheet(&[(60, 12), (30, 5)], |area, buffer| chart.clone().render(area, buffer)));
}

#[test]
fn lines_are_cut_at_fixed_limits() {
    let glyphs = Glyphs::new(Fineness::Braille);
    let zigzag: Vec<f64> = (0..9).map(|i| if i % 2 == 0 { -1.0 } else { 2.0 }).collect();
    let series = [Series::new("zigzag", &zigzag, Stroke::Solid, Style::new())];
    let chart = LineChart::new(&series, 0..=8, &glyphs, plain()).limits(0.0, 1.0);
    insta::assert_snapshot!(sheet(&[(40, 7)], |area, buffer| chart.clone().render(area, buffer)));
}

#[test]
fn a_loss_that_went_astray_does_not_flatten_the_others() {
    let glyphs = Glyphs::new(Fineness::Braille);
    let mut losses = falling(2.2, 1.0);
    losses[1] = 57.0;
    let series = [Series::new("slow", &losses, Stroke::Solid, Style::new())];
    let chart = LineChart::new(&series, 0..=33, &glyphs, plain()).robust();
    insta::assert_snapshot!(sheet(&[(60, 8)], |area, buffer| chart.clone().render(area, buffer)));
}

#[test]
fn the_axis_moves_in_steps() {
    let ends = |values: &[f64]| {
        let axis = Axis::new(values.iter().copied(), Scale::Linear, None, 10);
        (axis.ticks[0].1.clone(), axis.ticks[axis.ticks.len() - 1].1.clone())
    };
    let mut losses = vec![2.31, 1.02];
    let before = ends(&losses);
    losses.extend([1.9, 1.13]);
    assert_eq!(ends(&losses), before, "a value inside the axis leaves it alone");
    assert_eq!(before, ("1.0".to_owned(), "2.0".to_owned()));
}

#[test]
fn a_logarithmic_axis_fits_what_lies_within_a_decade() {
    let ends = |low: f64, high: f64| {
        let axis = Axis::new([low, high].into_iter(), Scale::Logarithmic, None, 10);
        let share = |value| axis.share(value).expect("on the axis");
        assert!(share(low) < 0.2 && share(high) > 0.8, "{low} to {high}: {:?}", axis.ticks);
        assert!(axis.ticks.len() >= 2, "{:?}", axis.ticks);
    };
    ends(2.1, 4.9);
    ends(2.21, 2.38);
    ends(0.9, 1.2);
    ends(1.8, 11.0);
}

#[test]
fn a_column_is_read_back_as_its_x() {
    let glyphs = Glyphs::new(Fineness::Braille);
    let values = falling(2.0, 1.0);
    let series = [Series::new("fast", &values, Stroke::Solid, Style::new())];
    let chart = LineChart::new(&series, 5..=50, &glyphs, plain());
    let area = Rect::new(3, 1, 60, 10);
    assert_eq!(chart.x_at(area, 62), Some(50));
    assert_eq!(chart.x_at(area, 63), None);
    assert_eq!(chart.x_at(area, 0), None);
    assert_eq!(chart.x_at(area, 3 + 5), Some(5));
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(
        values in prop::collection::vec(any::<f64>(), 0..40),
        wide in prop::collection::vec(prop::num::f64::ANY, 0..40),
        size in (0u16..60, 0u16..20),
        range in (0u32..100, 0u32..1000),
        limits in prop::option::of((any::<f64>(), any::<f64>())),
        logarithmic: bool,
        fineness in prop::sample::select(EVERY_FINENESS.to_vec()),
    ) {
        let glyphs = Glyphs::new(fineness);
        let band: Vec<_> = wide.iter().zip(&values).map(|(&low, &high)| (low, high)).collect();
        let series = [
            Series { band: Some(&band), ..Series::new("a", &values, Stroke::Solid, Style::new()) },
            Series::new("b", &wide, Stroke::Mark('o'), Style::new()),
        ];
        let mut chart = LineChart::new(&series, range.0..=range.1, &glyphs, plain()).cursor(Some(range.0 + 3));
        if logarithmic {
            chart = chart.scale(Scale::Logarithmic);
        }
        if let Some((low, high)) = limits {
            chart = chart.limits(low, high);
        }
        sheet(&[size], |area, buffer| chart.clone().render(area, buffer));
    }
}
