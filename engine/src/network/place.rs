//! Where the tensors of a network lie in its two pieces of flat memory, and those pieces as slices.
//!
//! A place in one piece cannot be looked up in the other: each has a type of its own.

use std::ops::{Deref, DerefMut, Index, IndexMut};

/// The index of a number among the trained parameters, or in anything that is laid out as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterPlace(usize);

/// The index of a number among everything that no gradient changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatisticPlace(usize);

/// Where a tensor of a module lies in [`super::FlatWeights`]: the place of its first number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Among the parameters that the loss depends on.
    Parameter(ParameterPlace),
    /// Among everything else.
    Statistic(StatisticPlace),
}

impl ParameterPlace {
    pub fn new(index: usize) -> Self {
        Self(index)
    }

    pub fn index(self) -> usize {
        self.0
    }

    /// The place so many numbers further on.
    #[must_use]
    pub fn plus(self, numbers: usize) -> Self {
        Self(self.0 + numbers)
    }
}

impl StatisticPlace {
    pub fn new(index: usize) -> Self {
        Self(index)
    }
}

impl Place {
    /// The place among the parameters; `None` for a statistic.
    pub fn parameter(self) -> Option<ParameterPlace> {
        match self {
            Self::Parameter(place) => Some(place),
            Self::Statistic(_) => None,
        }
    }

    /// The place among the statistics; `None` for a parameter.
    pub fn statistic(self) -> Option<StatisticPlace> {
        match self {
            Self::Statistic(place) => Some(place),
            Self::Parameter(_) => None,
        }
    }
}

/// All trained parameters of a network, `[P] f32`, or numbers that are laid out as they are, such as their
/// gradient. `M` is a slice or a vector.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parameters<M>(pub M);

/// Everything of a network that no gradient changes, `[S] f32`: the running statistics of batch norm, and the
/// weights of modules that the loss does not depend on. `M` is a slice or a vector.
#[derive(Clone, Copy, Debug, Default)]
pub struct Statistics<M>(pub M);

impl<M: Deref<Target = [f32]>> Parameters<M> {
    /// The numbers from a place on: those of the tensor that begins there, and of all that follow.
    #[inline]
    pub fn starting_at(&self, place: ParameterPlace) -> &[f32] {
        &self.0[place.0..]
    }
}

impl<M: DerefMut<Target = [f32]>> Parameters<M> {
    /// The numbers from a place on, to be changed.
    #[inline]
    pub fn starting_at_mut(&mut self, place: ParameterPlace) -> &mut [f32] {
        &mut self.0[place.0..]
    }

    /// A shorter borrow of the same numbers, after which `self` can be used again.
    #[inline]
    pub fn again(&mut self) -> Parameters<&mut [f32]> {
        Parameters(&mut self.0)
    }
}

impl<M: Deref<Target = [f32]>> Index<ParameterPlace> for Parameters<M> {
    type Output = f32;

    #[inline]
    fn index(&self, place: ParameterPlace) -> &f32 {
        &self.0[place.0]
    }
}

impl<M: DerefMut<Target = [f32]>> IndexMut<ParameterPlace> for Parameters<M> {
    #[inline]
    fn index_mut(&mut self, place: ParameterPlace) -> &mut f32 {
        &mut self.0[place.0]
    }
}

impl<M: Deref<Target = [f32]>> Statistics<M> {
    /// The numbers from a place on: those of the tensor that begins there, and of all that follow.
    #[inline]
    pub fn starting_at(&self, place: StatisticPlace) -> &[f32] {
        &self.0[place.0..]
    }
}

impl<M: DerefMut<Target = [f32]>> Statistics<M> {
    /// The numbers from a place on, to be changed.
    #[inline]
    pub fn starting_at_mut(&mut self, place: StatisticPlace) -> &mut [f32] {
        &mut self.0[place.0..]
    }

    /// A shorter borrow of the same numbers, after which `self` can be used again.
    #[inline]
    pub fn again(&mut self) -> Statistics<&mut [f32]> {
        Statistics(&mut self.0)
    }
}
