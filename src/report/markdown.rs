//! A document as Markdown: tables as tables, curves as a line of blocks each.

use std::fmt::Write as _;

use relativenas_core::genotype::{Cell, Genotype};
use relativenas_core::operation::CellKind;

use super::{
    document::{Block, Chart, ColumnKind, Curve, Document, Figure, Section, Table, Topic},
    figures::{UNKNOWN, fixed},
};

/// Columns of a curve in text.
const SPARKLINE: usize = 48;

pub fn page(document: &Document) -> String {
    let mut out = format!("# {}\n\n{}\n", text(&document.title), text(&document.subtitle));
    for section in &document.sections {
        write_section(&mut out, section);
    }
    out
}

fn write_section(out: &mut String, section: &Section) {
    let _ = write!(out, "\n## {}\n", text(&section.title));
    for block in &section.blocks {
        out.push('\n');
        write_block(out, block, 3);
    }
}

/// Writes a block; `level` is the level of a heading within it.
fn write_block(out: &mut String, block: &Block, level: usize) {
    let _ = match block {
        Block::Heading(title) => writeln!(out, "{} {}", "#".repeat(level), text(title)),
        Block::Text(paragraph) => writeln!(out, "{}", text(paragraph)),
        Block::Note(note) => writeln!(out, "> **Note.** {}", text(note)),
        Block::Code(code) => writeln!(out, "```\n{code}\n```"),
        Block::List(items) => items.iter().try_for_each(|item| writeln!(out, "- {}", text(item))),
        Block::Figures(figures) => write_figures(out, figures),
        Block::Table(table) => write_table(out, table),
        Block::Charts(charts) => write_charts(out, charts),
        Block::Cells(genotype) => write_cells(out, genotype),
        Block::Answers(topics) => write_answers(out, topics),
        Block::Folded(title, blocks) => {
            let _ = writeln!(out, "{} {}", "#".repeat(level), text(title));
            for block in blocks {
                out.push('\n');
                write_block(out, block, level + 1);
            }
            Ok(())
        }
    };
}

fn write_row(out: &mut String, cells: &[String]) -> std::fmt::Result {
    writeln!(out, "| {} |", cells.join(" | "))
}

fn write_table(out: &mut String, table: &Table) -> std::fmt::Result {
    let titles: Vec<_> = table.columns.iter().map(|c| cell(c.title)).collect();
    write_row(out, &titles)?;
    let rule = |kind| if kind == ColumnKind::Number { "---:" } else { "---" }.to_owned();
    write_row(out, &table.columns.iter().map(|c| rule(c.kind)).collect::<Vec<_>>())?;
    table.rows.iter().try_for_each(|row| {
        let cells = row.iter().zip(&table.columns).map(|(value, column)| match column.kind {
            ColumnKind::Code if value != UNKNOWN && !value.is_empty() => verbatim(value),
            _ => cell(value),
        });
        write_row(out, &cells.collect::<Vec<_>>())
    })
}

fn write_figures(out: &mut String, figures: &[Figure]) -> std::fmt::Result {
    write_row(out, &["Figure", "Value", ""].map(str::to_owned))?;
    write_row(out, &["---", "---:", "---"].map(str::to_owned))?;
    figures.iter().try_for_each(|f| write_row(out, &[cell(&f.label), cell(&f.value), cell(&f.detail)]))
}

fn write_charts(out: &mut String, charts: &[Chart]) -> std::fmt::Result {
    write_row(out, &["Measure", "Curve", "", "First", "Last", "Lowest", "Highest"].map(str::to_owned))?;
    write_row(out, &["---", "---", "---", "---:", "---:", "---:", "---:"].map(str::to_owned))?;
    for chart in charts {
        for curve in &chart.curves {
            let values: Vec<f64> = curve.points.iter().map(|p| p.y).collect();
            let known = || values.iter().copied().filter(|v| v.is_finite());
            let shown = |v: Option<f64>| match v {
                Some(value) => format!("{}{}", fixed(value, 4), chart.unit),
                None => UNKNOWN.to_owned(),
            };
            write_row(
                out,
                &[
                    cell(chart.title),
                    cell(&curve.name),
                    format!("`{}`", sparkline(curve)),
                    shown(known().next()),
                    shown(known().next_back()),
                    shown(known().reduce(f64::min)),
                    shown(known().reduce(f64::max)),
                ],
            )?;
        }
    }
    Ok(())
}

/// A curve drawn with blocks of eight heights, from its lowest to its highest value; a gap is a dot.
fn sparkline(curve: &Curve) -> String {
    const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let values: Vec<f64> = curve.points.iter().map(|p| p.y).collect();
    let columns = values.len().min(SPARKLINE);
    let column = |i: usize| {
        let part = &values[i * values.len() / columns..(i + 1) * values.len() / columns];
        let known: Vec<_> = part.iter().copied().filter(|v| v.is_finite()).collect();
        known.iter().sum::<f64>() / known.len() as f64
    };
    let means: Vec<f64> = (0..columns).map(column).collect();
    let (low, high) = means
        .iter()
        .filter(|v| v.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
    let step = |value: &f64| {
        if !value.is_finite() {
            return '·';
        }
        let share = if high > low { (value - low) / (high - low) } else { 0.5 };
        STEPS[((share * 8.0) as usize).min(7)]
    };
    means.iter().map(step).collect()
}

/// Writes both cells as tables with a row for each gene, because text cannot show the picture.
fn write_cells(out: &mut String, genotype: &Genotype) -> std::fmt::Result {
    write_row(out, &["Cell", "Node", "reads", "through"].map(str::to_owned))?;
    write_row(out, &["---"; 4].map(str::to_owned))?;
    for kind in CellKind::BOTH {
        for (index, gene) in genotype.cell(kind).genes.iter().enumerate() {
            let node = Cell::node_of(index).to_string();
            let operation = verbatim(gene.operation.name());
            write_row(out, &[kind.to_string(), node, Cell::input_name(gene.input), operation])?;
        }
    }
    Ok(())
}

fn write_answers(out: &mut String, topics: &[Topic]) -> std::fmt::Result {
    for (place, topic) in topics.iter().enumerate() {
        if place > 0 {
            out.push('\n');
        }
        writeln!(out, "### {}\n", text(topic.title))?;
        write_row(out, &["Question", "Answer", "Because"].map(str::to_owned))?;
        write_row(out, &["---"; 3].map(str::to_owned))?;
        for answer in &topic.answers {
            let verdict = format!("**{}**", answer.verdict.name());
            write_row(out, &[cell(answer.question), verdict, cell(&answer.because)])?;
        }
    }
    Ok(())
}

/// Escapes text so that Markdown takes nothing in it for markup. Pairs of backquotes stay, because the
/// report's own sentences use them.
fn text(words: &str) -> String {
    let mut out = String::with_capacity(words.len());
    let paired = words.matches('`').count().is_multiple_of(2);
    let mut verbatim = false;
    for c in words.chars() {
        match c {
            '`' if paired => verbatim = !verbatim,
            '`' => out.push('\\'),
            '\n' | '\r' => {
                out.push(' ');
                continue;
            }
            '<' if !verbatim => {
                out.push_str("&lt;");
                continue;
            }
            '&' if !verbatim => {
                out.push_str("&amp;");
                continue;
            }
            '\\' | '*' | '_' | '[' | ']' | '#' if !verbatim => out.push('\\'),
            _ => {}
        }
        out.push(c);
    }
    out
}

fn cell(words: &str) -> String {
    text(words).replace('|', "\\|")
}

/// Words in backquotes, within a table.
fn verbatim(words: &str) -> String {
    format!("`{}`", words.replace('`', "'").replace(['\n', '\r'], " ").replace('|', "\\|"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::document::{Ink, Point};

    #[test]
    fn a_curve_in_a_line_shows_its_gaps() {
        let check = |values: &[f64], expected: &str| {
            let points = values.iter().enumerate().map(|(x, &y)| Point { x: x as f64, y, range: None });
            let curve = Curve { name: String::new(), ink: Ink::Blue, points: points.collect() };
            assert_eq!(sparkline(&curve), expected, "{values:?}");
        };
        check(&[], "");
        check(&[2.0, f64::NAN, 1.0], "█·▁");
        check(&[1.0, 1.0], "▅▅");
        check(&[f64::NAN], "·");
        let long: Vec<f64> = (0..200).map(f64::from).collect();
        let points = long.iter().map(|&y| Point { x: y, y, range: None }).collect();
        assert_eq!(
            sparkline(&Curve { name: String::new(), ink: Ink::Blue, points }).chars().count(),
            SPARKLINE
        );
    }

    #[test]
    fn names_are_no_markup() {
        assert_eq!(cell("a|b <script> *x* `y_z`"), "a\\|b &lt;script> \\*x\\* `y_z`");
        assert_eq!(cell("`<script>"), "\\`&lt;script>");
    }
}
