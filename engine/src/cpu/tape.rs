//! What a forward pass leaves for the backward pass.

use super::{
    norm::Normalisation,
    program::Program,
    shape::{Image, Maps},
    stage::Input,
};

/// The output of a stage for a whole batch, before batch norm, and what normalises it.
#[derive(Debug, Default)]
pub struct StageTape {
    pub output: Maps,
    pub normalisation: Normalisation,
}

impl StageTape {
    /// Image number `n` for the stage that follows in the same module: through batch norm, if there is one.
    pub fn input(&self, n: usize) -> Input<'_> {
        match &self.normalisation.affines[..] {
            [] => Input::Map(self.output.image(n)),
            affines => Input::Normalised(self.output.image(n), affines),
        }
    }
}

/// Everything that was computed for a batch, or for a thread's share of it.
#[derive(Debug, Default)]
pub struct Tape {
    /// How many images it holds.
    pub images: usize,
    /// The outputs of all stages, by module and stage.
    pub stages: Vec<Vec<StageTape>>,
    /// The stems' outputs after batch norm.
    pub stems: Vec<Maps>,
    /// The two inputs of every cell after preprocessing.
    pub inputs: Vec<[Maps; 2]>,
    /// The output of every cell, node by node.
    pub outputs: Vec<Maps>,
}

impl Tape {
    pub fn new(program: &Program) -> Self {
        Self {
            images: 0,
            stages: program
                .modules
                .iter()
                .map(|m| m.iter().map(|_| StageTape::default()).collect())
                .collect(),
            stems: program.stems.iter().map(|_| Maps::default()).collect(),
            inputs: program.cells.iter().map(|_| Default::default()).collect(),
            outputs: program.cells.iter().map(|_| Maps::default()).collect(),
        }
    }

    /// Image number `n` of a feature: the outputs of the stems come first, then those of the cells.
    pub fn feature(&self, feature: usize, n: usize) -> Image<'_> {
        match feature.checked_sub(self.stems.len()) {
            None => self.stems[feature].image(n),
            Some(cell) => self.outputs[cell].image(n),
        }
    }

    /// Image number `n` of what a gene of this cell with this input reads.
    pub fn gene_input(&self, cell: usize, input: usize, n: usize) -> Image<'_> {
        gene_input(&self.inputs[cell], self.outputs[cell].image(n), input, n)
    }
}

/// Image number `n` of what a gene reads: one of its cell's two inputs (`input` is 0 or 1), or an earlier
/// node (from 2 on) of `nodes`, the cell's output for that image.
pub fn gene_input<'a>(inputs: &'a [Maps; 2], nodes: Image<'a>, input: usize, n: usize) -> Image<'a> {
    match input.checked_sub(2) {
        None => inputs[input].image(n),
        Some(node) => nodes.node(node),
    }
}

/// What a module reads.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// Pixels of the thread's images, `[N, H, W, 3]`.
    Pictures(&'a [f32]),
    /// A feature, counted as in [`Tape::feature`].
    Feature(usize),
    /// What a gene of this cell with this input reads.
    Gene { cell: usize, input: usize },
}

impl<'a> Source<'a> {
    /// Image number `n`.
    pub fn image(self, tape: &'a Tape, n: usize) -> Input<'a> {
        match self {
            Self::Pictures(pictures) => {
                let length = pictures.len() / tape.images;
                Input::Picture(&pictures[n * length..][..length])
            }
            Self::Feature(feature) => Input::Map(tape.feature(feature, n)),
            Self::Gene { cell, input } => Input::Map(tape.gene_input(cell, input, n)),
        }
    }
}
