//! Architecture vectors and genotypes: decoding, encoding, and their text forms.

use proptest::prelude::*;
use relativenas_core::{
    genotype::{Genotype, GenotypeFormat},
    published,
    space::Space,
};

use crate::fixture::a_position;

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decoding_stays_within_the_choices(position in a_position()) {
        let indices = Space::Cells.decode(&position).expect("within the bounds");
        for (gene, &index) in Space::Cells.gene_indices().zip(&indices) {
            prop_assert!(index < Space::Cells.choices(gene), "gene {gene}: {index}");
            let floor = if position[gene].fract() == 0.0 { position[gene] - 1.0 } else { position[gene].floor() };
            prop_assert_eq!(index as f64, floor.max(0.0));
        }
    }

    #[test]
    fn encoding_is_undone_by_decoding(position in a_position()) {
        let genotype = Genotype::decode(&position).expect("within the bounds");
        let encoded = genotype.encode().expect("decoded from this space");
        prop_assert_eq!(Genotype::decode(&encoded), Ok(genotype));
        prop_assert_eq!(Space::Cells.decode(&encoded), Space::Cells.decode(&position));
    }

    #[test]
    fn vectors_outside_the_bounds_are_refused(
        position in a_position(),
        gene in 0..32_usize,
        wrong in prop_oneof![Just(f64::NAN), Just(-1e-9), Just(f64::INFINITY), 7.001..100.0],
    ) {
        let mut position = position;
        position[gene] = wrong;
        prop_assert!(Genotype::decode(&position).is_err());
        prop_assert!(Genotype::decode(&position[1..]).is_err());
    }

    #[test]
    fn genotypes_survive_every_text_form(position in a_position()) {
        let genotype = Genotype::decode(&position).expect("within the bounds");
        for format in [GenotypeFormat::Darts, GenotypeFormat::Json, GenotypeFormat::Toml] {
            prop_assert_eq!(Genotype::parse(&genotype.format(format)), Ok(genotype.clone()));
        }
    }

    #[test]
    fn no_text_makes_the_genotype_reader_panic(text in ".{0,120}", at in 0..400_usize, cut in 0..8_usize) {
        // Arbitrary text alone, and arbitrary text in the middle of a valid genotype.
        let _ = Genotype::parse(&text);
        let genotype = published::genotype("RelativeNAS").expect("published");
        for format in [GenotypeFormat::Darts, GenotypeFormat::Json, GenotypeFormat::Toml] {
            let mut valid = genotype.format(format);
            let (from, to) = (at.min(valid.len()), (at + cut).min(valid.len()));
            valid.replace_range(from..to, &text);
            if let Err(error) = Genotype::parse(&valid) {
                prop_assert!(error.to_string().len() < 2000);
            }
        }
    }
}
