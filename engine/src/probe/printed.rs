//! The results of a probe, as text and as JSON.

use relativenas_core::{
    loss::Loss,
    probe::{Agreement, ArchitectureSource, Probe},
};
use serde::Serialize;

use super::ProbeResults;

/// What is printed, which is more than `probe.json` stores.
#[derive(Serialize)]
pub struct Printed<'a> {
    run: String,
    /// The number of generations that the search had finished.
    generation: u32,
    #[serde(flatten)]
    probe: &'a Probe,
    flip_rate: Option<f64>,
    flip_interval: Option<(f64, f64)>,
    positions: &'a [Vec<f64>],
    shared_losses: &'a [Loss],
    scratch_losses: &'a [Loss],
    parameters: Vec<u64>,
    multiply_adds: Vec<u64>,
}

impl<'a> Printed<'a> {
    pub fn new(run: String, generation: u32, found: &'a ProbeResults) -> Self {
        let ProbeResults { probe, positions, shared_losses, scratch_losses, sizes } = found;
        Self {
            run,
            generation,
            probe,
            flip_rate: probe.flip_rate(),
            flip_interval: probe.flip_interval(),
            positions,
            shared_losses,
            scratch_losses,
            parameters: sizes.iter().map(|size| size.parameters).collect(),
            multiply_adds: sizes.iter().map(|size| size.multiply_adds).collect(),
        }
    }

    pub fn in_words(&self) -> String {
        let Probe { pairs, flips, noise, individuals, from, epochs, .. } = *self.probe;
        let noise = noise.map_or("unknown".to_owned(), |noise| format!("{noise:.4}"));
        let unit = if epochs == 1 { "epoch" } else { "epochs" };
        let rate = self.flip_rate.map_or("unknown".to_owned(), |r| format!("{:.1} %", 100.0 * r));
        let rate_interval = self.flip_interval.map_or("unknown".to_owned(), |(low, high)| {
            format!("{:.1} % to {:.1} %", 100.0 * low, 100.0 * high)
        });
        let ranked = match from {
            ArchitectureSource::Population => {
                format!("{individuals} individuals by the losses of the search")
            }
            ArchitectureSource::Search { distinct } => format!(
                "{individuals} architectures, drawn from {distinct} distinct ones\n\
                 \u{20}              of the whole search, by its losses"
            ),
        };
        let shared = Agreement { tau: self.probe.tau, interval: self.probe.tau_interval };
        let [shared, parameters, multiply_adds] =
            [shared, self.probe.by_parameters, self.probe.by_multiply_adds].map(in_words);
        format!(
            "{}, after {} generations:\n\
             flip rate      {rate} (95 %: {rate_interval})\n\
             \u{20}              {flips} of {pairs} random pairs changed their verdict when estimated again with another\n\
             \u{20}              seed and the same weights; a verdict drawn by lot changes in 50 %\n\
             noise          {noise}\n\
             \u{20}              standard deviation, over seeds, of the difference between the losses of a pair (search.noise)\n\
             Kendall's τ-b  {shared}\n\
             \u{20}              between the rankings of {ranked} and by training from\n\
             \u{20}              scratch for {epochs} {unit}; 1 is the same order, 0 none in common\n\
             parameters     {parameters}\n\
             multiply-adds  {multiply_adds}\n\
             \u{20}              τ-b of a ranking by size instead, the largest network first: it needs no search, so\n\
             \u{20}              the search's losses are worth their cost only if they rank better\n",
            self.run, self.generation,
        )
    }
}

fn in_words(Agreement { tau, interval }: Agreement) -> String {
    let tau = tau.map_or("unknown".to_owned(), signed);
    let interval = interval.map_or("cannot be told from these".to_owned(), |(low, high)| {
        format!("{} to {}, bootstrap over architectures", signed(low), signed(high))
    });
    format!("{tau} (95 %: {interval})")
}

/// A number with a minus sign instead of a hyphen.
fn signed(value: f64) -> String {
    format!("{value:.2}").replace('-', "−")
}

#[cfg(test)]
mod tests {
    use relativenas_core::cost::Part;

    use super::*;

    fn found(tau: Option<f64>, tau_interval: Option<(f64, f64)>) -> ProbeResults {
        let probe = Probe {
            pairs: 8,
            flips: 3,
            noise: Some(0.0125),
            individuals: 2,
            epochs: 4,
            tau,
            tau_interval,
            by_parameters: Agreement { tau: Some(0.5), interval: Some((-0.125, 0.75)) },
            ..Probe::default()
        };
        let size = |parameters| Part { parameters, multiply_adds: 10 * parameters };
        ProbeResults {
            probe,
            positions: vec![vec![0.5; 3]; 2],
            shared_losses: vec![Loss(1.0), Loss::NAN],
            scratch_losses: vec![Loss(2.0); 2],
            sizes: vec![size(7), size(4)],
        }
    }

    fn words(found: &ProbeResults) -> String {
        Printed::new("a".to_owned(), 6, found).in_words()
    }

    #[test]
    fn people_read_rates_with_their_intervals() {
        let said = words(&found(Some(-0.25), Some((-0.5, 0.1))));
        assert!(said.starts_with("a, after 6 generations:\n"), "{said}");
        assert!(said.contains("noise          0.0125\n"), "{said}");
        assert!(said.contains("flip rate      37.5 % (95 %: 13.7 % to 69.4 %)"), "{said}");
        assert!(said.contains("τ-b  −0.25 (95 %: −0.50 to 0.10, bootstrap over architectures)"), "{said}");
        assert!(said.contains("of 2 individuals by the losses of the search and by training"), "{said}");
        let said = words(&found(None, None));
        assert!(said.contains("τ-b  unknown (95 %: cannot be told from these)"), "{said}");
    }

    #[test]
    fn sizes_stand_beside_the_shared_weights() {
        let said = words(&found(Some(0.25), None));
        assert!(said.contains("parameters     0.50 (95 %: −0.12 to 0.75, bootstrap"), "{said}");
        assert!(said.contains("multiply-adds  unknown (95 %: cannot be told from these)"), "{said}");
    }

    #[test]
    fn people_read_where_architectures_come_from() {
        let mut found = found(Some(0.25), None);
        found.probe.from = ArchitectureSource::Search { distinct: 743 };
        let said = words(&found);
        assert!(said.contains("of 2 architectures, drawn from 743 distinct ones\n"), "{said}");
    }

    #[test]
    fn programs_read_every_loss_and_every_size() {
        let found = found(Some(1.0), None);
        let json = serde_json::to_value(Printed::new("a".to_owned(), 6, &found)).expect("plain data");
        assert_eq!(json["shared_losses"], serde_json::json!([1.0, "NaN"]));
        assert_eq!((&json["flip_rate"], &json["flips"]), (&0.375.into(), &3.into()));
        assert!(json["tau_interval"].is_null());
        assert_eq!(json["parameters"], serde_json::json!([7, 4]));
        assert_eq!(json["multiply_adds"], serde_json::json!([70, 40]));
        assert_eq!((&json["from"], &json["by_parameters"]["tau"]), (&"population".into(), &0.5.into()));
    }
}
