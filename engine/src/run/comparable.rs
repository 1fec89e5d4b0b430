//! What two searches must have in common, besides their images, for their losses to be comparable.

use relativenas_core::{
    config::{Config, NetworkConfig, Precision, TrainingConfig},
    finals::Judge,
};
use serde::Serialize;

/// The settings that a loss depends on, in a form whose text never changes. How the work is distributed on a
/// device is not among them.
#[derive(Serialize)]
#[serde(untagged)]
pub enum ComparableSettings {
    /// The settings of the first version of this form.
    First(First),
    /// These and the names and values of settings that were added later, of those that are not at the value at
    /// which they have no effect. So searches stay comparable with those from before such a setting existed.
    WithLater(First, Vec<(&'static str, f64)>),
}

type First = (Network, Training, (usize, bool, usize, bool), Precision);

#[derive(Serialize)]
pub struct Network {
    channels: usize,
    cells: usize,
}

#[derive(Serialize)]
pub struct Training {
    batch: usize,
    validation_batch: usize,
    learning_rate: f64,
    learning_rate_end: f64,
    momentum: f64,
    weight_decay: f64,
    gradient_clip: f64,
    drop_path: f64,
}

impl ComparableSettings {
    pub fn of(config: &Config) -> Self {
        // Naming each field ensures that the compiler reports a new one here.
        let NetworkConfig { channels, cells, affine } = config.network;
        let TrainingConfig {
            batch,
            validation_batch,
            learning_rate,
            learning_rate_end,
            momentum,
            weight_decay,
            gradient_clip,
            drop_path,
            statistics,
        } = config.training;
        let data = &config.data;
        let first = (
            Network { channels, cells },
            Training {
                batch,
                validation_batch,
                learning_rate,
                learning_rate_end,
                momentum,
                weight_decay,
                gradient_clip,
                drop_path,
            },
            (data.crop_padding, data.flip, data.cutout, data.augment_validation),
            config.device.precision,
        );
        let search = &config.search;
        let most = if search.noise > 0.0 { search.estimates } else { 0 };
        let flag = |on: bool| f64::from(u8::from(on));
        let later = [
            ("search.pairs_at_once", search.pairs_at_once as f64, 1.0),
            ("search.warm_up", f64::from(search.warm_up), 0.0),
            // This was 1 in programs whose rates did not end with the warm-up.
            ("search.one_shot", if search.one_shot { 2.0 } else { 0.0 }, 0.0),
            ("search.inherit", flag(search.inherit), 1.0),
            ("search.judge", flag(search.judge == Judge::TrainingLoss), 0.0),
            ("search.noise", search.noise, 0.0),
            ("search.estimates", f64::from(most), 0.0),
            ("network.affine", flag(affine), 1.0),
            ("training.statistics", statistics as f64, 0.0),
        ];
        let later: Vec<_> = later
            .into_iter()
            .filter(|(_, value, off)| value != off)
            .map(|(key, value, _)| (key, value))
            .collect();
        if later.is_empty() { Self::First(first) } else { Self::WithLater(first, later) }
    }
}

#[cfg(test)]
mod tests {
    use relativenas_core::config::Layers;

    use super::*;

    fn text(settings: &[&str]) -> String {
        let mut layers = Layers::built_in();
        for setting in settings {
            layers.add_assignment(setting).expect("a setting");
        }
        serde_json::to_string(&ComparableSettings::of(&layers.config().expect("valid"))).expect("plain data")
    }

    const PUBLISHED: &str = r#"[{"channels":16,"cells":8},{"batch":256,"validation_batch":0,"learning_rate":0.1,"learning_rate_end":0.001,"momentum":0.9,"weight_decay":0.0003,"gradient_clip":5.0,"drop_path":0.3},[4,true,16,false],"f32"]"#;

    #[test]
    fn searches_from_before_a_setting_agree_with_those_where_it_is_off() {
        assert_eq!(text(&["search.estimates=5"]), PUBLISHED, "nothing is estimated again without noise");
        assert_eq!(text(&["search.seed=9", "search.mutation=0.1", "device.threads=1"]), PUBLISHED);
        let plain = format!(r#"[{PUBLISHED},[["network.affine",0.0]]]"#);
        assert_eq!(text(&["network.affine=false"]), plain);
        let alone = format!(r#"[{PUBLISHED},[["search.inherit",0.0],["search.judge",1.0]]]"#);
        assert_eq!(text(&["search.inherit=false", "search.judge=training-loss"]), alone);
        let (both, later) = (
            ["search.warm_up=3", "training.statistics=8"],
            r#"[["search.warm_up",3.0],["training.statistics",8.0]]"#,
        );
        assert_eq!(text(&both), format!("[{PUBLISHED},{later}]"));
        assert_eq!(text(&["search.warm_up=3"]), format!(r#"[{PUBLISHED},[["search.warm_up",3.0]]]"#));
    }
}
