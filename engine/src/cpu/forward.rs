//! The forward pass of one batch: it fills a [`Tape`].

use std::mem;

use super::{
    node::{Node, Paths},
    norm::Running,
    packing::Packed,
    pointwise::{Affine, Blend, Moments},
    pool::{AveragePool, MaxPool},
    program::Program,
    shape::Maps,
    stage::{Scratch, forward},
    tape::{Source, StageTape, Tape, gene_input},
    team::Member,
};
use crate::{
    network::{Parameters, PlannedOperation, Statistics},
    simd::{Lanes, dispatch},
};

/// What batch norm normalises with.
pub enum Normaliser<'a> {
    /// The moments of the whole batch, which the threads exchange at the barrier. Running statistics, if they
    /// are given, become `(1 − momentum) · old + momentum · batch`.
    Batch {
        parameters: Parameters<&'a [f32]>,
        statistics: Option<Statistics<&'a mut [f32]>>,
        momentum: f64,
        member: &'a Member<'a>,
    },
    /// What the tape holds already, which is made from the running statistics in evaluation.
    Tape,
}

/// A forward pass of one batch, or of a thread's share of it.
pub struct Forward<'a> {
    pub program: &'a Program,
    /// The packed weights, by module and stage.
    pub packed: &'a [Vec<Packed>],
    pub normaliser: Normaliser<'a>,
    pub paths: Paths<'a>,
    pub scratch: &'a mut Scratch,
}

impl Forward<'_> {
    /// Computes everything up to the last cell's output. `pictures` is `[N, H, W, 3]`.
    pub fn run(&mut self, tape: &mut Tape, pictures: &[f32]) {
        let program = self.program;
        tape.images = pictures.len() / program.picture_length();
        for (feature, &stem) in program.stems.iter().enumerate() {
            let source = feature.checked_sub(1).map_or(Source::Pictures(pictures), Source::Feature);
            let maps = mem::take(&mut tape.stems[feature]);
            tape.stems[feature] = self.normalised(tape, stem, source, maps);
        }
        for (index, cell) in program.cells.iter().enumerate() {
            if cell.live {
                self.cell(tape, index);
            }
        }
    }

    fn cell(&mut self, tape: &mut Tape, index: usize) {
        let cell = &self.program.cells[index];
        for (input, source) in self.program.sources(index).into_iter().enumerate() {
            let Some(module) = cell.preprocess[input] else { continue };
            let maps = mem::take(&mut tape.inputs[index][input]);
            tape.inputs[index][input] = self.normalised(tape, module, Source::Feature(source), maps);
        }
        tape.outputs[index].fit(cell.output, tape.images);
        for (number, node) in cell.nodes.iter().enumerate() {
            for &edge in node.edges() {
                let gene = node.gene(edge);
                if let PlannedOperation::Module(module) = gene.step {
                    let source = Source::Gene { cell: index, input: gene.input };
                    self.module(tape, module, node.times(), source);
                }
            }
            for image in 0..tape.images {
                self.node(tape, index, (number, node), image);
            }
        }
    }

    /// Sums the two edges of a node for one image.
    fn node(&mut self, tape: &mut Tape, index: usize, (number, node): (usize, &Node), n: usize) {
        let mut outputs = mem::take(&mut tape.outputs[index]);
        let (before, mut output) = outputs.image_mut(n).split_at(number);
        for block in 0..output.shape.blocks {
            let [first_pool, second_pool] = &mut self.scratch.pools;
            let mut pools = [first_pool, second_pool];
            let mut paths: [(&[Lanes], Affine); 2] = [(&[], Affine::IDENTITY); 2];
            for ((path, pool), &edge) in paths.iter_mut().zip(&mut pools).zip(node.edges()) {
                let gene = node.gene(edge);
                let factor = self.paths.factor(node, edge, n);
                let input = || gene_input(&tape.inputs[index], before.read(), gene.input, n).plane(block);
                *path = match gene.step {
                    PlannedOperation::Module(module) => {
                        let last = &tape.stages[module][tape.stages[module].len() - 1];
                        let plane = last.output.image(n).plane(block);
                        (plane.pixels, last.normalisation.affines[block].times(factor))
                    }
                    PlannedOperation::MaxPool { stride } => {
                        let mut pooled = pool.plane(output.shape.side);
                        dispatch(MaxPool { plane: input(), stride, output: pooled.again() });
                        (&*pooled.pixels, Affine::IDENTITY.times(factor))
                    }
                    PlannedOperation::AveragePool { stride } => {
                        let mut pooled = pool.plane(output.shape.side);
                        dispatch(AveragePool { plane: input(), stride, output: pooled.again() });
                        (&*pooled.pixels, Affine::IDENTITY.times(factor))
                    }
                    PlannedOperation::Identity | PlannedOperation::Zero { .. } => {
                        (input().pixels, Affine::IDENTITY)
                    }
                };
            }
            let second = if node.is_shared() { None } else { Some(paths[1]) };
            dispatch(Blend { first: paths[0], second, output: output.again().plane(block).pixels });
        }
        tape.outputs[index] = outputs;
    }

    /// Computes all stages of a module for all images of the tape. Running statistics are updated `times`
    /// times.
    fn module(&mut self, tape: &mut Tape, module: usize, times: usize, source: Source<'_>) {
        let stages = &self.program.modules[module];
        let mut tapes = mem::take(&mut tape.stages[module]);
        for (index, (stage, packed)) in stages.iter().zip(&self.packed[module]).enumerate() {
            let (before, current) = tapes.split_at_mut(index);
            let StageTape { output, normalisation } = &mut current[0];
            output.fit(stage.output, tape.images);
            let mut moments = Vec::with_capacity(tape.images * stage.output.blocks);
            for n in 0..tape.images {
                let input = match before.last() {
                    None => source.image(tape, n),
                    Some(before) => before.input(n),
                };
                forward(stage, packed, input, output.image_mut(n), self.scratch);
                if let (Normaliser::Batch { .. }, Some(_)) = (&self.normaliser, stage.norm) {
                    let planes = output.image(n).planes();
                    moments.extend(planes.map(|plane| dispatch(Moments { plane: plane.pixels })));
                }
            }
            let Some(norm) = stage.norm else { continue };
            if let Normaliser::Batch { parameters, statistics, momentum, member } = &mut self.normaliser {
                let moments = member.gather(moments);
                let running = statistics.as_mut().map(|statistics| Running {
                    statistics: statistics.again(),
                    momentum: *momentum,
                    times,
                });
                *normalisation = norm.of_batch(&moments, stage.output.pixels(), *parameters, running);
            }
        }
        tape.stages[module] = tapes;
    }

    /// Computes a module, and returns its output after the last batch norm in `maps`, whose memory is reused.
    fn normalised(&mut self, tape: &mut Tape, module: usize, source: Source<'_>, mut maps: Maps) -> Maps {
        self.module(tape, module, 1, source);
        if let Some(StageTape { output, normalisation }) = tape.stages[module].last() {
            maps.fit(output.shape(), tape.images);
            for n in 0..tape.images {
                let planes = maps.image_mut(n).planes().zip(output.image(n).planes());
                for ((written, plane), affine) in planes.zip(&normalisation.affines) {
                    dispatch(Blend { first: (plane.pixels, *affine), second: None, output: written.pixels });
                }
            }
        }
        maps
    }
}
