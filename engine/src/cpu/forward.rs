//! The forward pass of one batch: it fills a [`Tape`].

use super::{
    norm::Running,
    packing::Packed,
    pointwise::{Affine, Blend, Moments},
    pool::{AveragePool, MaxPool},
    program::Program,
    simd::{Lanes, dispatch},
    stage::{Input, Scratch, Stage, forward, sized},
    tape::{Source, StageTape, Tape, sources},
    team::Member,
};
use crate::network::{Applied, Step};

/// What batch norm normalises with.
pub enum Statistics<'a> {
    /// The moments of the whole batch, summed over all threads at the barrier; running statistics move
    /// where they are given.
    Batch { parameters: &'a [f32], statistics: Option<&'a mut [f32]>, momentum: f64, member: &'a Member<'a> },
    /// What the tape holds already: running statistics, in evaluation.
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
    /// Images of the whole batch, N.
    pub images: usize,
    /// Where a thread's own images begin.
    pub first: usize,
}

impl Paths<'_> {
    /// The factor of one gene, counted over all cells, for one of the thread's images.
    pub fn factor(&self, gene: usize, image: usize) -> f32 {
        self.masks.map_or(1.0, |masks| masks[gene * self.images + self.first + image])
    }

    /// The factor of what a node's gene in `slot`, 0 or 1, applies. A module that both genes share is
    /// computed once and counts twice.
    pub fn module_factor(&self, pair: [Applied; 2], slot: usize, first_gene: usize, image: usize) -> f32 {
        match is_shared(pair) {
            true => self.factor(first_gene, image) + self.factor(first_gene + 1, image),
            false => self.factor(first_gene + slot, image),
        }
    }
}

/// Whether both genes of a node name one module.
pub fn is_shared(pair: [Applied; 2]) -> bool {
    pair[0] == pair[1] && matches!(pair[0].step, Step::Module(_))
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
        sized(&mut tape.outputs[index], tape.images * cell.length());
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
        let (length, pixels) = (cell.node.length(), cell.node.pixels());
        let mut output = std::mem::take(&mut tape.outputs[index]);
        let all = &mut output[image * cell.length()..][..cell.length()];
        let (nodes, rest) = all.split_at_mut(node * length);
        for block in 0..cell.node.blocks {
            let mut pools = [&mut self.scratch.pools.0, &mut self.scratch.pools.1];
            let mut paths: [(&[Lanes], Affine); 2] = [(&[], Affine::IDENTITY); 2];
            for ((path, pool), slot) in paths.iter_mut().zip(&mut pools).zip(0..) {
                let gene = pair[slot];
                let shape = cell.gene_input(gene.input);
                let input = match gene.input.checked_sub(2) {
                    None => shape.image(&tape.inputs[index][gene.input], image),
                    Some(node) => shape.image(nodes, node),
                };
                let (plane, side) = (shape.plane(input, block), shape.side);
                let factor = self.paths.module_factor(pair, slot, first_gene, image);
                *path = match gene.step {
                    Step::Module(module) => {
                        let last = &tape.stages[module][tape.stages[module].len() - 1];
                        let plane = cell.node.plane(cell.node.image(&last.output, image), block);
                        (plane, last.normalisation.affines[block].times(factor))
                    }
                    Step::MaxPool { stride } => {
                        let output = sized(pool, pixels);
                        dispatch(MaxPool { plane, side, stride, output: &mut *output });
                        (&*output, Affine::IDENTITY.times(factor))
                    }
                    Step::AveragePool { stride } => {
                        let output = sized(pool, pixels);
                        dispatch(AveragePool { plane, side, stride, output: &mut *output });
                        (&*output, Affine::IDENTITY.times(factor))
                    }
                    Step::Identity | Step::Zero { .. } => (plane, Affine::IDENTITY),
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
            let output = sized(&mut current.output, tape.images * stage.output.length());
            let mut moments = Vec::with_capacity(tape.images * stage.output.blocks);
            for (image, output) in output.chunks_exact_mut(stage.output.length()).enumerate() {
                let input = match before.last() {
                    None => source.image(tape, self.program, image),
                    Some(before) => {
                        let image = stages[index - 1].output.image(&before.output, image);
                        Input::Normalised(image, &before.normalisation.affines)
                    }
                };
                forward(stage, packed, input, output, self.scratch);
                if let Statistics::Batch { .. } = self.statistics {
                    let planes = output.chunks_exact(stage.output.pixels());
                    moments.extend(planes.map(|plane| dispatch(Moments { plane })));
                }
            }
            if let Statistics::Batch { parameters, statistics, momentum, member } = &mut self.statistics {
                let moments = member.gather(moments);
                let running = statistics.as_deref_mut().map(|statistics| Running {
                    statistics,
                    momentum: *momentum,
                    times,
                });
                current.normalisation =
                    stage.norm.of_batch(&moments, stage.output.pixels(), parameters, running);
            }
        }
        tape.stages[module] = tapes;
    }
}

/// Writes a module's output after its last batch norm.
fn normalise(stages: &[Stage], tapes: &[StageTape], images: usize, output: &mut Vec<Lanes>) {
    let (Some(stage), Some(tape)) = (stages.last(), tapes.last()) else { return };
    let pixels = stage.output.pixels();
    let output = sized(output, images * stage.output.length());
    let planes = output.chunks_exact_mut(pixels).zip(tape.output.chunks_exact(pixels));
    for ((output, plane), affine) in planes.zip(tape.normalisation.affines.iter().cycle()) {
        dispatch(Blend { first: (plane, *affine), second: None, output });
    }
}
