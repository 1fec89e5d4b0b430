//! The nine views by name. What each of them draws is in `views`.

/// A view: what the screen shows between its title and its footer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum View {
    #[default]
    Overview,
    Population,
    Pairs,
    Weights,
    Architecture,
    Curves,
    Log,
    Runs,
    Map,
}

impl View {
    pub const ALL: [Self; 9] = [
        Self::Overview,
        Self::Population,
        Self::Pairs,
        Self::Weights,
        Self::Architecture,
        Self::Curves,
        Self::Log,
        Self::Runs,
        Self::Map,
    ];

    /// Whether the view shows the run at an earlier moment if one is chosen. The other views always show the
    /// present.
    pub fn shows_past(self) -> bool {
        !matches!(self, Self::Curves | Self::Log | Self::Runs)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Population => "Population",
            Self::Pairs => "Pairs",
            Self::Weights => "Weights",
            Self::Architecture => "Architecture",
            Self::Curves => "Curves",
            Self::Log => "Log",
            Self::Runs => "Runs",
            Self::Map => "Map",
        }
    }

    /// A shorter name, for narrow screens.
    pub fn short_name(self) -> &'static str {
        match self {
            Self::Overview => "Over",
            Self::Population => "Pop",
            Self::Weights => "Wgts",
            Self::Architecture => "Arch",
            Self::Curves => "Curv",
            view => view.name(),
        }
    }

    /// The view `by` places after this one (before it, if negative); the first view follows the last.
    pub fn next(self, by: isize) -> Self {
        let place = Self::ALL.iter().position(|view| *view == self).unwrap_or(0) as isize;
        Self::ALL[(place + by).rem_euclid(Self::ALL.len() as isize) as usize]
    }
}
