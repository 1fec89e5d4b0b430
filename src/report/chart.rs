//! Curves as inline SVG. Colours come from the page's style sheet, so that they follow light and dark.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::document::{Chart, Curve, Point};

const WIDTH: f64 = 440.0;
const HEIGHT: f64 = 250.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 38.0;
/// With more points than this, none shows its value under the pointer, because the page would grow too large.
const MOST_SPEAKING_POINTS: usize = 1500;

/// A chart with its title and legend.
pub fn figure(chart: &Chart) -> Markup {
    html! {
        figure.chart {
            figcaption {
                strong { (chart.title) }
                span.legend {
                    @for curve in &chart.curves { (legend_entry(curve, dashes(chart, curve))) }
                }
            }
            (drawing(chart))
        }
    }
}

/// The dash pattern of a curve; a chart with a single curve needs none.
fn dashes(chart: &Chart, curve: &Curve) -> &'static str {
    if chart.curves.len() == 1 { "none" } else { curve.ink.dashes() }
}

fn legend_entry(curve: &Curve, dashes: &str) -> Markup {
    html! {
        span.entry {
            svg viewBox="0 0 26 8" width="26" height="8" aria-hidden="true" {
                path class={ "line " (curve.ink.name()) } d="M1 4H25" stroke-dasharray=(dashes) {}
            }
            (curve.name)
        }
    }
}

/// Converts values to pixels.
struct Axes {
    x: (f64, f64),
    y: (f64, f64),
}

impl Axes {
    /// `None` if there is nothing finite to draw.
    fn of(chart: &Chart) -> Option<Self> {
        let points = || chart.curves.iter().flat_map(|c| &c.points);
        let x = extent(points().map(|p| p.x))?;
        let values = points().flat_map(|p| {
            let (low, high) = p.range.unwrap_or((p.y, p.y));
            [p.y, low, high]
        });
        let (low, high) = extent(values)?;
        // A constant curve is drawn in the middle of a small range.
        let margin = if high > low { 0.06 * (high - low) } else { 0.1 * high.abs().max(0.1) };
        let y = ((low - margin).max(chart.bounds.0), (high + margin).min(chart.bounds.1));
        Some(Self { x, y })
    }

    fn across(&self, x: f64) -> f64 {
        let (first, last) = self.x;
        let share = if last > first { (x - first) / (last - first) } else { 0.5 };
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }

    fn up(&self, y: f64) -> f64 {
        let (low, high) = self.y;
        HEIGHT - BOTTOM - (y - low) / (high - low) * (HEIGHT - TOP - BOTTOM)
    }
}

/// The lowest and the highest of the finite values.
fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|v| v.is_finite()).fold(None, |known, v| match known {
        None => Some((v, v)),
        Some((low, high)) => Some((low.min(v), high.max(v))),
    })
}

fn drawing(chart: &Chart) -> Markup {
    let Some(axes) = Axes::of(chart) else {
        return html! { p.quiet { "No value of it is a number." } };
    };
    let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
    let speaking = chart.curves.iter().map(|c| c.points.len()).sum::<usize>() <= MOST_SPEAKING_POINTS;
    let ticks = ticks(axes.y, 5);
    let decimals = decimals(&ticks);
    html! {
        svg.plot viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img"
            aria-label={ (chart.title) " over " (chart.over) } {
            g.grid {
                @for &tick in &ticks {
                    @let y = pixel(axes.up(tick));
                    path d={ "M" (LEFT) " " (y) "H" (right) } {}
                    text x=(LEFT - 7.0) y=(y) dy="0.34em" text-anchor="end" {
                        (format!("{tick:.decimals$}{}", chart.unit))
                    }
                }
                @for tick in whole_ticks(axes.x) {
                    @let x = pixel(axes.across(tick));
                    path d={ "M" (x) " " (bottom) "v4" } {}
                    text x=(x) y=(bottom + 17.0) text-anchor="middle" { (tick) }
                }
                text.axis x=(pixel((LEFT + right) / 2.0)) y=(HEIGHT - 4.0) text-anchor="middle" { (chart.over) }
            }
            @for curve in &chart.curves {
                @let ink = curve.ink.name();
                @for piece in pieces(&curve.points) {
                    @if let Some(outline) = band(&axes, piece) { path class={ "band " (ink) } d=(outline) {} }
                }
            }
            @for curve in &chart.curves {
                @let ink = curve.ink.name();
                @for piece in pieces(&curve.points) {
                    @if let [lonely] = piece {
                        circle class={ "dot " (ink) } cx=(pixel(axes.across(lonely.x))) cy=(pixel(axes.up(lonely.y)))
                            r="3" {}
                    } @else {
                        path class={ "line " (ink) } d=(line(&axes, piece))
                            stroke-dasharray=(dashes(chart, curve)) {}
                    }
                }
            }
            @if speaking {
                @for curve in &chart.curves { (speaking_points(chart, curve, &axes)) }
            }
        }
    }
}

/// Draws invisible circles at the points of a curve, which show their values under the pointer.
fn speaking_points(chart: &Chart, curve: &Curve, axes: &Axes) -> Markup {
    let known = curve.points.iter().filter(|p| p.y.is_finite());
    html! {
        g class={ "speaking " (curve.ink.name()) } {
            @for point in known {
                circle cx=(pixel(axes.across(point.x))) cy=(pixel(axes.up(point.y))) r="5" {
                    title { (spoken(chart, curve, point)) }
                }
            }
        }
    }
}

fn spoken(chart: &Chart, curve: &Curve, point: &Point) -> String {
    let unit = chart.unit;
    let mut text = format!("{} {}: {} {:.4}{unit}", chart.over, point.x, curve.name, point.y);
    if let Some((low, high)) = point.range {
        let _ = write!(text, " ({low:.4}{unit} – {high:.4}{unit})");
    }
    text
}

/// The parts of a curve between its gaps.
fn pieces(points: &[Point]) -> impl Iterator<Item = &[Point]> {
    points.split(|p| !p.y.is_finite()).filter(|piece| !piece.is_empty())
}

fn line(axes: &Axes, piece: &[Point]) -> String {
    path(piece.iter().map(|p| (axes.across(p.x), axes.up(p.y))))
}

/// The outline of a range, along the highest values and back along the lowest; `None` if no point has a range.
fn band(axes: &Axes, piece: &[Point]) -> Option<String> {
    piece.iter().any(|p| p.range.is_some()).then(|| {
        let range = |p: &Point| p.range.unwrap_or((p.y, p.y));
        let there = piece.iter().map(|p| (axes.across(p.x), axes.up(range(p).1)));
        let back = piece.iter().rev().map(|p| (axes.across(p.x), axes.up(range(p).0)));
        path(there.chain(back)) + "Z"
    })
}

fn path(corners: impl Iterator<Item = (f64, f64)>) -> String {
    let mut out = String::new();
    for (place, (x, y)) in corners.enumerate() {
        let _ = write!(out, "{}{} {}", if place == 0 { 'M' } else { 'L' }, pixel(x), pixel(y));
    }
    out
}

/// A coordinate, rounded to a tenth of a pixel.
fn pixel(value: f64) -> f64 {
    (10.0 * value).round() / 10.0
}

/// About `count` round values within a range.
fn ticks((low, high): (f64, f64), count: usize) -> Vec<f64> {
    let rough = (high - low) / count as f64;
    let magnitude = 10f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|s| s * magnitude);
    let step = steps.into_iter().find(|s| *s >= rough).unwrap_or(rough);
    let (first, last) = ((low / step).ceil(), (high / step).floor());
    if !(first.is_finite() && last.is_finite() && last - first < 100.0) {
        return Vec::new();
    }
    (0..=(last - first) as i64).map(|i| (first + i as f64) * step).collect()
}

/// Round whole values within a range, for what is counted.
fn whole_ticks((first, last): (f64, f64)) -> Vec<f64> {
    if last - first < 6.0 {
        return (first.ceil() as i64..=last.floor() as i64).map(|i| i as f64).collect();
    }
    ticks((first, last), 7).into_iter().filter(|t| t.fract() == 0.0).collect()
}

/// How many decimals tell neighbouring ticks apart.
fn decimals(ticks: &[f64]) -> usize {
    let step = ticks.windows(2).map(|w| w[1] - w[0]).next().unwrap_or(1.0);
    (0..6).find(|&d| (step * 10f64.powi(d) - (step * 10f64.powi(d)).round()).abs() < 1e-6).unwrap_or(6)
        as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::document::Ink;

    fn chart(values: &[f64]) -> Chart {
        let point = |(x, &y): (usize, &f64)| Point { x: x as f64, y, range: None };
        let points = values.iter().enumerate().map(point).collect();
        let curve = Curve { name: "all".to_owned(), ink: Ink::Gray, points };
        Chart {
            title: "Loss",
            over: "generation",
            unit: "",
            bounds: (0.0, f64::INFINITY),
            curves: vec![curve],
        }
    }

    #[test]
    fn a_gap_divides_a_curve_and_a_lonely_value_is_a_dot() {
        let drawn = drawing(&chart(&[2.0, 1.5, f64::NAN, 1.0, f64::INFINITY, 0.5, 0.25])).into_string();
        assert_eq!((drawn.matches("\"line ").count(), drawn.matches("\"dot ").count()), (2, 1), "{drawn}");
        assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
    }

    #[test]
    fn every_range_of_values_can_be_drawn() {
        for values in
            [&[][..], &[f64::NAN], &[0.0], &[7.0, 7.0], &[1e-9, 2e-9], &[-1e300, 1e300], &[1e5, 1.0]]
        {
            let drawn = drawing(&chart(values)).into_string();
            assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{values:?}: {drawn}");
        }
    }

    #[test]
    fn ticks_are_round_and_within() {
        assert_eq!(ticks((0.93, 2.41), 5), [1.0, 1.5, 2.0]);
        assert_eq!(ticks((0.0, 100.0), 5), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(decimals(&[0.25, 0.5]), 2);
        assert_eq!(whole_ticks((0.0, 3.0)), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(whole_ticks((0.0, 49.0)), [0.0, 10.0, 20.0, 30.0, 40.0]);
    }
}
