//! `exchange`: how long ranks take to add up their numbers, which tells how many devices are worth using.

use std::{sync::Arc, time::Instant};

use serde_json::json;

use super::RanksArguments;
use crate::ranks::{self, Ranks};

/// How many numbers are exchanged in each measurement: one, and then the gradients of networks from small to
/// large (3,500,000 is a published one).
const NUMBERS: [usize; 6] = [1, 1_000, 100_000, 1_000_000, 3_500_000, 10_000_000];

#[derive(Debug, clap::Args)]
pub struct ExchangeArguments {
    #[command(flatten)]
    ranks: RanksArguments,
    /// Exchanges of each size, of whose times the median is printed
    #[arg(long, value_name = "N", default_value_t = 21, value_parser = clap::value_parser!(u16).range(1..))]
    times: u16,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Measures the exchanges and prints a line for each size.
///
/// # Errors
/// If the ranks cannot be started, or one does not come.
pub fn exchange(arguments: &ExchangeArguments) -> anyhow::Result<()> {
    let each = |ranks: &Arc<dyn Ranks>| measure(arguments, &**ranks);
    ranks::together(arguments.ranks.ranked(), arguments.ranks.timeout(), each, each)
}

fn measure(arguments: &ExchangeArguments, ranks: &dyn Ranks) -> anyhow::Result<()> {
    let mut found = Vec::new();
    for numbers in NUMBERS {
        let mut values = vec![1.0_f32; numbers];
        let mut seconds = Vec::new();
        for _ in 0..arguments.times {
            values.fill(1.0);
            ranks.barrier()?;
            let began = Instant::now();
            ranks.all_reduce(&mut values)?;
            seconds.push(began.elapsed().as_secs_f64());
        }
        seconds.sort_by(f64::total_cmp);
        found.push((numbers * size_of::<f32>(), seconds[seconds.len() / 2]));
    }
    if !ranks.is_first() {
        return Ok(());
    }
    let line = |&(bytes, seconds): &(usize, f64)| {
        let rate = bytes as f64 / seconds / 1e6;
        format!("{bytes:>10} bytes: {:>9.3} ms, {rate:>7.0} MB/s", 1e3 * seconds)
    };
    super::print_line(&if arguments.json {
        let sizes: Vec<_> = found.iter().map(|(bytes, s)| json!({"bytes": bytes, "seconds": s})).collect();
        json!({"ranks": ranks.count(), "exchanges": sizes}).to_string()
    } else {
        let lines: Vec<_> = found.iter().map(line).collect();
        format!(
            "time for {} ranks to add up their numbers, median of {}:\n{}",
            ranks.count(),
            arguments.times,
            lines.join("\n")
        )
    })
}
