//! A plan as stages, with the places of all weights in flat memory.

use std::collections::BTreeSet;

use relativenas_core::operation::CellKind;
use tch::Tensor;

use super::{
    node::Node,
    norm::{AffinePlaces, Norm},
    packing::{Channels, MatrixPart, Packed, Packing},
    shape::MapShape,
    stage::{Front, Stage},
    tape::sources,
    window::Taps,
};
use crate::network::{CellPlan, FlatWeights, Layer, Module, ParameterPlace, Parameters, Place, Plan, Step};

/// What [`super::CpuModel`] computes, for one image.
#[derive(Clone, Debug)]
pub struct Program {
    /// One or two stages a module, by index of [`Plan::modules`]; none for unused ones and the head.
    pub modules: Vec<Vec<Stage>>,
    /// The module that reads the pictures.
    pub stem: usize,
    pub cells: Vec<CellProgram>,
    /// The channels of every feature, counted as in [`Tape::feature`](super::tape::Tape::feature).
    pub channels: Vec<Channels>,
    pub head: Head,
    /// Rows and columns of a picture.
    pub image_side: usize,
}

/// A cell, whose output in memory is all its nodes, one after the other.
#[derive(Clone, Debug)]
pub struct CellProgram {
    /// Whether anything reads it. If nothing does, nothing of it is computed.
    pub live: bool,
    /// The modules that bring the two inputs to the cell's channels; `None` for an input that no gene reads.
    pub preprocess: [Option<usize>; 2],
    pub nodes: Vec<Node>,
    /// The shape of an input after preprocessing.
    pub input: MapShape,
    /// The shape of the output: all nodes.
    pub output: MapShape,
}

impl CellProgram {
    /// The shape of what a gene reads that names this input.
    fn gene_input(&self, input: usize) -> MapShape {
        if input < 2 { self.input } else { self.output.node() }
    }
}

/// The classifier after the mean over pixels.
#[derive(Clone, Debug)]
pub struct Head {
    /// The channels that it reads.
    pub features: Channels,
    pub classes: usize,
    /// `[classes, features]`
    pub weight: ParameterPlace,
    /// `[classes]`
    pub bias: ParameterPlace,
}

impl Program {
    /// `None` if the plan has something that only libtorch computes. An auxiliary head is left out.
    pub fn new(plan: &Plan, weights: &FlatWeights, image_side: usize) -> Option<Self> {
        let [stem] = plan.stems[..] else { return None };
        if !plan.cells.iter().all(is_known) {
            return None;
        }
        let compile = |module: usize, input, side| {
            compile(&plan.modules[module].module, &weights.places()[module], input, side)
        };
        let mut modules = vec![Vec::new(); plan.modules.len()];
        modules[stem] = compile(stem, &Channels::one(3), image_side)?;
        let mut channels = vec![Channels::one(modules[stem].last()?.norm.channels)];
        let (mut cells, mut first_gene) = (Vec::new(), 0);
        for (index, cell) in plan.cells.iter().enumerate() {
            let place = cell.place;
            let program = cell_program(cell, first_gene);
            first_gene += cell.genes.len();
            let sides = [place.side * if place.after_reduction { 2 } else { 1 }, place.side];
            for (module, (source, side)) in cell.preprocess.iter().zip(sources(index).into_iter().zip(sides))
            {
                if let Some(module) = *module {
                    modules[module] = compile(module, &channels[source], side)?;
                }
            }
            if program.live {
                for gene in &cell.genes {
                    if let Step::Module(module) = gene.step {
                        let side = program.gene_input(gene.input).side;
                        modules[module] = compile(module, &Channels::one(place.channels), side)?;
                    }
                }
            }
            let nodes = cell.concat.iter().map(|input| input - 2).collect();
            channels.push(Channels { nodes, per_node: place.channels });
            cells.push(program);
        }
        let head = head(plan, weights, channels.last()?.clone())?;
        Some(Self { modules, stem, cells, channels, head, image_side })
    }

    /// How many features there are: the stem's output and every cell's.
    pub fn features(&self) -> usize {
        self.channels.len()
    }

    /// The shape of a feature.
    pub fn feature_shape(&self, feature: usize) -> MapShape {
        match feature.checked_sub(1) {
            None => MapShape::one(self.channels[0].blocks(), self.image_side),
            Some(cell) => self.cells[cell].output,
        }
    }

    /// Room for the packed weights of all stages, or for their gradients.
    pub fn room(&self) -> Vec<Vec<Packed>> {
        self.modules.iter().map(|stages| stages.iter().map(|s| s.packing.room()).collect()).collect()
    }

    /// Packs the weights of all stages as they are now.
    pub fn pack(&self, parameters: Parameters<&[f32]>, packed: &mut [Vec<Packed>]) {
        for (stages, packed) in self.modules.iter().zip(packed) {
            for (stage, packed) in stages.iter().zip(packed) {
                stage.packing.pack(parameters, packed);
            }
        }
    }

    /// Whether images, `[N, 3, H, W]`, have the size that it computes.
    pub fn fits(&self, images: &Tensor) -> bool {
        let side = self.image_side as i64;
        matches!(images.size()[..], [_, 3, height, width] if (height, width) == (side, side))
    }

    /// Numbers of a picture, `[H, W, 3]`.
    pub fn picture_length(&self) -> usize {
        3 * self.image_side * self.image_side
    }
}

/// Whether the kernels know the cell: it puts out nodes, each of them once, and computes nothing in vain.
fn is_known(cell: &CellPlan) -> bool {
    let halves = cell.place.kind == CellKind::Reduction || cell.place.after_reduction;
    let nodes: BTreeSet<_> = cell.concat.iter().copied().filter(|&input| input >= 2).collect();
    nodes.len() == cell.concat.len()
        && (!cell.is_live() || cell.live_nodes.iter().all(|&live| live))
        && !cell.genes.iter().any(|g| matches!(g.step, Step::Zero { .. }))
        && (!halves || cell.place.side.is_multiple_of(2))
}

/// The cell whose first gene has this number, counted over the genes of all cells.
fn cell_program(cell: &CellPlan, first_gene: usize) -> CellProgram {
    let place = cell.place;
    let side_out = if place.kind == CellKind::Reduction { place.side / 2 } else { place.side };
    let blocks = Channels::one(place.channels).blocks();
    let pairs = cell.genes.as_chunks().0.iter().enumerate();
    let nodes: Vec<_> =
        pairs.map(|(number, &genes)| Node { genes, first_gene: first_gene + 2 * number }).collect();
    CellProgram {
        live: cell.is_live(),
        preprocess: cell.preprocess,
        input: MapShape::one(blocks, place.side),
        output: MapShape { nodes: nodes.len(), blocks, side: side_out },
        nodes,
    }
}

fn head(plan: &Plan, weights: &FlatWeights, features: Channels) -> Option<Head> {
    let (planned, places) = (plan.modules.get(plan.classifier)?, weights.places().get(plan.classifier)?);
    match (planned.module.layers().last()?, &places[..]) {
        (&Layer::Linear { classes, .. }, &[Place::Parameter(weight), Place::Parameter(bias)]) => {
            Some(Head { features, classes, weight, bias })
        }
        _ => None,
    }
}

/// The stages of a module that reads `input` at this side; `None` if it is not made of stages.
fn compile(module: &Module, places: &[Place], input: &Channels, side: usize) -> Option<Vec<Stage>> {
    let mut places = places.iter().copied();
    let mut stages = Vec::new();
    let (mut input, mut side) = (input.clone(), side);
    let mut layers = module.layers().filter(|layer| **layer != Layer::Relu).peekable();
    while layers.peek().is_some() {
        let (front, packing) = front(&mut layers, &mut places, &input)?;
        let norm = norm(*layers.next()?, &mut places)?;
        let side_out = match front {
            Front::Rectified | Front::Patches => side,
            Front::Depthwise(taps) => taps.output_side(side),
            Front::OffsetPair => side / 2,
        };
        let output = Channels::one(norm.channels);
        stages.push(Stage {
            front,
            input: MapShape { nodes: input.nodes.len(), blocks: input.blocks_per_node(), side },
            reads: input.nodes.clone(),
            output: MapShape::one(output.blocks(), side_out),
            packing,
            norm,
        });
        (input, side) = (output, side_out);
    }
    Some(stages)
}

/// Everything of a stage before batch norm. The layers' tensors lie at these places, one after the other.
fn front<'a>(
    layers: &mut impl Iterator<Item = &'a Layer>,
    places: &mut impl Iterator<Item = Place>,
    input: &Channels,
) -> Option<(Front, Packing)> {
    let mut next = || places.next()?.parameter();
    let all_rows = |flat| [MatrixPart { flat, first_block: 0 }];
    match *layers.next()? {
        Layer::OffsetPair { channels_out, .. } => {
            let even = MatrixPart { flat: next()?, first_block: 0 };
            let odd = MatrixPart { flat: next()?, first_block: input.blocks() };
            Some((Front::OffsetPair, Packing::new(&[even, odd], channels_out, input, 2 * input.blocks())))
        }
        Layer::Convolution(c) if c.kernel == [1, 1] && c.groups == 1 && c.stride == [1, 1] => {
            let packing = Packing::new(&all_rows(next()?), c.channels_out, input, input.blocks());
            Some((Front::Rectified, packing))
        }
        Layer::Convolution(c)
            if c.kernel == [3, 3] && c.channels_in == 3 && c.groups == 1 && c.stride == [1, 1] =>
        {
            let columns = &Channels::one(27);
            let packing = Packing::new(&all_rows(next()?), c.channels_out, columns, columns.blocks());
            Some((Front::Patches, packing))
        }
        Layer::Convolution(c)
            if c.groups == c.channels_in && matches!(c.kernel, [3, 3] | [5, 5] | [7, 7]) =>
        {
            let taps = Taps { kernel: c.kernel[0], stride: c.stride[0], dilation: c.dilation };
            let kernels = next()?;
            let Layer::Convolution(pointwise) = *layers.next()? else { return None };
            let packing = Packing::new(&all_rows(next()?), pointwise.channels_out, input, input.blocks());
            Some((Front::Depthwise(taps), packing.with_depthwise(kernels, c.channels_in, taps)))
        }
        _ => None,
    }
}

/// The batch norm that ends a stage; `None` if the layer is another. Its tensors lie at these places.
fn norm(layer: Layer, places: &mut impl Iterator<Item = Place>) -> Option<Norm> {
    let Layer::BatchNorm { channels, affine } = layer else { return None };
    let affine = match affine {
        true => Some(AffinePlaces { scale: places.next()?.parameter()?, shift: places.next()?.parameter()? }),
        false => None,
    };
    let (mean, variance) = (places.next()?.statistic()?, places.next()?.statistic()?);
    Some(Norm { channels, affine, mean, variance })
}
