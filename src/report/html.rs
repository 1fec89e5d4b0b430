//! A document as one HTML page that contains its style and its pictures, has no scripts and loads nothing.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use relativenas_core::{genotype::Genotype, picture};

use super::{
    chart,
    document::{Block, ChecklistAnswer, ChecklistItem, ColumnKind, Document, Figure, Section, Table, Topic},
};

const STYLE: &str = include_str!("style.css");

pub fn page(document: &Document) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (document.title) " · RelativeNAS report" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (document.title) }
                    p { (document.subtitle) }
                    (contents(&document.sections))
                }
                main {
                    @for (place, section) in document.sections.iter().enumerate() { (written(place, section)) }
                }
                footer { "Made by " code { "relativenas report" } " from the runs' manifests and events alone." }
            }
        }
    };
    page.into_string()
}

fn contents(sections: &[Section]) -> Markup {
    html! {
        nav aria-label="Contents" {
            @for (place, section) in sections.iter().enumerate() {
                a href={ "#s" (place) } { (section.title) }
            }
        }
    }
}

fn written(place: usize, section: &Section) -> Markup {
    let blocks = html! { @for block in &section.blocks { (block_markup(block)) } };
    html! {
        section {
            @if section.folded {
                details {
                    summary { h2 { (section.title) } }
                    // A link into a folded part unfolds it.
                    div.folded id={ "s" (place) } { (blocks) }
                }
            } @else {
                h2 id={ "s" (place) } { (section.title) }
                (blocks)
            }
        }
    }
}

fn block_markup(block: &Block) -> Markup {
    match block {
        Block::Heading(title) => html! { h3 { (title) } },
        Block::Text(text) => html! { p { (with_code(text)) } },
        Block::Note(text) => html! { p.note role="note" { (with_code(text)) } },
        Block::Figures(figures) => {
            html! { dl.figures { @for figure in figures { (figure_markup(figure)) } } }
        }
        Block::Table(table) => table_markup(table),
        Block::Charts(charts) => html! { div.charts { @for chart in charts { (chart::figure(chart)) } } },
        Block::Cells(genotype) => cells(genotype),
        Block::Code(code) => html! { pre { code { (code) } } },
        Block::List(items) => html! { ul { @for item in items { li { (with_code(item)) } } } },
        Block::Folded(title, blocks) => html! {
            details.part {
                summary { h3 { (title) } }
                @for block in blocks { (block_markup(block)) }
            }
        },
        Block::Answers(topics) => html! { @for topic in topics { (topic_markup(topic)) } },
    }
}

/// Text in backquotes becomes code; a lone backquote stays.
fn with_code(text: &str) -> Markup {
    let parts: Vec<_> = text.split('`').collect();
    if parts.len() % 2 == 0 {
        return html! { (text) };
    }
    html! {
        @for (place, part) in parts.into_iter().enumerate() {
            @if place % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

fn figure_markup(figure: &Figure) -> Markup {
    html! {
        div {
            dt { (figure.label) }
            dd.value { (figure.value) }
            dd { (figure.detail) }
        }
    }
}

fn table_markup(table: &Table) -> Markup {
    let class = |kind| match kind {
        ColumnKind::Words => "words",
        ColumnKind::Number => "number",
        ColumnKind::Code => "code",
    };
    html! {
        div.wide {
            table {
                thead { tr { @for column in &table.columns { th.(class(column.kind)) scope="col" { (column.title) } } } }
                tbody {
                    @for row in &table.rows {
                        tr {
                            @for (value, column) in row.iter().zip(&table.columns) {
                                td.(class(column.kind)) { (value) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The picture is made by this program and holds no text of a user, so it needs no escaping.
fn cells(genotype: &Genotype) -> Markup {
    html! { div.wide.cells { (PreEscaped(picture::svg(genotype))) } }
}

fn topic_markup(topic: &Topic) -> Markup {
    html! {
        h3 { (topic.title) }
        ul.answers { @for answer in &topic.answers { (answer_markup(answer)) } }
    }
}

fn answer_markup(answer: &ChecklistItem) -> Markup {
    let class = match answer.verdict {
        ChecklistAnswer::Yes => "yes",
        ChecklistAnswer::No => "no",
        ChecklistAnswer::NotApplicable => "none",
    };
    html! {
        li {
            span.verdict.(class) { (answer.verdict.name()) }
            div {
                strong { (answer.question) }
                p { (with_code(&answer.because)) }
            }
        }
    }
}
