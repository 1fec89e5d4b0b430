//! What a forward pass leaves for the backward pass, and the forward pass itself.

use super::{
    norm::Normalisation,
    packing::Packed,
    pointwise::{Affine, Blend, Moments},
    pool::{AveragePool, MaxPool},
    program::{CellProgram, Program},
    simd::{Lanes, dispatch},
    stage::{Input, Scratch, Stage, forward, sized},
    team::Seat,
};
use crate::network::{Applied, Step};

/// The output of a stage for a whole batch, before batch norm, and what normalises it.
#[derive(Debug, Default)]
pub struct StageTape {
    pub output: Vec<Lanes>,
    pub normalisation: Normalisation,
}

/// Everything that a batch has computed, or a thread's share of it.
#[derive(Debug, Default)]
pub struct Tape {
    pub images: usize,
    /// By module and stage.
    pub stages: Vec<Vec<StageTape>>,
    /// The stem after batch norm.
    pub stem: Vec<Lanes>,
    /// By cell: inputs after preprocessing.
    pub inputs: Vec<[Vec<Lanes>; 2]>,
    /// By cell: all nodes of an image, then those of the next.
    pub outputs: Vec<Vec<Lanes>>,
}

/// What batch norm normalises with.
pub enum Statistics<'a> {
    /// Moments of the batch, which is everybody's in the meeting; running statistics move where
    /// they are given.
    Batch { parameters: &'a [f32], statistics: Option<&'a mut [f32]>, seat: &'a Seat<'a> },
    /// What the tape holds already.
    Kept,
}

/// A forward pass of one batch.
pub struct Forward<'a> {
    pub program: &'a Program,
    pub packed: &'a [Vec<Packed>],
    pub statistics: Statistics<'a>,
    pub paths: Paths<'a>,
    pub scratch: &'a mut Scratch,
}

/// What every gene's output is multiplied with: `[genes, N]`, or 1.
#[derive(Clone, Copy)]
pub struct Paths<'a> {
    pub masks: Option<&'a [f32]>,
    /// Of the whole batch.
    pub images: usize,
    /// Where a thread's own images begin.
    pub first: usize,
}

impl Paths<'_> {
    /// Of one gene (counted over all cells) and one of the thread's images.
    pub fn factor(&self, gene: usize, image: usize) -> f32 {
        self.masks.map_or(1.0, |masks| masks[gene * self.images + self.first + image])
    }

    /// Of a module that both genes of a node share: it is computed once and counts twice.
    pub fn module_factor(&self, pair: [Applied; 2], side: usize, first_gene: usize, image: usize) -> f32 {
        match is_shared(pair) {
            true => self.factor(first_gene, image) + self.factor(first_gene + 1, image),
            false => self.factor(first_gene + side, image),
        }
    }
}

/// Whether both genes of a node name one module.
pub fn is_shared(pair: [Applied; 2]) -> bool {
    pair[0] == pair[1] && matches!(pair[0].step, Step::Module(_))
}

impl Tape {
    pub fn new(program: &Program) -> Self {
        let stages = |m: &Vec<Stage>| m.iter().map(|_| StageTape::default()).collect();
        Self {
            images: 0,
            stages: program.modules.iter().map(stages).collect(),
            stem: Vec::new(),
            inputs: program.cells.iter().map(|_| Default::default()).collect(),
            outputs: program.cells.iter().map(|_| Vec::new()).collect(),
        }
    }

    /// Feature 0 is the stem, feature `1 + c` the output of cell `c`.
    pub fn feature(&self, program: &Program, feature: usize, image: usize) -> &[Lanes] {
        let (memory, length) = match feature.checked_sub(1) {
            None => (&self.stem, program.modules[program.stem][0].image_out()),
            Some(cell) => {
                let cell_program = &program.cells[cell];
                (&self.outputs[cell], cell_program.nodes.len() * cell_program.node_image())
            }
        };
        &memory[image * length..][..length]
    }

    /// The image that a gene of a cell reads.
    pub fn gene_input(&self, cell: &CellProgram, index: usize, input: usize, image: usize) -> &[Lanes] {
        if input < 2 {
            let length = cell.input_image();
            return &self.inputs[index][input][image * length..][..length];
        }
        let length = cell.node_image();
        let start = image * cell.nodes.len() * length + (input - 2) * length;
        &self.outputs[index][start..][..length]
    }
}

/// What a module reads.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// `[N, H, W, 3]`
    Pictures(&'a [f32]),
    /// As [`Tape::feature`].
    Feature(usize),
    /// What a gene of this cell reads.
    Gene { cell: usize, input: usize },
}

impl<'a> Source<'a> {
    pub fn image(self, tape: &'a Tape, program: &Program, image: usize) -> Input<'a> {
        match self {
            Self::Pictures(pictures) => {
                let length = 3 * program.image_side * program.image_side;
                Input::Picture(&pictures[image * length..][..length])
            }
            Self::Feature(feature) => Input::Planes(tape.feature(program, feature, image)),
            Self::Gene { cell, input } => {
                Input::Planes(tape.gene_input(&program.cells[cell], cell, input, image))
            }
        }
    }
}

/// Features that the two inputs of a cell are preprocessed from.
pub fn sources(cell: usize) -> [usize; 2] {
    [cell.saturating_sub(1), cell]
}

impl Forward<'_> {
    /// Computes everything up to the last cell's output. `pictures` is `[N, H, W, 3]`.
    pub fn run(&mut self, tape: &mut Tape, pictures: &[f32]) {
        let program = self.program;
        let side = program.image_side;
        tape.images = pictures.len() / (3 * side * side);
        self.module(tape, program.stem, 1, Source::Pictures(pictures));
        let mut stem = std::mem::take(&mut tape.stem);
        normalise(&program.modules[program.stem], &tape.stages[program.stem], tape.images, &mut stem);
        tape.stem = stem;
        let mut first_gene = 0;
        for (index, cell) in program.cells.iter().enumerate() {
            if cell.live {
                self.cell(tape, index, first_gene);
            }
            first_gene += 2 * cell.nodes.len();
        }
    }

    fn cell(&mut self, tape: &mut Tape, index: usize, first_gene: usize) {
        let program = self.program;
        let cell = &program.cells[index];
        for (input, source) in sources(index).into_iter().enumerate() {
            let Some(module) = cell.preprocess[input] else { continue };
            self.module(tape, module, 1, Source::Feature(source));
            let mut output = std::mem::take(&mut tape.inputs[index][input]);
            normalise(&program.modules[module], &tape.stages[module], tape.images, &mut output);
            tape.inputs[index][input] = output;
        }
        sized(&mut tape.outputs[index], tape.images * cell.nodes.len() * cell.node_image());
        for (node, &pair) in cell.nodes.iter().enumerate() {
            let shared = is_shared(pair);
            for gene in &pair[..if shared { 1 } else { 2 }] {
                if let Step::Module(module) = gene.step {
                    let times = if shared { 2 } else { 1 };
                    self.module(tape, module, times, Source::Gene { cell: index, input: gene.input });
                }
            }
            for image in 0..tape.images {
                self.node(tape, (index, node), pair, first_gene + 2 * node, image);
            }
        }
    }

    /// Sums the two paths of a node.
    fn node(
        &mut self,
        tape: &mut Tape,
        (index, node): (usize, usize),
        pair: [Applied; 2],
        first_gene: usize,
        image: usize,
    ) {
        let cell = &self.program.cells[index];
        let (length, pixels) = (cell.node_image(), cell.side_out * cell.side_out);
        let mut output = std::mem::take(&mut tape.outputs[index]);
        let all = &mut output[image * cell.nodes.len() * length..][..cell.nodes.len() * length];
        let (nodes, rest) = all.split_at_mut(node * length);
        for block in 0..cell.blocks {
            let mut pools = [&mut self.scratch.pools.0, &mut self.scratch.pools.1];
            let mut paths: [(&[Lanes], Affine); 2] = [(&[], Affine::IDENTITY); 2];
            for ((path, pool), side) in paths.iter_mut().zip(&mut pools).zip(0..) {
                let gene = pair[side];
                let (input, input_pixels) = match gene.input {
                    input @ (0 | 1) => {
                        let length = cell.input_image();
                        (&tape.inputs[index][input][image * length..][..length], cell.side_in * cell.side_in)
                    }
                    input => (&nodes[(input - 2) * length..][..length], pixels),
                };
                let plane = |pixels| &input[block * pixels..][..pixels];
                let factor = self.paths.module_factor(pair, side, first_gene, image);
                let side_in = if gene.input < 2 { cell.side_in } else { cell.side_out };
                *path = match gene.step {
                    Step::Module(module) => {
                        let last = &tape.stages[module][tape.stages[module].len() - 1];
                        let plane = &last.output[image * length + block * pixels..][..pixels];
                        (plane, last.normalisation.affines[block].times(factor))
                    }
                    Step::MaxPool { stride } => {
                        let plane = plane(input_pixels);
                        let output = sized(pool, pixels);
                        dispatch(MaxPool { plane, side: side_in, stride, output: &mut *output });
                        (&*output, Affine::IDENTITY.times(factor))
                    }
                    Step::AveragePool { stride } => {
                        let plane = plane(input_pixels);
                        let output = sized(pool, pixels);
                        dispatch(AveragePool { plane, side: side_in, stride, output: &mut *output });
                        (&*output, Affine::IDENTITY.times(factor))
                    }
                    Step::Identity | Step::Zero { .. } => (plane(input_pixels), Affine::IDENTITY),
                };
            }
            let second = if is_shared(pair) { None } else { Some(paths[1]) };
            dispatch(Blend { first: paths[0], second, output: &mut rest[block * pixels..][..pixels] });
        }
        tape.outputs[index] = output;
    }

    /// All stages of a module for the whole batch. Running statistics move `times` times.
    fn module(&mut self, tape: &mut Tape, module: usize, times: usize, source: Source<'_>) {
        let stages = &self.program.modules[module];
        let mut tapes = std::mem::take(&mut tape.stages[module]);
        for (index, (stage, packed)) in stages.iter().zip(&self.packed[module]).enumerate() {
            let (before, current) = tapes.split_at_mut(index);
            let current = &mut current[0];
            let output = sized(&mut current.output, tape.images * stage.image_out());
            let mut moments = Vec::with_capacity(tape.images * stage.blocks_out);
            for (image, output) in output.chunks_exact_mut(stage.image_out()).enumerate() {
                let input = match before.last() {
                    None => source.image(tape, self.program, image),
                    Some(before) => {
                        let length = stages[index - 1].image_out();
                        Input::Normalised(
                            &before.output[image * length..][..length],
                            &before.normalisation.affines,
                        )
                    }
                };
                forward(stage, packed, input, output, self.scratch);
                if let Statistics::Batch { .. } = self.statistics {
                    let planes = output.chunks_exact(stage.pixels_out());
                    moments.extend(planes.map(|plane| dispatch(Moments { plane })));
                }
            }
            if let Statistics::Batch { parameters, statistics, seat } = &mut self.statistics {
                let moments = seat.gather(moments);
                let statistics = statistics.as_deref_mut();
                current.normalisation =
                    stage.norm.of_batch(&moments, stage.pixels_out(), parameters, statistics, times);
            }
        }
        tape.stages[module] = tapes;
    }
}

/// Writes a module's output after its last batch norm.
fn normalise(stages: &[Stage], tapes: &[StageTape], images: usize, output: &mut Vec<Lanes>) {
    let (Some(stage), Some(tape)) = (stages.last(), tapes.last()) else { return };
    let pixels = stage.pixels_out();
    let output = sized(output, images * stage.image_out());
    let planes = output.chunks_exact_mut(pixels).zip(tape.output.chunks_exact(pixels));
    for ((output, plane), affine) in planes.zip(tape.normalisation.affines.iter().cycle()) {
        dispatch(Blend { first: (plane, *affine), second: None, output });
    }
}
