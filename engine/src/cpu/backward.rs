//! The reverse pass: from the gradient of the last cell's output to that of every weight.

use super::{
    forward::{Paths, is_shared},
    packing::Packed,
    pointwise::{Accumulate, Arrival, GradientMoments},
    pool::{AveragePoolGradient, MaxPoolGradient},
    program::Program,
    simd::{LANES, Lanes, dispatch},
    stage::{Backward, Input, Scratch, backward, sized},
    tape::{Source, StageTape, Tape, sources},
    team::Member,
};
use crate::network::{Applied, Step};

/// Memory for gradients of feature maps, kept from step to step.
#[derive(Debug, Default)]
pub struct Gradients {
    /// By feature, as in [`Tape::feature`].
    features: Vec<Vec<Lanes>>,
    arrived: Vec<bool>,
    /// Of the inputs of the cell in hand.
    inputs: [Vec<Lanes>; 2],
    inputs_arrived: [bool; 2],
    /// Between the two stages of a module.
    middle: Vec<Lanes>,
}

impl Gradients {
    pub fn new(program: &Program) -> Self {
        Self { features: vec![Vec::new(); program.cells.len() + 1], ..Self::default() }
    }

    /// Forgets the last step.
    pub fn forget(&mut self) {
        self.arrived = vec![false; self.features.len()];
    }

    /// Where the gradient of a feature belongs, to be filled before others add to it.
    pub fn at(&mut self, feature: usize, length: usize) -> &mut [Lanes] {
        self.arrived[feature] = true;
        sized(&mut self.features[feature], length)
    }
}

/// A reverse pass of one batch.
pub struct Reverse<'a> {
    pub program: &'a Program,
    pub packed: &'a [Vec<Packed>],
    pub tape: &'a Tape,
    pub pictures: &'a [f32],
    pub paths: Paths<'a>,
    pub member: &'a Member<'a>,
    /// Sums of weight gradients.
    pub sums: &'a mut [Vec<Packed>],
    /// Of all parameters, in flat memory: the share of this thread's images.
    pub flat: &'a mut [f32],
    pub scratch: &'a mut Scratch,
}

/// Where a module's output gradient is: in every image of `memory`, from `start` on.
struct Upstream<'a> {
    memory: &'a mut [Lanes],
    /// Length of an image.
    image: usize,
    start: usize,
}

/// Where the gradient of a module's input goes.
enum Target<'a> {
    Nowhere,
    /// To every image of other memory, from `start` on.
    Elsewhere {
        memory: &'a mut [Lanes],
        image: usize,
        start: usize,
        arrival: Arrival,
    },
    /// To every image of the upstream memory itself: an earlier node of the same cell, which has
    /// a gradient already.
    Before {
        start: usize,
    },
}

impl Target<'_> {
    /// The place in image `n`. `before` is the part of the upstream image before the gradient.
    fn image<'a>(
        &'a mut self,
        n: usize,
        length: usize,
        before: &'a mut [Lanes],
    ) -> Option<(&'a mut [Lanes], Arrival)> {
        match self {
            Self::Nowhere => None,
            Self::Elsewhere { memory, image, start, arrival } => {
                Some((&mut memory[n * *image + *start..][..length], *arrival))
            }
            Self::Before { start } => Some((&mut before[*start..][..length], Arrival::Later)),
        }
    }
}

impl Reverse<'_> {
    /// Goes back from the gradients that [`Gradients::at`] was filled with.
    pub fn run(&mut self, gradients: &mut Gradients) {
        let mut first_gene = self.program.cells.iter().map(|c| 2 * c.nodes.len()).sum();
        for index in (0..self.program.cells.len()).rev() {
            first_gene -= 2 * self.program.cells[index].nodes.len();
            if self.program.cells[index].live && gradients.arrived[index + 1] {
                self.cell(gradients, index, first_gene);
            }
        }
        let stem = self.program.stem;
        let image = self.program.modules[stem][0].output.length();
        let upstream = Upstream { memory: &mut gradients.features[0], image, start: 0 };
        let source = Source::Pictures(self.pictures);
        self.module(stem, source, upstream, |_| 1.0, Target::Nowhere, &mut gradients.middle);
    }

    fn cell(&mut self, gradients: &mut Gradients, index: usize, first_gene: usize) {
        let cell = &self.program.cells[index];
        gradients.inputs_arrived = [false; 2];
        for input in &mut gradients.inputs {
            sized(input, self.tape.images * cell.input.length());
        }
        let mut memory = std::mem::take(&mut gradients.features[index + 1]);
        for (node, &pair) in cell.nodes.iter().enumerate().rev() {
            let first_gene = first_gene + 2 * node;
            for slot in 0..if is_shared(pair) { 1 } else { 2 } {
                self.gene(gradients, &mut memory, (index, node), (pair, slot), first_gene);
            }
        }
        gradients.features[index + 1] = memory;
        for (input, source) in sources(index).into_iter().enumerate() {
            let Some(module) = cell.preprocess[input] else { continue };
            let arrival = arrive(&mut gradients.arrived[source]);
            let image = self.tape.feature(self.program, source, 0).len();
            let memory = sized(&mut gradients.features[source], self.tape.images * image);
            let target = Target::Elsewhere { memory, image, start: 0, arrival };
            let memory = &mut gradients.inputs[input];
            let upstream = Upstream { memory, image: cell.input.length(), start: 0 };
            let source = Source::Feature(source);
            self.module(module, source, upstream, |_| 1.0, target, &mut gradients.middle);
        }
    }

    /// From a node to what one of its genes reads.
    fn gene(
        &mut self,
        gradients: &mut Gradients,
        memory: &mut [Lanes],
        (index, node): (usize, usize),
        (pair, slot): ([Applied; 2], usize),
        first_gene: usize,
    ) {
        let cell = &self.program.cells[index];
        let (gene, paths) = (pair[slot], self.paths);
        let factor = |image| paths.module_factor(pair, slot, first_gene, image);
        let image = cell.length();
        let mut target = match gene.input {
            input @ (0 | 1) => Target::Elsewhere {
                memory: &mut gradients.inputs[input],
                image: cell.input.length(),
                start: 0,
                arrival: arrive(&mut gradients.inputs_arrived[input]),
            },
            input => Target::Before { start: (input - 2) * cell.node.length() },
        };
        let upstream = Upstream { memory, image, start: node * cell.node.length() };
        if let Step::Module(module) = gene.step {
            let source = Source::Gene { cell: index, input: gene.input };
            self.module(module, source, upstream, factor, target, &mut gradients.middle);
            return;
        }
        for (n, image) in upstream.memory.chunks_exact_mut(image).take(self.tape.images).enumerate() {
            let (before, rest) = image.split_at_mut(upstream.start);
            let input = self.tape.gene_input(cell, index, gene.input, n);
            let Some((target, arrival)) = target.image(n, input.len(), before) else { continue };
            let path = PlainPath {
                step: gene.step,
                input,
                side: cell.gene_input(gene.input).side,
                gradient: &rest[..cell.node.length()],
                pixels: cell.node.pixels(),
                factor: factor(n),
            };
            path.backward(target, arrival);
        }
    }

    /// Through a module, last stage first. `factor` is what each image's output was multiplied with.
    fn module(
        &mut self,
        module: usize,
        source: Source<'_>,
        upstream: Upstream<'_>,
        factor: impl Fn(usize) -> f32,
        target: Target<'_>,
        middle: &mut Vec<Lanes>,
    ) {
        if self.program.modules[module].len() == 1 {
            self.stage((module, 0), source, upstream, factor, target);
            return;
        }
        let image = self.program.modules[module][0].output.length();
        sized(middle, self.tape.images * image);
        let to_middle = Target::Elsewhere { memory: middle, image, start: 0, arrival: Arrival::First };
        let Upstream { memory, image: upstream_image, start } = upstream;
        let reborrowed = Upstream { memory: &mut *memory, image: upstream_image, start };
        self.stage((module, 1), source, reborrowed, factor, to_middle);
        let target = match target {
            Target::Before { start } => {
                Target::Elsewhere { memory, image: upstream_image, start, arrival: Arrival::Later }
            }
            other => other,
        };
        let from_middle = Upstream { memory: middle, image, start: 0 };
        self.stage((module, 0), source, from_middle, |_| 1.0, target);
    }

    /// Through one stage: sums over the batch first, as batch norm wants, then image by image.
    fn stage(
        &mut self,
        (module, index): (usize, usize),
        source: Source<'_>,
        upstream: Upstream<'_>,
        factor: impl Fn(usize) -> f32,
        mut target: Target<'_>,
    ) {
        let (tape, program) = (self.tape, self.program);
        let stage = &program.modules[module][index];
        let StageTape { output, normalisation } = &tape.stages[module][index];
        let (length, pixels) = (stage.output.length(), stage.output.pixels());
        let images = || upstream.memory.chunks_exact(upstream.image).zip(output.chunks_exact(length));
        let mut moments = Vec::with_capacity(tape.images * stage.output.blocks);
        for (n, (gradient, output)) in images().take(tape.images).enumerate() {
            let gradient = &gradient[upstream.start..][..length];
            let planes = gradient.chunks_exact(pixels).zip(output.chunks_exact(pixels));
            for ((gradient, plane), mean) in planes.zip(&normalisation.means) {
                let (gradients, products) = dispatch(GradientMoments { gradient, plane, mean });
                let times_factor = |lanes: Lanes| Lanes(lanes.0.map(|x| factor(n) * x));
                moments.push((times_factor(gradients), times_factor(products)));
            }
        }
        let mut sums = vec![([0.0; LANES], [0.0; LANES]); stage.output.blocks];
        for image in self.member.gather(moments).chunks_exact(stage.output.blocks) {
            for (sum, (gradients, products)) in sums.iter_mut().zip(image) {
                for lane in 0..LANES {
                    sum.0[lane] += f64::from(gradients.0[lane]);
                    sum.1[lane] += f64::from(products.0[lane]);
                }
            }
        }
        let parameters = self.member.is_first().then_some(&mut *self.flat);
        let norm = stage.norm.gradient(normalisation, &sums, self.paths.images * pixels, parameters);
        let weights = &mut self.sums[module][index];
        weights.clear();
        let packed = &self.packed[module][index];
        let images = upstream.memory.chunks_exact_mut(upstream.image).zip(output.chunks_exact(length));
        for (n, (image, output)) in images.take(tape.images).enumerate() {
            let (before, rest) = image.split_at_mut(upstream.start);
            let input = match index.checked_sub(1) {
                None => source.image(tape, program, n),
                Some(first) => {
                    let (stage, tape) = (&program.modules[module][first], &tape.stages[module][first]);
                    let image = stage.output.image(&tape.output, n);
                    Input::Normalised(image, &tape.normalisation.affines)
                }
            };
            let length_in = stage.input.length();
            let back = Backward {
                gradient: &rest[..length],
                output,
                input,
                norm: &norm,
                factor: factor(n),
                target: target.image(n, length_in, before),
            };
            backward(stage, packed, weights, back, self.scratch);
        }
        stage.packing.unpack(weights, self.flat);
    }
}

/// Says whether a gradient is the first, and notes that it came.
fn arrive(arrived: &mut bool) -> Arrival {
    if std::mem::replace(arrived, true) { Arrival::Later } else { Arrival::First }
}

/// One image of a path without weights.
struct PlainPath<'a> {
    step: Step,
    input: &'a [Lanes],
    /// Rows and columns of the input.
    side: usize,
    gradient: &'a [Lanes],
    /// Of an output plane.
    pixels: usize,
    factor: f32,
}

impl PlainPath<'_> {
    fn backward(&self, target: &mut [Lanes], arrival: Arrival) {
        let Self { side, factor, .. } = *self;
        if matches!(self.step, Step::Identity) {
            dispatch(Accumulate { plane: self.gradient, factor: 1.0, arrival, output: target });
            return;
        }
        if arrival == Arrival::First {
            target.fill(Lanes::ZERO);
        }
        let planes = self.input.chunks_exact(side * side).zip(target.chunks_exact_mut(side * side));
        for (gradient, (plane, sum)) in self.gradient.chunks_exact(self.pixels).zip(planes) {
            match self.step {
                Step::MaxPool { stride } => {
                    dispatch(MaxPoolGradient { plane, side, stride, gradient, factor, sum });
                }
                Step::AveragePool { stride } => {
                    dispatch(AveragePoolGradient { side, stride, gradient, factor, sum });
                }
                Step::Identity | Step::Module(_) | Step::Zero { .. } => {}
            }
        }
    }
}
