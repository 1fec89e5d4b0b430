//! `arch`: architectures on their own, without a run.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Read as _, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use relativenas_core::{
    cost::cost,
    describe::{describe, differences},
    genotype::{Cell, Genotype, GenotypeFormat},
    lint::lint,
    network::{NetworkKind, NetworkShape},
    operation::CellKind,
    published,
};
use serde_json::json;

use crate::{
    arguments::{ArchAction, Architecture, GenotypeText, Kind, ShapeArguments},
    failure::misuse,
    written::thousands,
};

/// No genotype is longer; a file that is was named by mistake.
const LONGEST: u64 = 1 << 20;

pub fn run(action: &ArchAction, out: &mut dyn Write) -> Result<ExitCode> {
    match action {
        ArchAction::Decode { architecture, format } => {
            let format = match format {
                GenotypeText::Darts => GenotypeFormat::Darts,
                GenotypeText::Json => GenotypeFormat::Json,
                GenotypeText::Toml => GenotypeFormat::Toml,
            };
            write!(out, "{}", read_words(architecture)?.format(format))?;
        }
        ArchAction::Show { architecture } => write!(out, "{}", show(&read_words(architecture)?))?,
        ArchAction::Cost { architecture, shape, json } => {
            let (genotype, shape) = (read_words(architecture)?, shape_of(shape)?);
            write!(out, "{}", cost_text(&genotype, &shape, *json)?)?;
        }
        ArchAction::Lint { architecture } => return print_lint(&read_words(architecture)?, out),
        ArchAction::Diff { before, after } => {
            let changes = differences(&read(before)?, &read(after)?);
            for change in &changes {
                writeln!(out, "{change}")?;
            }
            return Ok(ExitCode::from(u8::from(!changes.is_empty())));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn read_words(architecture: &Architecture) -> Result<Genotype> {
    read(&architecture.words.join(" "))
}

/// Reads an architecture: a published name, a file, `-`, a genotype, or a vector.
///
/// # Errors
/// If it is none of those; exit code 2.
pub fn read(typed: &str) -> Result<Genotype> {
    if let Some(genotype) = published::genotype(typed) {
        return Ok(genotype);
    }
    if typed == "-" {
        let mut text = String::new();
        io::stdin().take(LONGEST).read_to_string(&mut text).context("standard input cannot be read")?;
        return parse("standard input", &text);
    }
    if typed.contains('(') || typed.trim_start().starts_with(['{', '[']) || is_vector(typed) {
        return parse("the architecture", typed);
    }
    let path = Path::new(typed);
    match fs::metadata(path) {
        Ok(found) if found.len() > LONGEST => {
            Err(misuse(format!("{typed}: no genotype, it has {} bytes", thousands(found.len()))))
        }
        Ok(_) => {
            let text =
                fs::read_to_string(path).map_err(|e| misuse(format!("{typed}: cannot be read: {e}")))?;
            parse(typed, &text)
        }
        // A name with no dot or slash in it was hardly meant as a file.
        Err(_) if !typed.contains(['/', '.']) => Err(misuse(format!(
            "{}; nor is there such a file",
            published::find(typed).expect_err("looked up above")
        ))),
        Err(e) => Err(misuse(format!("{typed}: cannot be read: {e}"))),
    }
}

/// Whether a text is made of numbers alone.
fn is_vector(text: &str) -> bool {
    let mut words = vector_words(text).peekable();
    words.peek().is_some() && words.all(|w| w.parse::<f64>().is_ok())
}

fn vector_words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || ",;[]()".contains(c)).filter(|w| !w.is_empty())
}

/// Reads a genotype in any of its forms, or an architecture vector; `name` is what errors call it.
fn parse(name: &str, text: &str) -> Result<Genotype> {
    if is_vector(text) {
        let position: Vec<f64> = vector_words(text).filter_map(|w| w.parse().ok()).collect();
        return Genotype::decode(&position).map_err(|e| misuse(format!("{name}: {e}")));
    }
    Genotype::parse(text).map_err(|e| misuse(format!("{name}: {e}")))
}

fn shape_of(arguments: &ShapeArguments) -> Result<NetworkShape> {
    let (kind, channels, cells, classes) = match arguments.kind {
        Kind::Cifar => (NetworkKind::Cifar, 36, 20, 10),
        Kind::Imagenet => (NetworkKind::Imagenet, 46, 14, 1000),
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

fn cost_text(genotype: &Genotype, shape: &NetworkShape, as_json: bool) -> Result<String> {
    let cost = cost(genotype, shape);
    if as_json {
        let object = json!({
            "parameters": cost.parameters,
            "multiply_adds": cost.multiply_adds,
            "auxiliary_parameters": cost.auxiliary_parameters,
            "kind": shape.kind,
            "channels": shape.channels,
            "cells": shape.cells,
            "classes": shape.classes,
        });
        return Ok(format!("{}\n", serde_json::to_string(&object)?));
    }
    let side = shape.image_side();
    Ok(format!(
        "{} channels, {} cells, {} classes, {side}×{side} pixels\n\
         parameters      {:>15}  (the auxiliary head has {} more)\n\
         multiply-adds   {:>15}  (one image)\n",
        shape.channels,
        shape.cells,
        shape.classes,
        thousands(cost.parameters),
        thousands(cost.auxiliary_parameters),
        thousands(cost.multiply_adds),
    ))
}

/// Cells in text, then in words.
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

fn print_lint(genotype: &Genotype, out: &mut dyn Write) -> Result<ExitCode> {
    let findings = lint(genotype);
    for finding in &findings {
        writeln!(out, "{finding}")?;
    }
    if findings.is_empty() {
        writeln!(out, "nothing unusual")?;
    }
    Ok(ExitCode::from(u8::from(!findings.is_empty())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(typed: &str) -> String {
        read(typed).expect_err(typed).to_string()
    }

    #[test]
    fn every_form_of_an_architecture_is_read() {
        let genotype = published::genotype("RelativeNAS").expect("published");
        let vector: Vec<_> = genotype.encode().expect("in the space").iter().map(f64::to_string).collect();
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("found.toml");
        fs::write(&file, genotype.format(GenotypeFormat::Toml)).expect("written");
        for typed in [
            "relativenas".to_owned(),
            vector.join(" "),
            format!("[{}]", vector.join(", ")),
            genotype.format(GenotypeFormat::Darts),
            genotype.format(GenotypeFormat::Json),
            file.display().to_string(),
        ] {
            assert_eq!(read(&typed).expect(&typed), genotype, "{typed}");
        }
    }

    #[test]
    fn what_is_no_architecture_is_refused_with_the_way_out() {
        assert_eq!(
            error("darts_v3"),
            "`darts_v3` is no published genotype; did you mean `DARTS_V1`?; nor is there such a file"
        );
        assert_eq!(
            error("1 2 3"),
            "the architecture: an architecture vector of this space has 32 numbers, not 3"
        );
        let long = ["9"; 32].join(",");
        assert_eq!(error(&long), "the architecture: gene 0 (N0in) is 9; it must lie between 0 and 2");
        assert_eq!(
            error("./none.json"),
            "./none.json: cannot be read: No such file or directory (os error 2)"
        );
    }

    #[test]
    fn costs_have_the_keys_that_scripts_rely_on() {
        let genotype = published::genotype("DARTS_V2").expect("published");
        let shape =
            shape_of(&ShapeArguments { kind: Kind::Cifar, channels: None, cells: None, classes: None });
        let text = cost_text(&genotype, &shape.expect("valid"), true).expect("plain data");
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(json["parameters"], 3_349_342, "as the DARTS paper has it: 3.3 million");
        assert!(json["multiply_adds"].is_u64());
    }

    #[test]
    fn an_impossible_network_is_refused() {
        let shape = ShapeArguments { kind: Kind::Imagenet, channels: Some(45), cells: None, classes: None };
        let message = "45 channels; an ImageNet network needs an even number, because its stem halves them";
        assert_eq!(shape_of(&shape).expect_err("odd").to_string(), message);
    }

    #[test]
    fn cells_are_shown_as_equations() {
        let text = show(&published::genotype("RelativeNAS").expect("published"));
        assert!(text.contains("sep_conv_3x3(c(k-2)) + dil_conv_5x5(c(k-1))"), "{text}");
    }
}
