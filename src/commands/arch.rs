//! `arch`: architectures on their own, without a run.

use std::{fmt::Write as _, io::Write, process::ExitCode};

use anyhow::Result;
use relativenas_core::{
    cost::cost,
    describe::{describe, differences, gene_changes},
    genotype::{Cell, Genotype, GenotypeFormat},
    lint::lint,
    network::{NetworkKind, NetworkShape},
    operation::CellKind,
    space::Space,
    tabular,
};
use serde_json::json;

use crate::{
    arguments::{self, ArchAction, GenotypeText, ShapeArguments},
    failure::misuse,
    operations::{
        export,
        reading::{Architecture, read_any, read_words},
    },
    written::thousands,
};

pub fn run(action: &ArchAction, out: &mut dyn Write) -> Result<ExitCode> {
    match action {
        ArchAction::Decode { architecture, format } => {
            for (_, architecture) in read_words(&architecture.words)? {
                write!(out, "{}", decoded(&architecture, *format)?)?;
            }
        }
        ArchAction::Show { architecture } => each(architecture, out, |architecture, out| {
            let text = match architecture {
                Architecture::Cells(genotype) => show(genotype),
                Architecture::Edges(edges) => show_edges(edges)?,
            };
            Ok(write!(out, "{text}")?)
        })?,
        ArchAction::Cost { architecture, shape, json: true } => {
            let shape = shape_of(shape)?;
            for (_, architecture) in read_words(&architecture.words)? {
                writeln!(out, "{}", cost_json(cells("cost", &architecture)?, &shape))?;
            }
        }
        ArchAction::Cost { architecture, shape, json: false } => {
            let shape = shape_of(shape)?;
            each(architecture, out, |architecture, out| {
                Ok(write!(out, "{}", cost_text(cells("cost", architecture)?, &shape))?)
            })?;
        }
        ArchAction::Lint { architecture } => {
            let mut unusual = false;
            each(architecture, out, |architecture, out| {
                unusual |= print_lint(cells("lint", architecture)?, out)?;
                Ok(())
            })?;
            return Ok(ExitCode::from(u8::from(unusual)));
        }
        ArchAction::Diff { before, after } => {
            let changes = changes(&read_any(before)?, &read_any(after)?)?;
            for change in &changes {
                writeln!(out, "{change}")?;
            }
            return Ok(ExitCode::from(u8::from(!changes.is_empty())));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints something about every architecture that was typed; where there are several, each under the text that was
/// typed for it.
fn each(
    typed: &arguments::Architecture,
    out: &mut dyn Write,
    mut print: impl FnMut(&Architecture, &mut dyn Write) -> Result<()>,
) -> Result<()> {
    let all = read_words(&typed.words)?;
    for (place, (name, architecture)) in all.iter().enumerate() {
        if all.len() > 1 {
            let apart = if place > 0 { "\n" } else { "" };
            writeln!(out, "{apart}# {}", name.trim())?;
        }
        print(architecture, out)?;
    }
    Ok(())
}

/// The genotype, for a command that understands nothing else.
fn cells<'a>(command: &str, architecture: &'a Architecture) -> Result<&'a Genotype> {
    match architecture {
        Architecture::Cells(genotype) => Ok(genotype),
        Architecture::Edges(_) => Err(misuse(format!(
            "`arch {command}` knows networks made of cells, and this is an architecture of NAS-Bench-201; `arch show` \
             says what is known of it"
        ))),
    }
}

fn decoded(architecture: &Architecture, format: GenotypeText) -> Result<String> {
    match (architecture, format) {
        (Architecture::Cells(genotype), GenotypeText::Darts) => Ok(genotype.format(GenotypeFormat::Darts)),
        (Architecture::Cells(genotype), GenotypeText::Json) => Ok(genotype.format(GenotypeFormat::Json)),
        (Architecture::Cells(genotype), GenotypeText::Toml) => Ok(genotype.format(GenotypeFormat::Toml)),
        (Architecture::Edges(edges), GenotypeText::Darts) => Ok(tabular::architecture(edges) + "\n"),
        (Architecture::Edges(edges), GenotypeText::Json) => Ok(export::edges_json(edges) + "\n"),
        (Architecture::Edges(_), GenotypeText::Toml) => Err(misuse(
            "an architecture of NAS-Bench-201 is written as darts (its published string) or json, not as toml",
        )),
    }
}

/// The changes from one architecture to another, a sentence each.
fn changes(before: &Architecture, after: &Architecture) -> Result<Vec<String>> {
    match (before, after) {
        (Architecture::Cells(before), Architecture::Cells(after)) => Ok(differences(before, after)),
        (Architecture::Edges(before), Architecture::Edges(after)) => {
            let changes = gene_changes(Space::NasBench201, &Space::encode(before), &Space::encode(after));
            Ok(changes.iter().map(ToString::to_string).collect())
        }
        _ => {
            Err(misuse("one of them has cells, the other is of NAS-Bench-201; they have no genes in common"))
        }
    }
}

fn shape_of(arguments: &ShapeArguments) -> Result<NetworkShape> {
    let kind = arguments.kind;
    let (channels, cells, classes) = match kind {
        NetworkKind::Cifar => (36, 20, 10),
        NetworkKind::Imagenet => (46, 14, 1000),
    };
    let shape = NetworkShape {
        kind,
        channels: arguments.channels.unwrap_or(channels),
        cells: arguments.cells.unwrap_or(cells),
        classes: arguments.classes.unwrap_or(classes),
    };
    shape.check().map_err(|e| misuse(e.to_string()))?;
    Ok(shape)
}

fn cost_json(genotype: &Genotype, shape: &NetworkShape) -> serde_json::Value {
    let cost = cost(genotype, shape);
    json!({
        "parameters": cost.parameters,
        "multiply_adds": cost.multiply_adds,
        "auxiliary_parameters": cost.auxiliary_parameters,
        "kind": shape.kind,
        "channels": shape.channels,
        "cells": shape.cells,
        "classes": shape.classes,
    })
}

fn cost_text(genotype: &Genotype, shape: &NetworkShape) -> String {
    let cost = cost(genotype, shape);
    let side = shape.image_side();
    format!(
        "{} channels, {} cells, {} classes, {side}×{side} pixels\n\
         parameters      {:>15}  (the auxiliary head has {} more)\n\
         multiply-adds   {:>15}  (one image)\n",
        shape.channels,
        shape.cells,
        shape.classes,
        thousands(cost.parameters),
        thousands(cost.auxiliary_parameters),
        thousands(cost.multiply_adds),
    )
}

/// A genotype as text, followed by its description.
fn show(genotype: &Genotype) -> String {
    let mut text = String::new();
    for kind in CellKind::BOTH {
        let cell = genotype.cell(kind);
        let _ = writeln!(text, "{kind} cell");
        for (index, genes) in cell.genes.chunks(2).enumerate() {
            let applied: Vec<_> =
                genes.iter().map(|g| format!("{}({})", g.operation, Cell::input_name(g.input))).collect();
            let _ = writeln!(text, "  {} = {}", Cell::input_name(index + 2), applied.join(" + "));
        }
        let names: Vec<_> = cell.concat.iter().map(|&i| Cell::input_name(i).to_string()).collect();
        let _ = writeln!(text, "  c(k) = concatenation of {}\n", names.join(", "));
    }
    let _ = writeln!(text, "{}", describe(genotype));
    for finding in lint(genotype) {
        let _ = writeln!(text, "- {finding}");
    }
    text
}

/// An architecture of NAS-Bench-201 as text, followed by its description and its accuracies in the table.
fn show_edges(edges: &[usize; tabular::EDGES]) -> Result<String> {
    let mut text = format!("{}\n\n", tabular::architecture(edges));
    for (edge, &index) in edges.iter().enumerate() {
        let _ = writeln!(text, "  {:6}  {}", tabular::edge_name(edge), tabular::OPERATIONS[index]);
    }
    let _ = writeln!(text, "\n{}\n", tabular::describe(edges));
    let table = tabular::embedded()?;
    let _ = writeln!(text, "Test accuracy after 200 epochs, by NAS-Bench-201:");
    for dataset in tabular::Dataset::ALL {
        let (accuracy, best) = (table.accuracy(dataset, edges), table.best(dataset));
        let _ = writeln!(text, "  {dataset:10}  {accuracy:5.2} %  (the best has {best:.2})");
    }
    Ok(text)
}

/// Prints what is unusual about a genotype; returns whether there was anything.
fn print_lint(genotype: &Genotype, out: &mut dyn Write) -> Result<bool> {
    let findings = lint(genotype);
    for finding in &findings {
        writeln!(out, "{finding}")?;
    }
    if findings.is_empty() {
        writeln!(out, "nothing unusual")?;
    }
    Ok(!findings.is_empty())
}

#[cfg(test)]
mod tests {
    use relativenas_core::published;

    use super::*;

    #[test]
    fn costs_have_the_keys_that_scripts_rely_on() {
        let genotype = published::genotype("DARTS_V2").expect("published");
        let shape = shape_of(&ShapeArguments {
            kind: NetworkKind::Cifar,
            channels: None,
            cells: None,
            classes: None,
        });
        let json = cost_json(&genotype, &shape.expect("valid"));
        assert_eq!(json["parameters"], 3_349_342, "as the DARTS paper has it: 3.3 million");
        assert!(json["multiply_adds"].is_u64());
    }

    #[test]
    fn an_impossible_network_is_refused() {
        let shape =
            ShapeArguments { kind: NetworkKind::Imagenet, channels: Some(45), cells: None, classes: None };
        let message = "45 channels; an ImageNet network needs an even number, because its stem halves them";
        assert_eq!(shape_of(&shape).expect_err("odd").to_string(), message);
    }

    #[test]
    fn cells_are_shown_as_equations() {
        let text = show(&published::genotype("RelativeNAS").expect("published"));
        assert!(text.contains("sep_conv_3x3(c(k-2)) + dil_conv_5x5(c(k-1))"), "{text}");
    }

    fn printed(action: &ArchAction) -> String {
        let mut out = Vec::new();
        match run(action, &mut out) {
            Ok(_) => String::from_utf8(out).expect("text"),
            Err(error) => error.to_string(),
        }
    }

    fn typed(words: &[&str]) -> arguments::Architecture {
        arguments::Architecture { words: words.iter().map(|&w| w.to_owned()).collect() }
    }

    #[test]
    fn several_stand_under_what_was_typed_for_them() {
        let text = printed(&ArchAction::Show { architecture: typed(&["DARTS_V1", "nasnet"]) });
        assert!(text.starts_with("# DARTS_V1\nnormal cell\n"), "{text}");
        assert!(text.contains("\n\n# nasnet\nnormal cell\n"), "{text}");
        let one = printed(&ArchAction::Show { architecture: typed(&["DARTS_V1"]) });
        assert!(one.starts_with("normal cell\n"), "{one}");
    }

    #[test]
    fn of_nas_bench_201_is_shown_what_the_table_knows() {
        let edges = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|none~0|skip_connect~1|nor_conv_3x3~2|";
        let other = edges.replacen("none~0", "skip_connect~0", 1);
        insta::assert_snapshot!(printed(&ArchAction::Show { architecture: typed(&[edges]) }));
        let decoded = ArchAction::Decode { architecture: typed(&[edges]), format: GenotypeText::Darts };
        assert_eq!(printed(&decoded), format!("{edges}\n"));
        let diff = ArchAction::Diff { before: edges.to_owned(), after: other };
        assert_eq!(printed(&diff), "in-out: none → skip_connect\n");
        let mixed = ArchAction::Diff { before: edges.to_owned(), after: "DARTS_V1".to_owned() };
        assert!(printed(&mixed).contains("no genes in common"));
        let lint = printed(&ArchAction::Lint { architecture: typed(&[edges]) });
        assert!(lint.starts_with("`arch lint` knows networks made of cells"), "{lint}");
    }
}
