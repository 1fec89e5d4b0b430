//! The contents of a report, independent of its format.

use relativenas_core::genotype::Genotype;

/// A report: a title and its sections, in order.
#[derive(Clone, Debug)]
pub struct Document {
    pub title: String,
    pub subtitle: String,
    pub sections: Vec<Section>,
}

/// A part of a report with a heading.
#[derive(Clone, Debug)]
pub struct Section {
    pub title: String,
    pub blocks: Vec<Block>,
    /// Whether the section is folded at first, because it is long and seldom read.
    pub folded: bool,
}

impl Section {
    pub fn new(title: impl Into<String>, blocks: Vec<Block>) -> Self {
        Self { title: title.into(), blocks, folded: false }
    }

    /// The same section, folded at first.
    pub fn folded(self) -> Self {
        Self { folded: true, ..self }
    }
}

/// A piece of a section, which every format writes in its own way.
#[derive(Clone, Debug)]
pub enum Block {
    Heading(String),
    Text(String),
    /// A sentence that warns of something.
    Note(String),
    /// The few most important numbers, shown large.
    Figures(Vec<Figure>),
    Table(Table),
    Charts(Vec<Chart>),
    /// A picture of both cells.
    Cells(Genotype),
    Code(String),
    List(Vec<String>),
    Answers(Vec<Topic>),
    /// A part with a title of its own, which is folded at first.
    Folded(String, Vec<Block>),
}

/// A key figure, with a detail that explains its value.
#[derive(Clone, Debug)]
pub struct Figure {
    pub label: String,
    pub value: String,
    pub detail: String,
}

#[derive(Clone, Debug)]
pub struct Table {
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    pub fn block(columns: &[Column], rows: Vec<Vec<String>>) -> Block {
        Block::Table(Self { columns: columns.to_vec(), rows })
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub title: &'static str,
    pub kind: ColumnKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    Words,
    Number,
    /// Names of settings and fingerprints.
    Code,
}

pub const fn words(title: &'static str) -> Column {
    Column { title, kind: ColumnKind::Words }
}

pub const fn number(title: &'static str) -> Column {
    Column { title, kind: ColumnKind::Number }
}

pub const fn code(title: &'static str) -> Column {
    Column { title, kind: ColumnKind::Code }
}

/// Curves over generations or epochs.
#[derive(Clone, Debug)]
pub struct Chart {
    pub title: &'static str,
    /// What the horizontal axis counts.
    pub over: &'static str,
    /// Written behind every value, such as ` %`.
    pub unit: &'static str,
    /// The range of possible values, beyond which the axis does not go.
    pub bounds: (f64, f64),
    pub curves: Vec<Curve>,
}

impl Chart {
    /// The chart without curves that have no value at all; `None` if no curve is left.
    pub fn known(mut self) -> Option<Self> {
        self.curves.retain(|c| c.points.iter().any(|p| p.y.is_finite()));
        (!self.curves.is_empty()).then_some(self)
    }
}

/// A named curve of a [`Chart`].
#[derive(Clone, Debug)]
pub struct Curve {
    pub name: String,
    pub ink: Ink,
    pub points: Vec<Point>,
}

/// A value, with the lowest and the highest where it is a mean over several runs. NaN is a gap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub x: f64,
    pub y: f64,
    pub range: Option<(f64, f64)>,
}

/// What a curve is drawn with. Each has a colour and a dash pattern of its own, so that a print
/// without colours can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    Blue,
    Orange,
    Green,
    Purple,
    Gray,
    Red,
}

impl Ink {
    pub const ALL: [Self; 6] = [Self::Blue, Self::Orange, Self::Green, Self::Purple, Self::Gray, Self::Red];

    pub fn name(self) -> &'static str {
        match self {
            Self::Blue => "blue",
            Self::Orange => "orange",
            Self::Green => "green",
            Self::Purple => "purple",
            Self::Gray => "gray",
            Self::Red => "red",
        }
    }

    /// The pattern in the form of SVG's `stroke-dasharray`.
    pub fn dashes(self) -> &'static str {
        match self {
            Self::Blue => "none",
            Self::Orange => "7 3",
            Self::Green => "2 2",
            Self::Purple => "9 3 2 3",
            Self::Gray => "4 4",
            Self::Red => "12 4",
        }
    }
}

/// Questions of a checklist that belong together.
#[derive(Clone, Debug)]
pub struct Topic {
    pub title: &'static str,
    pub answers: Vec<ChecklistItem>,
}

/// A question of a checklist and its answer.
#[derive(Clone, Debug)]
pub struct ChecklistItem {
    pub question: &'static str,
    pub verdict: ChecklistAnswer,
    /// What the verdict rests on, or what is missing.
    pub because: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChecklistAnswer {
    Yes,
    No,
    NotApplicable,
}

impl ChecklistAnswer {
    pub fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::NotApplicable => "not applicable",
        }
    }
}
