//! The backward pass: from the gradients of the features that the heads read to the gradient of every weight.

use std::mem;

use super::{
    node::{Edge, Node, Paths},
    norm::{GradientSums, NormBack},
    packing::Packed,
    pointwise::{Accumulate, Arrival, GradientMoments},
    pool::{AveragePoolGradient, MaxPoolGradient},
    program::Program,
    shape::{Image, ImageMut, MapShape, Maps},
    stage::{Backward, Scratch, backward},
    tape::{Source, StageTape, Tape},
    team::Member,
};
use crate::{
    network::{Parameters, PlannedOperation},
    simd::{LANES, Lanes, dispatch},
};

/// Memory for gradients of feature maps, kept from step to step.
#[derive(Debug, Default)]
pub struct Gradients {
    /// The gradient of every feature, numbered as in [`Tape::feature`].
    features: Vec<Maps>,
    /// For each feature, whether a gradient has been written to it already.
    arrived: Vec<bool>,
    /// The gradients of the two inputs of the cell that is being computed.
    inputs: [Maps; 2],
    /// For each input, whether a gradient has been written to it already.
    inputs_arrived: [bool; 2],
    /// The gradient of what lies between the two stages of the module that is being computed.
    middle: Maps,
}

impl Gradients {
    pub fn new(program: &Program) -> Self {
        let features = (0..program.features()).map(|_| Maps::default()).collect();
        Self { features, ..Self::default() }
    }

    /// Marks all gradients of features as not yet written, before a backward pass.
    pub fn forget(&mut self) {
        self.arrived = vec![false; self.features.len()];
    }

    /// The memory for the gradient of a feature for `images` images. The caller writes the gradient to it
    /// before [`Reverse::run`] adds others.
    pub fn at(&mut self, feature: usize, shape: MapShape, images: usize) -> &mut Maps {
        self.arrived[feature] = true;
        let maps = &mut self.features[feature];
        maps.fit(shape, images);
        maps
    }
}

/// A backward pass of one batch, or of a thread's share of it.
pub struct Reverse<'a> {
    pub program: &'a Program,
    /// The packed weights, by module and stage.
    pub packed: &'a [Vec<Packed>],
    pub tape: &'a Tape,
    /// Pixels of the thread's images, `[N, H, W, 3]`.
    pub pictures: &'a [f32],
    pub paths: Paths<'a>,
    pub member: &'a Member<'a>,
    /// The sums of the weights' gradients, by module and stage.
    pub sums: &'a mut [Vec<Packed>],
    /// The gradient of all parameters: the share of this thread's images.
    pub flat: Parameters<&'a mut [f32]>,
    pub scratch: &'a mut Scratch,
}

/// Where the gradient of a module's output lies: in node `node` of every image of `maps`.
struct Upstream<'a> {
    maps: &'a mut Maps,
    node: usize,
}

/// Where the gradient of a module's input goes.
enum Target<'a> {
    /// It is not computed.
    Nowhere,
    /// To all nodes of other maps.
    Map { maps: &'a mut Maps, arrival: Arrival },
    /// To one node of other maps, which has a gradient already.
    Node { maps: &'a mut Maps, node: usize },
    /// To an earlier node of the upstream maps themselves, which has a gradient already.
    Before { node: usize },
}

impl<'t> Target<'t> {
    /// To a feature of this shape, whose gradient may have something in it already.
    fn feature(maps: &'t mut Maps, arrived: &mut bool, shape: MapShape, images: usize) -> Self {
        maps.fit(shape, images);
        Self::Map { maps, arrival: arrive(arrived) }
    }

    /// The place in image `n`. `before` are the nodes of the upstream image before the one with the gradient.
    fn image<'a>(&'a mut self, n: usize, before: ImageMut<'a>) -> Option<(ImageMut<'a>, Arrival)> {
        match self {
            Self::Nowhere => None,
            Self::Map { maps, arrival } => Some((maps.image_mut(n), *arrival)),
            Self::Node { maps, node } => Some((maps.image_mut(n).node(*node), Arrival::Later)),
            Self::Before { node } => Some((before.node(*node), Arrival::Later)),
        }
    }
}

impl Reverse<'_> {
    /// Computes the backward pass from the gradients that were written to [`Gradients::at`].
    pub fn run(&mut self, gradients: &mut Gradients) {
        for index in (0..self.program.cells.len()).rev() {
            if self.program.cells[index].live && gradients.arrived[self.program.output(index)] {
                self.cell(gradients, index);
            }
        }
        for (feature, &stem) in self.program.stems.iter().enumerate().rev() {
            if gradients.arrived[feature] {
                self.stem(gradients, feature, stem);
            }
        }
    }

    /// Passes the gradient of `feature`, which is a stem's output, back through the stem to the one before
    /// it.
    fn stem(&mut self, gradients: &mut Gradients, feature: usize, stem: usize) {
        let mut maps = mem::take(&mut gradients.features[feature]);
        let (source, target) = match feature.checked_sub(1) {
            None => (Source::Pictures(self.pictures), Target::Nowhere),
            Some(before) => {
                let shape = self.program.feature_shape(before);
                let (maps, arrived) = (&mut gradients.features[before], &mut gradients.arrived[before]);
                (Source::Feature(before), Target::feature(maps, arrived, shape, self.tape.images))
            }
        };
        let upstream = Upstream { maps: &mut maps, node: 0 };
        self.module(stem, source, upstream, |_| 1.0, target, &mut gradients.middle);
        gradients.features[feature] = maps;
    }

    fn cell(&mut self, gradients: &mut Gradients, index: usize) {
        let cell = &self.program.cells[index];
        gradients.inputs_arrived = [false; 2];
        for input in &mut gradients.inputs {
            input.fit(cell.input, self.tape.images);
        }
        let output = self.program.output(index);
        let mut maps = mem::take(&mut gradients.features[output]);
        for (number, node) in cell.nodes.iter().enumerate().rev() {
            for &edge in node.edges() {
                self.edge(gradients, &mut maps, index, (number, node), edge);
            }
        }
        gradients.features[output] = maps;
        for (input, source) in self.program.sources(index).into_iter().enumerate() {
            let Some(module) = cell.preprocess[input] else { continue };
            let shape = self.program.feature_shape(source);
            let (maps, arrived) = (&mut gradients.features[source], &mut gradients.arrived[source]);
            let target = Target::feature(maps, arrived, shape, self.tape.images);
            let upstream = Upstream { maps: &mut gradients.inputs[input], node: 0 };
            let source = Source::Feature(source);
            self.module(module, source, upstream, |_| 1.0, target, &mut gradients.middle);
        }
    }

    /// Passes the gradient of a node, which is in `maps`, back through one of its edges to the input of that
    /// edge.
    fn edge(
        &mut self,
        gradients: &mut Gradients,
        maps: &mut Maps,
        index: usize,
        (number, node): (usize, &Node),
        edge: Edge,
    ) {
        let (gene, paths) = (node.gene(edge), self.paths);
        let factor = |n| paths.factor(node, edge, n);
        let mut target = match gene.input {
            input @ (0 | 1) => Target::Map {
                maps: &mut gradients.inputs[input],
                arrival: arrive(&mut gradients.inputs_arrived[input]),
            },
            input => Target::Before { node: input - 2 },
        };
        if let PlannedOperation::Module(module) = gene.step {
            let source = Source::Gene { cell: index, input: gene.input };
            let upstream = Upstream { maps, node: number };
            self.module(module, source, upstream, factor, target, &mut gradients.middle);
            return;
        }
        for n in 0..self.tape.images {
            let (before, gradient) = maps.image_mut(n).split_at(number);
            let input = self.tape.gene_input(index, gene.input, n);
            let Some((target, arrival)) = target.image(n, before) else { continue };
            let path = PlainPath { step: gene.step, input, gradient: gradient.into(), factor: factor(n) };
            path.backward(target, arrival);
        }
    }

    /// Passes a gradient back through a module, last stage first. `factor` gives the number that the output
    /// of each image was multiplied by.
    fn module(
        &mut self,
        module: usize,
        source: Source<'_>,
        upstream: Upstream<'_>,
        factor: impl Fn(usize) -> f32,
        target: Target<'_>,
        middle: &mut Maps,
    ) {
        if self.program.modules[module].len() == 1 {
            self.stage((module, 0), source, upstream, factor, target);
            return;
        }
        middle.fit(self.program.modules[module][0].output, self.tape.images);
        let Upstream { maps, node } = upstream;
        let to_middle = Target::Map { maps: &mut *middle, arrival: Arrival::First };
        self.stage((module, 1), source, Upstream { maps: &mut *maps, node }, factor, to_middle);
        let target = match target {
            Target::Before { node } => Target::Node { maps, node },
            other => other,
        };
        self.stage((module, 0), source, Upstream { maps: middle, node: 0 }, |_| 1.0, target);
    }

    /// Passes a gradient back through one stage. The sums over the batch that batch norm's gradient needs
    /// come first, then the images one by one.
    fn stage(
        &mut self,
        (module, index): (usize, usize),
        source: Source<'_>,
        upstream: Upstream<'_>,
        factor: impl Fn(usize) -> f32,
        mut target: Target<'_>,
    ) {
        let tape = self.tape;
        let norm = self.norm((module, index), &upstream, &factor);
        let stage = &self.program.modules[module][index];
        let weights = &mut self.sums[module][index];
        weights.clear();
        let packed = &self.packed[module][index];
        for n in 0..tape.images {
            let (before, gradient) = upstream.maps.image_mut(n).split_at(upstream.node);
            let input = match index.checked_sub(1) {
                None => source.image(tape, n),
                Some(first) => tape.stages[module][first].input(n),
            };
            let back = Backward {
                gradient: gradient.into(),
                output: tape.stages[module][index].output.image(n),
                input,
                norm: &norm,
                factor: factor(n),
                target: target.image(n, before),
            };
            backward(stage, packed, weights, back, self.scratch);
        }
        stage.packing.unpack(weights, &mut self.flat);
    }

    /// The coefficients of the gradient of a stage's batch norm, one for each block of channels. The first
    /// member also writes the gradients of batch norm's parameters.
    fn norm(
        &mut self,
        (module, index): (usize, usize),
        upstream: &Upstream<'_>,
        factor: impl Fn(usize) -> f32,
    ) -> Vec<NormBack> {
        let tape = self.tape;
        let stage = &self.program.modules[module][index];
        let StageTape { output, normalisation } = &tape.stages[module][index];
        let Some(norm) = stage.norm else { return vec![NormBack::NONE; stage.output.blocks] };
        let mut moments = Vec::with_capacity(tape.images * stage.output.blocks);
        for n in 0..tape.images {
            let gradient = upstream.maps.image(n).node(upstream.node);
            let planes = gradient.planes().zip(output.image(n).planes());
            for ((gradient, plane), mean) in planes.zip(&normalisation.means) {
                let (gradient, plane) = (gradient.pixels, plane.pixels);
                let (gradients, products) = dispatch(GradientMoments { gradient, plane, mean });
                let times_factor = |lanes: Lanes| Lanes(lanes.0.map(|x| factor(n) * x));
                moments.push((times_factor(gradients), times_factor(products)));
            }
        }
        let mut sums: Vec<GradientSums> = vec![([0.0; LANES], [0.0; LANES]); stage.output.blocks];
        for image in self.member.gather(moments).chunks_exact(stage.output.blocks) {
            for (sum, (gradients, products)) in sums.iter_mut().zip(image) {
                for lane in 0..LANES {
                    sum.0[lane] += f64::from(gradients.0[lane]);
                    sum.1[lane] += f64::from(products.0[lane]);
                }
            }
        }
        let count = self.paths.images * stage.output.pixels();
        let parameters = self.member.is_first().then(|| self.flat.again());
        norm.gradient(normalisation, &sums, count, parameters)
    }
}

/// Returns whether this gradient is the first to reach its place, and notes in `arrived` that one has.
fn arrive(arrived: &mut bool) -> Arrival {
    if mem::replace(arrived, true) { Arrival::Later } else { Arrival::First }
}

/// One image of an edge whose operation has no weights: an identity or a pool.
struct PlainPath<'a> {
    step: PlannedOperation,
    /// What the edge reads.
    input: Image<'a>,
    /// The gradient of the node.
    gradient: Image<'a>,
    /// The number that the edge's output was multiplied by.
    factor: f32,
}

impl PlainPath<'_> {
    /// Adds the gradient of the input to `target`, or writes it if it is the first there.
    fn backward(&self, mut target: ImageMut<'_>, arrival: Arrival) {
        let factor = self.factor;
        if matches!(self.step, PlannedOperation::Identity) {
            let (plane, output) = (self.gradient.lanes, target.lanes);
            dispatch(Accumulate { plane, factor: 1.0, arrival, output });
            return;
        }
        if arrival == Arrival::First {
            target.lanes.fill(Lanes::ZERO);
        }
        let planes = self.input.planes().zip(target.again().planes());
        for (gradient, (plane, sum)) in self.gradient.planes().zip(planes) {
            match self.step {
                PlannedOperation::MaxPool { stride } => {
                    dispatch(MaxPoolGradient { plane, stride, gradient, factor, sum });
                }
                PlannedOperation::AveragePool { stride } => {
                    dispatch(AveragePoolGradient { stride, gradient, factor, sum });
                }
                PlannedOperation::Identity | PlannedOperation::Module(_) | PlannedOperation::Zero { .. } => {}
            }
        }
    }
}
