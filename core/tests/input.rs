//! Whatever is typed as a setting, a vector or a genotype is accepted, or refused with an error that names it.

use proptest::prelude::*;
use relativenas_core::{
    config::{ConfigError, Layers, Origin},
    space::GeneIndex,
    space::{Space, VectorError},
};

/// Names of settings, correct or misspelt, and texts that are no names of settings.
fn a_key() -> impl Strategy<Value = String> {
    let known: Vec<_> = Layers::built_in().settings().map(|(key, _)| key.to_owned()).collect();
    prop_oneof![
        4 => prop::sample::select(known.clone()),
        2 => (prop::sample::select(known), 0..40_usize, any::<char>()).prop_map(|(key, at, typed)| {
            key.chars().enumerate().map(|(i, c)| if i == at { typed } else { c }).collect()
        }),
        1 => ".{0,60}",
        1 => Just("x".repeat(100_000)),
    ]
}

fn a_value() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => any::<i64>().prop_map(|n| n.to_string()),
        2 => any::<f64>().prop_map(|n| n.to_string()),
        2 => (0..200_u8).prop_map(|n| n.to_string()),
        1 => prop::sample::select(vec!["", "true", "inf", "nan", "1e999", "-0", "0x10", "\"", "[1]", "{", "1979-05-27"])
            .prop_map(str::to_owned),
        1 => any::<String>(),
        1 => Just("[".repeat(10_000)),
    ]
}

/// Settings other than one are as they were.
fn only(layers: &Layers, key: &str) -> bool {
    let before = Layers::built_in();
    layers.settings().filter(|(name, _)| *name != key).eq(before.settings().filter(|(name, _)| *name != key))
}

proptest! {
    #[test]
    fn an_assignment_sets_its_setting_alone_or_is_quoted(key in a_key(), value in a_value()) {
        let mut layers = Layers::built_in();
        let text = format!("{key}={value}");
        match layers.add_assignment(&text) {
            Ok(()) => {
                let key = text.split_once('=').map_or("", |(key, _)| key.trim());
                let (_, setting) = layers.settings().find(|(name, _)| *name == key).expect("it was set");
                prop_assert_eq!(&setting.origin, &Origin::Flag { text: format!("--set {text}") });
                prop_assert!(only(&layers, key));
                if let Err(error) = layers.config() {
                    prop_assert!(matches!(error, ConfigError::Range { .. }), "{}", error);
                }
            }
            Err(error) => {
                prop_assert!(only(&layers, ""));
                prop_assert!(error.to_string().starts_with(&format!("--set {text}: ")), "{}", error);
            }
        }
    }

    #[test]
    fn the_environment_sets_its_settings_or_is_named(key in a_key(), value in a_value()) {
        let mut layers = Layers::built_in();
        let variable = format!("RELATIVENAS_{}", key.to_uppercase().replacen('.', "__", 1));
        match layers.add_environment([(variable.clone(), value)]) {
            Ok(()) => {
                let set = layers.settings().filter(|(_, s)| matches!(s.origin, Origin::Environment { .. }));
                prop_assert_eq!(set.count(), usize::from(variable["RELATIVENAS_".len()..].contains("__")));
            }
            Err(error) => {
                let expected = format!("environment, {variable}: ");
                prop_assert!(error.to_string().starts_with(&expected), "{}", error);
            }
        }
    }

    #[test]
    fn a_file_sets_its_setting_or_is_named_with_the_line(key in a_key(), value in a_value(), above in 0..5_usize) {
        let mut layers = Layers::built_in();
        let text = format!("{}{key} = {value}", "\n".repeat(above));
        if let Err(error) = layers.add_file("own.toml", &text) {
            prop_assert!(error.to_string().starts_with("own.toml, line "), "{}", error);
        }
    }

    #[test]
    fn any_numbers_are_a_vector_or_refused_by_gene(
        numbers in prop::collection::vec(prop_oneof![4 => 0.0..2.0, 1 => any::<f64>()], 0..40),
        space in prop::sample::select(vec![Space::Cells, Space::NasBench201]),
    ) {
        let inside = |gene: GeneIndex| (0.0..=space.upper(gene)).contains(&numbers[gene]);
        match space.decode(&numbers) {
            Ok(indices) => {
                prop_assert_eq!(numbers.len(), space.genes());
                prop_assert!(space.gene_indices().zip(&indices).all(|(gene, &index)| index < space.choices(gene)));
                prop_assert!(space.gene_indices().all(inside));
            }
            Err(VectorError::Length { expected, found }) => {
                prop_assert_eq!((expected, found), (space.genes(), numbers.len()));
                prop_assert_ne!(expected, found);
            }
            Err(VectorError::Bounds { gene, .. }) => prop_assert!(!inside(gene)),
        }
    }
}
