//! The numbers of each individual in columns, as many columns as fit.

use ratatui::style::Style;
use relativenas_core::{cost::cost, population::IndividualId, view::SearchView};

use crate::{
    canvas::{Canvas, Look},
    draw::text,
    lists::{self, Order},
    words::{individual, is_of_before, loss, ranked},
};

/// A quantity that has a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Number,
    Loss,
    Change,
    Accuracy,
    Parameters,
    MultiplyAdds,
    Latency,
    Lessons,
}

impl Column {
    const ALL: [Self; 8] = [
        Self::Number,
        Self::Loss,
        Self::Change,
        Self::Accuracy,
        Self::Parameters,
        Self::MultiplyAdds,
        Self::Latency,
        Self::Lessons,
    ];

    fn order(self) -> Order {
        match self {
            Self::Number => Order::Number,
            Self::Loss => Order::Loss,
            Self::Change => Order::Change,
            Self::Accuracy => Order::Accuracy,
            Self::Parameters => Order::Parameters,
            Self::MultiplyAdds => Order::MultiplyAdds,
            Self::Latency => Order::Latency,
            Self::Lessons => Order::Lessons,
        }
    }

    fn head(self, look: &Look) -> String {
        match self {
            Self::Number => "#".to_owned(),
            Self::Loss => "loss ".to_owned(),
            Self::Change => look.glyphs.delta.to_string(),
            Self::Accuracy => "acc".to_owned(),
            Self::Parameters => "params".to_owned(),
            Self::MultiplyAdds => "MACs".to_owned(),
            Self::Latency => "ms".to_owned(),
            Self::Lessons => "slow".to_owned(),
        }
    }
}

/// The columns that fit, each with its width and a blank before it.
pub struct Table {
    columns: Vec<(Column, usize)>,
}

impl Table {
    /// As many columns as fit in `room`, but at least number and loss.
    pub fn of(search: &SearchView, room: usize) -> Self {
        let digits = individual(search, IndividualId(0)).len();
        let width = |column: Column| match column {
            Column::Number => digits,
            // A loss in parentheses needs nine columns.
            Column::Loss => 9,
            Column::Change => 7,
            Column::Accuracy => 6,
            Column::Parameters | Column::MultiplyAdds | Column::Latency => 8,
            Column::Lessons => 6,
        };
        let mut left = room;
        let mut columns = Vec::new();
        for column in Column::ALL.into_iter().filter(|c| c.order().is_known(search)) {
            if width(column) > left && columns.len() >= 2 {
                break;
            }
            left = left.saturating_sub(width(column));
            columns.push((column, width(column)));
        }
        Self { columns }
    }

    pub fn width(&self) -> usize {
        self.columns.iter().map(|(_, width)| width).sum()
    }

    /// Draws the headings from column `x` on; the one that is sorted by has a mark.
    pub fn heads(&self, canvas: &mut Canvas<'_>, mut x: usize, y: usize, order: Order) {
        let look = canvas.look;
        for &(column, width) in &self.columns {
            let sorted = column.order() == order;
            let mut head = column.head(look);
            if sorted && column != Column::Number {
                head.insert(0, look.glyphs.triangle_down);
            }
            let style = if sorted { look.palette.strong } else { look.palette.dim };
            canvas.text(x, y, &text::right(&head, width, &look.glyphs), style);
            x += width;
        }
    }

    /// Draws an individual's numbers; `over` is the style of a selected row.
    pub fn row(
        &self,
        canvas: &mut Canvas<'_>,
        mut x: usize,
        y: usize,
        (search, number): (&SearchView, IndividualId),
        over: Option<Style>,
    ) {
        let look = canvas.look;
        for &(column, width) in &self.columns {
            let (words, style) = cell(look, search, number, column);
            canvas.text(x, y, &text::right(&words, width, &look.glyphs), over.unwrap_or(style));
            x += width;
        }
    }
}

fn cell(look: &Look, search: &SearchView, number: IndividualId, column: Column) -> (String, Style) {
    let palette = &look.palette;
    let place = &search.population[number];
    let nothing = (look.glyphs.never.to_string(), palette.dim);
    let ranking = ranked(search, number);
    // A loss of the vector before the last move is not this vector's.
    let before = ranking.is_none() && is_of_before(place);
    let leads = search.leader().is_some_and(|leader| leader.individual == number);
    let plain = if before { palette.dim } else { palette.text };
    let of_cost = |of: fn(&relativenas_core::cost::Cost) -> f64| {
        let cost =
            search.genotype(number).zip(search.network).map(|(genotype, shape)| cost(&genotype, &shape));
        cost.map(|cost| (text::quantity(of(&cost)).replace(' ', ""), palette.text))
    };
    match column {
        Column::Number => (individual(search, number), if leads { palette.best } else { palette.text }),
        Column::Loss => match (ranking, &place.learner) {
            (Some(ranked), _) => (format!("{} ", loss(ranked.loss).trim_start()), plain),
            (None, Some(learner)) if before => {
                (format!("({})", loss(learner.estimate.loss).trim_start()), plain)
            }
            (None, Some(learner)) => (format!("{} ", loss(learner.estimate.loss).trim_start()), plain),
            (None, None) => ("new ".to_owned(), palette.dim),
        },
        Column::Change if before => ("moved".to_owned(), palette.slow),
        Column::Change => match lists::change(place).filter(|_| ranking.is_none()) {
            Some(change) => {
                let style = if change < 0.0 { palette.best } else { palette.text };
                let sign = if change < 0.0 { look.glyphs.minus } else { '+' };
                (format!("{sign}{:.2}", change.abs()), style)
            }
            None => nothing,
        },
        Column::Accuracy => match lists::accuracy(search, number) {
            Some(accuracy) => (format!("{accuracy:.1}"), plain),
            None => nothing,
        },
        Column::Parameters => of_cost(|cost| cost.parameters as f64).unwrap_or(nothing),
        Column::MultiplyAdds => of_cost(|cost| cost.multiply_adds as f64).unwrap_or(nothing),
        Column::Latency => match lists::latency(search, number) {
            Some(milliseconds) => {
                let limit = search.settings.limits.max_latency;
                let beyond = limit > 0.0 && milliseconds > limit;
                (format!("{milliseconds:.2}"), if beyond { palette.warning } else { palette.text })
            }
            None => nothing,
        },
        Column::Lessons => match place.lessons.len() {
            0 => nothing,
            times => (format!("{times}x"), palette.text),
        },
    }
}
