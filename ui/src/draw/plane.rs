//! Points on a plane, with trails of where they came from.
//!
//! A trail is dotted, and its dots stand closer towards its end, so that its direction is visible without an
//! arrow head. Newer trails cover older ones, points cover trails, and a name stands beside its point where
//! there is nothing else.

use std::collections::BTreeSet;

use ratatui::{buffer::Buffer, layout::Rect, style::Style, widgets::Widget};

use super::{
    pen::Pen,
    raster::{self, Raster},
    text,
};
use crate::glyphs::Glyphs;

/// A point on the plane.
#[derive(Clone, Debug)]
pub struct Spot {
    pub at: (f64, f64),
    pub glyph: char,
    pub style: Style,
    /// The name beside the point; empty for none.
    pub name: String,
    pub name_style: Style,
    /// Whether the name may cover trails. Names that may not are left out where no blank place is beside the point.
    pub insists: bool,
}

/// The line from where a point was to where it moved.
#[derive(Clone, Copy, Debug)]
pub struct Trail {
    pub from: (f64, f64),
    pub to: (f64, f64),
    pub style: Style,
    pub ink: Ink,
}

/// How much of a trail is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// Dots that close up to a line, and a head.
    Arrow,
    /// Dots that close up to a line.
    Full,
    /// Every dot at the end, few at the beginning.
    Thin,
    /// A few dots.
    Faint,
    /// Evenly dotted from end to end: a relation between two points, not a movement.
    Link,
}

/// The plane: the ranges of x and y that are visible, and the trails and points on it, the least important first.
pub struct Plane<'a> {
    pub x: (f64, f64),
    pub y: (f64, f64),
    pub trails: &'a [Trail],
    pub spots: &'a [Spot],
    pub glyphs: &'a Glyphs,
}

impl Widget for Plane<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let mut pen = Pen::new(area, buffer);
        let mut raster = Raster::new(pen.width(), pen.height(), self.glyphs.fineness);
        if raster.width() == 0 || raster.height() == 0 {
            return;
        }
        let scale = Scale::new(&self, &raster);
        for trail in self.trails {
            draw_trail(&mut raster, scale.dot(trail.from), scale.dot(trail.to), trail);
        }
        let mut inked = raster.inked();
        raster.draw(&mut pen, 0, 0);
        for trail in self.trails.iter().filter(|trail| trail.ink == Ink::Arrow) {
            if let Some((x, y, glyph)) = scale.head(trail, self.glyphs) {
                pen.glyph(x, y, glyph, trail.style);
                inked.insert((x, y));
            }
        }
        self.draw_spots(&mut pen, &scale, &inked);
    }
}

impl Plane<'_> {
    /// Draws all points, then the names of as many as there is room for, the most important first.
    fn draw_spots(&self, pen: &mut Pen<'_>, scale: &Scale, inked: &BTreeSet<(usize, usize)>) {
        let seen = |spot: &&Spot| scale.holds(spot.at);
        let spots: Vec<_> = self.spots.iter().filter(seen).map(|spot| (spot, scale.cell(spot.at))).collect();
        let mut taken: BTreeSet<(usize, usize)> = spots.iter().map(|(_, cell)| *cell).collect();
        let mut names = BTreeSet::new();
        for (spot, (x, y)) in &spots {
            pen.glyph(*x, *y, spot.glyph, spot.style);
        }
        for (spot, (x, y)) in spots.iter().rev() {
            let width = text::width(&spot.name);
            if width == 0 {
                continue;
            }
            let places = [
                Some((x + 1, *y)),
                x.checked_sub(width).map(|x| (x, *y)),
                y.checked_sub(1).map(|y| (x + 1, y)),
                Some((x + 1, y + 1)),
                y.checked_sub(1).map(|y| (x.saturating_sub(width / 2), y)),
                Some((x.saturating_sub(width / 2), y + 1)),
            ];
            let fits = |(x, y): &(usize, usize)| x + width <= pen.width() && *y < pen.height();
            let is_free = |(x, y): &(usize, usize)| {
                let apart =
                    x.checked_sub(1).into_iter().chain([x + width]).all(|x| !names.contains(&(x, *y)));
                apart && (*x..x + width).all(|x| !taken.contains(&(x, *y)))
            };
            let is_blank = |(x, y): &(usize, usize)| (*x..x + width).all(|x| !inked.contains(&(x, *y)));
            let free: Vec<_> = places.into_iter().flatten().filter(|p| fits(p) && is_free(p)).collect();
            let blank = free.iter().find(|place| is_blank(place));
            let Some(&(left, row)) = blank.or(free.first().filter(|_| spot.insists)) else { continue };
            pen.text(left, row, &spot.name, spot.name_style);
            taken.extend((left..left + width).map(|x| (x, row)));
            names.extend((left..left + width).map(|x| (x, row)));
        }
    }
}

/// Converts coordinates of the plane to dots and characters.
struct Scale {
    x: (f64, f64),
    y: (f64, f64),
    dots: (f64, f64),
    per_cell: (usize, usize),
}

impl Scale {
    fn new(plane: &Plane<'_>, raster: &Raster) -> Self {
        Self {
            x: plane.x,
            y: plane.y,
            dots: (raster.width() as f64 - 1.0, raster.height() as f64 - 1.0),
            per_cell: Raster::dots_per_cell(plane.glyphs.fineness),
        }
    }

    fn holds(&self, (x, y): (f64, f64)) -> bool {
        (self.x.0..=self.x.1).contains(&x) && (self.y.0..=self.y.1).contains(&y)
    }

    fn dot(&self, (x, y): (f64, f64)) -> raster::Point {
        let share = |at: f64, (low, high): (f64, f64)| (at - low) / (high - low);
        (share(x, self.x) * self.dots.0, (1.0 - share(y, self.y)) * self.dots.1)
    }

    fn cell(&self, at: (f64, f64)) -> (usize, usize) {
        let (x, y) = self.dot(at);
        (x.round() as usize / self.per_cell.0, y.round() as usize / self.per_cell.1)
    }

    /// Where a trail's head is drawn, in the character before its end, and how; `None` where the trail
    /// is too short for one.
    fn head(&self, trail: &Trail, glyphs: &Glyphs) -> Option<(usize, usize, char)> {
        if !self.holds(trail.to) {
            return None;
        }
        let (from, to) = (self.dot(trail.from), self.dot(trail.to));
        let (across, down) = (self.per_cell.0 as f64, self.per_cell.1 as f64);
        // Distances are measured in characters, which are about twice as high as wide.
        let (dx, dy) = ((to.0 - from.0) / across, (to.1 - from.1) / down);
        let flat = dx.abs() >= 2.0 * dy.abs();
        let steps = if flat { dx.abs() } else { dy.abs() };
        if steps.is_nan() || steps < 2.0 {
            return None;
        }
        let back = |at: f64, way: f64, size: f64| ((at - way / steps * size).round().max(0.0)) as usize;
        let (x, y) = (back(to.0, dx, across) / self.per_cell.0, back(to.1, dy, down) / self.per_cell.1);
        let heads = if glyphs.is_ascii() { ['>', '<', 'v', '^'] } else { ['▸', '◂', '▾', '▴'] };
        let way = match (flat, dx > 0.0, dy > 0.0) {
            (true, true, _) => 0,
            (true, false, _) => 1,
            (false, _, true) => 2,
            (false, _, false) => 3,
        };
        ((x, y) != self.cell(trail.to)).then_some((x, y, heads[way]))
    }
}

fn draw_trail(raster: &mut Raster, from: raster::Point, to: raster::Point, trail: &Trail) {
    raster.trail(from, to, trail.style, |step, share| {
        // Dots stand closer towards the end of the trail.
        let gap = match trail.ink {
            Ink::Arrow | Ink::Full if share >= 0.5 => 1,
            Ink::Arrow | Ink::Full if share >= 0.2 => 2,
            Ink::Arrow | Ink::Full => 3,
            Ink::Thin if share >= 0.7 => 2,
            Ink::Thin if share >= 0.35 => 3,
            Ink::Thin => 5,
            Ink::Faint => 6,
            Ink::Link => 3,
        };
        step % gap == 0
    });
}
