//! Slices and vectors that are indexed by a type of their own, so that numbers of different things cannot be
//! mixed.

/// Lets slices and vectors be indexed by types that wrap a `usize`.
macro_rules! index_by {
    ($($index:ty),+) => {$(
        impl<T> std::ops::Index<$index> for [T] {
            type Output = T;

            fn index(&self, index: $index) -> &T {
                &self[index.0]
            }
        }

        impl<T> std::ops::IndexMut<$index> for [T] {
            fn index_mut(&mut self, index: $index) -> &mut T {
                &mut self[index.0]
            }
        }

        impl<T> std::ops::Index<$index> for Vec<T> {
            type Output = T;

            fn index(&self, index: $index) -> &T {
                &self[index.0]
            }
        }

        impl<T> std::ops::IndexMut<$index> for Vec<T> {
            fn index_mut(&mut self, index: $index) -> &mut T {
                &mut self[index.0]
            }
        }
    )+};
}

index_by!(crate::population::IndividualId, crate::search::Slot, crate::space::GeneIndex);
