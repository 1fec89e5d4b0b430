//! The nodes of a cell, each of which sums what its two genes compute.

use crate::network::{Applied, PlannedOperation};

/// One of a node's two edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    First,
    Second,
}

/// A node: the sum of two edges, each of which a gene describes.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    pub genes: [Applied; 2],
    /// The number of its first gene, counted over the genes of all cells.
    pub first_gene: usize,
}

impl Node {
    /// The gene of an edge.
    pub fn gene(&self, edge: Edge) -> Applied {
        self.genes[edge as usize]
    }

    /// Whether both edges apply the same module to the same input. That module is computed once and counts
    /// twice.
    pub fn is_shared(&self) -> bool {
        self.genes[0] == self.genes[1] && matches!(self.genes[0].step, PlannedOperation::Module(_))
    }

    /// The edges that have to be computed: one if it is shared.
    pub fn edges(&self) -> &'static [Edge] {
        if self.is_shared() { &[Edge::First] } else { &[Edge::First, Edge::Second] }
    }

    /// How often each of [`Node::edges`] counts in the sum.
    pub fn times(&self) -> usize {
        if self.is_shared() { 2 } else { 1 }
    }
}

/// The numbers that drop path multiplies the output of every gene by, image by image, for the images of one
/// thread.
#[derive(Clone, Copy)]
pub struct Paths<'a> {
    /// Drop-path masks, `[genes, N]`; `None` keeps every path.
    pub masks: Option<&'a [f32]>,
    /// How many images the whole batch has, N.
    pub images: usize,
    /// The number of the thread's first image in the batch.
    pub first: usize,
}

impl Paths<'_> {
    /// Every path is kept.
    pub const KEPT: Self = Self { masks: None, images: 0, first: 0 };

    /// The number that the output of an edge is multiplied by for one of the thread's images, counted from 0.
    /// Where both genes share a module, it is the sum of their two numbers.
    pub fn factor(&self, node: &Node, edge: Edge, image: usize) -> f32 {
        let of_gene =
            |gene: usize| self.masks.map_or(1.0, |masks| masks[gene * self.images + self.first + image]);
        if node.is_shared() {
            of_gene(node.first_gene) + of_gene(node.first_gene + 1)
        } else {
            of_gene(node.first_gene + edge as usize)
        }
    }
}
