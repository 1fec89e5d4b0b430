//! Round limits and the numbers beside an axis.

/// How values are laid out along the y axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    #[default]
    Linear,
    Logarithmic,
}

impl Scale {
    /// The value itself, or its logarithm on a logarithmic scale; `None` if it cannot be shown.
    fn position(self, value: f64) -> Option<f64> {
        let value = if self == Self::Logarithmic { value.log10() } else { value };
        // A value beyond any possible loss would break the arithmetic of the steps, so it counts as missing.
        Some(value).filter(|v| v.is_finite() && v.abs() < 1e300)
    }
}

/// A y axis: the values at its ends, and the numbers beside it.
#[derive(Clone, Debug)]
pub struct Axis {
    scale: Scale,
    /// Their logarithms on a logarithmic axis.
    low: f64,
    high: f64,
    pub ticks: Vec<(f64, String)>,
}

/// How many rows lie between two numbers beside the axis.
const ROWS_PER_TICK: usize = 2;
/// A logarithmic axis that spans fewer decades than this is divided like a linear one.
const LEAST_DECADES: f64 = 0.5;
/// Round limits lie at most about this share of the range beyond the values.
const LIMIT_STEPS: f64 = 10.0;

impl Axis {
    pub fn new(
        values: impl Iterator<Item = f64>,
        scale: Scale,
        limits: Option<(f64, f64)>,
        rows: usize,
    ) -> Self {
        let mut axis = Self { scale, low: f64::INFINITY, high: f64::NEG_INFINITY, ticks: Vec::new() };
        let fixed = limits.and_then(|(low, high)| Some((scale.position(low)?, scale.position(high)?)));
        let fixed = fixed.filter(|(low, high)| low < high);
        for value in values.filter_map(|v| scale.position(v)) {
            (axis.low, axis.high) = (axis.low.min(value), axis.high.max(value));
        }
        if let Some((low, high)) = fixed {
            (axis.low, axis.high) = (low, high);
        }
        if axis.low > axis.high {
            return Self { low: 0.0, high: 1.0, ..axis };
        }
        let spaces = (rows.saturating_sub(1) / ROWS_PER_TICK).max(1);
        match scale {
            Scale::Linear => axis.settle_linear(spaces, fixed.is_some()),
            Scale::Logarithmic => axis.settle_logarithmic(spaces, fixed.is_some()),
        }
        axis
    }

    /// Where a value lies from 0 at the bottom to 1 at the top; `None` if it cannot be shown.
    pub fn share(&self, value: f64) -> Option<f64> {
        // Halved, since the range of two finite numbers may be infinite.
        let share = |v: f64| (v / 2.0 - self.low / 2.0) / (self.high / 2.0 - self.low / 2.0);
        self.scale.position(value).map(share).filter(|s| s.is_finite())
    }

    fn settle_linear(&mut self, spaces: usize, fixed: bool) {
        self.widen();
        if !fixed {
            let fine = round_step((self.high - self.low) / LIMIT_STEPS);
            (self.low, self.high) = ((self.low / fine).floor() * fine, (self.high / fine).ceil() * fine);
        }
        let step = round_step((self.high - self.low) / spaces as f64);
        let decimals = |step: f64| (-(step.log10() + 1e-9).floor()).clamp(0.0, 6.0) as usize;
        let first = (self.low / step - 1e-6).ceil();
        let at = (0..=2 * spaces).map(|index| (first + index as f64) * step);
        let inside = at.take_while(|value| *value <= self.high + step * 1e-6);
        self.ticks = inside.map(|value| (value, label(value, decimals(step)))).collect();
        if self.ticks.len() < 2 {
            let decimals = decimals((self.high - self.low) / LIMIT_STEPS);
            self.ticks = [self.low, self.high].map(|value| (value, label(value, decimals))).to_vec();
        }
    }

    fn settle_logarithmic(&mut self, spaces: usize, fixed: bool) {
        let range = self.high - self.low;
        if !fixed && range > 1e-6 && range < LEAST_DECADES {
            return self.settle_narrow(spaces);
        }
        if !fixed {
            // Limits at whole decades would flatten values that span only a few of them.
            (self.low, self.high) = (round_down(self.low), round_up(self.high));
        }
        if self.high <= self.low {
            (self.low, self.high) = (self.low - 0.5, self.high + 0.5);
        }
        let mut ticks = Vec::new();
        let every = ((self.high - self.low) / spaces as f64).ceil().max(1.0);
        let factors: &[f64] =
            if self.high - self.low <= 1.5 && spaces > 1 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let mut decade = self.low.floor();
        while decade <= self.high && ticks.len() < 64 {
            for factor in factors {
                let at = decade + factor.log10();
                if at >= self.low - 1e-9 && at <= self.high + 1e-9 {
                    let value = 10f64.powf(at);
                    ticks.push((value, logarithmic_label(value, at)));
                }
            }
            decade += every;
        }
        if ticks.len() < 2 {
            ticks = [self.low, self.high]
                .map(|at| (10f64.powf(at), logarithmic_label(10f64.powf(at), at)))
                .to_vec();
        }
        self.ticks = ticks;
    }

    /// Limits and numbers of a linear axis, on a logarithmic one: 1, 2 and 5 are too far apart.
    fn settle_narrow(&mut self, spaces: usize) {
        let [low, high] = [self.low, self.high].map(|at| 10f64.powf(at));
        let mut linear = Self { scale: Scale::Linear, low, high, ticks: Vec::new() };
        linear.settle_linear(spaces, false);
        if linear.low > 0.0 && linear.low.is_normal() && linear.high.is_finite() {
            (self.low, self.high) = (linear.low.log10(), linear.high.log10());
        }
        self.ticks = linear.ticks;
    }

    /// Widens the range if all values are equal.
    fn widen(&mut self) {
        let least = (self.low.abs().max(self.high.abs()) * 1e-6).max(1e-9);
        if self.high - self.low < least {
            let around = if self.low == 0.0 { 0.5 } else { self.low.abs() * 0.05 };
            (self.low, self.high) = (self.low - around, self.high + around);
        }
    }
}

/// The smallest of 1, 2, 5 times a power of ten that is at least this.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|f| f * power >= least * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// The logarithm of the largest of 1, 2, 5 times a power of ten that is at most `10^at`.
fn round_down(at: f64) -> f64 {
    let part = at - at.floor();
    let factor = [5f64, 2.0].into_iter().find(|f| f.log10() <= part + 1e-9).unwrap_or(1.0);
    at.floor() + factor.log10()
}

fn round_up(at: f64) -> f64 {
    let part = at - at.floor();
    if part < 1e-9 {
        return at.floor();
    }
    let factor = [2f64, 5.0].into_iter().find(|f| f.log10() >= part - 1e-9).unwrap_or(10.0);
    at.floor() + factor.log10()
}

fn label(value: f64, decimals: usize) -> String {
    if value.abs() >= 1e6 {
        return format!("{value:.1e}");
    }
    let text = format!("{value:.decimals$}");
    if text.starts_with('-') && text.chars().all(|c| "-0.".contains(c)) { text[1..].to_owned() } else { text }
}

fn logarithmic_label(value: f64, at: f64) -> String {
    match at {
        a if !(-4.0..6.0).contains(&a) => format!("{value:.0e}"),
        a if a < 0.0 => label(value, (-a).ceil() as usize),
        _ => label(value, 0),
    }
}

/// Whole numbers for the x axis, far enough apart to be written side by side; the last one stands
/// there where it does not crowd the one before.
pub fn whole_ticks(start: u32, end: u32, columns: usize) -> Vec<u32> {
    if end <= start {
        return vec![start];
    }
    let label = end.to_string().len() + 6;
    let spaces = (columns / label).clamp(1, 8);
    let step = (round_step(f64::from(end - start) / spaces as f64).round() as u32).max(1);
    let mut ticks: Vec<u32> = (start.div_ceil(step)..=end / step).map(|i| i * step).collect();
    if ticks.first().is_none_or(|first| first - start > step / 2 && *first > start) {
        ticks.insert(0, start);
    }
    if ticks.last().is_some_and(|last| end - last > step / 2) {
        ticks.push(end);
    }
    ticks
}
