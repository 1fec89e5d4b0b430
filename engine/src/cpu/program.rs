//! A plan compiled to stages that the kernels compute, with the places of all weights in flat memory.

use std::{collections::BTreeSet, iter::Peekable};

use relativenas_core::operation::CellKind;
use tch::Tensor;

use super::{
    dense::Window,
    node::Node,
    norm::{AffinePlaces, Norm},
    packing::{Channels, MatrixPart, Packed, Packing},
    shape::MapShape,
    stage::{Front, Stage},
    window::Taps,
};
use crate::network::{
    CellPlan, Convolution, FlatWeights, Layer, Module, ParameterPlace, Parameters, Place, Plan,
    PlannedOperation,
};

/// A network compiled for the kernels: everything that is computed for one image.
#[derive(Clone, Debug)]
pub struct Program {
    /// The stages of every module, by index of [`Plan::modules`]: one or two, none for unused modules and heads.
    pub modules: Vec<Vec<Stage>>,
    /// Modules in a chain, the first of which reads the pictures.
    pub stems: Vec<usize>,
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
    /// The shape of what a gene with this input reads.
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
    /// Where the weights of the linear layer lie, `[classes, features]`.
    pub weight: ParameterPlace,
    /// Where its biases lie, `[classes]`.
    pub bias: ParameterPlace,
}

impl Program {
    /// Compiles a plan for images of `image_side` rows and columns; `weights` tells where its tensors lie. An
    /// auxiliary head is left out. Returns `None` if the plan has something that only libtorch can compute.
    pub fn new(plan: &Plan, weights: &FlatWeights, image_side: usize) -> Option<Self> {
        if plan.stems.is_empty() || !plan.cells.iter().all(is_known) {
            return None;
        }
        let compile = |module: usize, reads: Reads<'_>, side| {
            compile(&plan.modules[module].module, &weights.places()[module], reads, side)
        };
        let mut modules = vec![Vec::new(); plan.modules.len()];
        let (mut channels, mut side) = (Vec::<Channels>::new(), image_side);
        for &stem in &plan.stems {
            let stages = compile(stem, channels.last().map_or(Reads::Picture, Reads::Feature), side)?;
            let last = stages.last()?;
            side = last.output.side;
            channels.push(Channels::one(last.norm?.channels));
            modules[stem] = stages;
        }
        if plan.cells.first()?.place.side != side {
            return None;
        }
        let (mut cells, mut first_gene) = (Vec::new(), 0);
        for (index, cell) in plan.cells.iter().enumerate() {
            let place = cell.place;
            let program = cell_program(cell, first_gene);
            first_gene += cell.genes.len();
            let sides = [place.side * if place.after_reduction { 2 } else { 1 }, place.side];
            let sources = sources(index, plan.stems.len()).into_iter().zip(sides);
            for (module, (source, side)) in cell.preprocess.iter().zip(sources) {
                if let Some(module) = *module {
                    modules[module] = compile(module, Reads::Feature(&channels[source]), side)?;
                }
            }
            if program.live {
                for gene in &cell.genes {
                    if let PlannedOperation::Module(module) = gene.step {
                        let side = program.gene_input(gene.input).side;
                        let channels = Channels::one(place.channels);
                        modules[module] = compile(module, Reads::Feature(&channels), side)?;
                    }
                }
            }
            let nodes = cell.concat.iter().map(|input| input - 2).collect();
            channels.push(Channels { nodes, per_node: place.channels });
            cells.push(program);
        }
        let head = head(plan, weights, channels.last()?.clone())?;
        let stems = plan.stems.clone();
        Some(Self { modules, stems, cells, channels, head, image_side })
    }

    /// How many features there are: the output of every stem and of every cell.
    pub fn features(&self) -> usize {
        self.channels.len()
    }

    /// The feature that the classifier reads: the output of the last cell.
    pub fn last_feature(&self) -> usize {
        self.channels.len() - 1
    }

    /// The number of the feature that is a cell's output.
    pub fn output(&self, cell: usize) -> usize {
        self.stems.len() + cell
    }

    /// The features that the two inputs of a cell are preprocessed from.
    pub fn sources(&self, cell: usize) -> [usize; 2] {
        sources(cell, self.stems.len())
    }

    /// The shape of a feature.
    pub fn feature_shape(&self, feature: usize) -> MapShape {
        match feature.checked_sub(self.stems.len()) {
            None => self.modules[self.stems[feature]].last().map_or_else(MapShape::default, |s| s.output),
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

    /// How many numbers a picture consists of, `[H, W, 3]`.
    pub fn picture_length(&self) -> usize {
        3 * self.image_side * self.image_side
    }
}

/// The features that the two inputs of a cell are preprocessed from, after so many stems.
fn sources(cell: usize, stems: usize) -> [usize; 2] {
    [(stems + cell).saturating_sub(2), stems + cell - 1]
}

/// Rows and columns of the pictures that a plan is made for; `None` without cells.
pub fn picture_side(plan: &Plan) -> Option<usize> {
    // A single stem keeps the side, two of them divide it by eight.
    let side = plan.cells.first()?.place.side;
    Some(if plan.stems.len() > 1 { 8 * side } else { side })
}

/// Whether the kernels can compute the cell: it concatenates nodes alone, each of them once; the output
/// depends on all of its nodes; no gene is `none`; and the side of a reduction cell is even.
fn is_known(cell: &CellPlan) -> bool {
    let halves = cell.place.kind == CellKind::Reduction;
    let nodes: BTreeSet<_> = cell.concat.iter().copied().filter(|&input| input >= 2).collect();
    nodes.len() == cell.concat.len()
        && (!cell.is_live() || cell.live_nodes.iter().all(|&live| live))
        && !cell.genes.iter().any(|g| matches!(g.step, PlannedOperation::Zero { .. }))
        && (!halves || cell.place.side.is_multiple_of(2))
}

/// Compiles a cell. `first_gene` is the number of its first gene, counted over the genes of all cells.
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

/// What a module reads.
#[derive(Clone, Copy)]
enum Reads<'a> {
    /// Pictures of three channels.
    Picture,
    /// A feature with these channels.
    Feature(&'a Channels),
}

/// The stages of a module whose input has this side; `None` if it is not made of stages.
fn compile(module: &Module, places: &[Place], reads: Reads<'_>, side: usize) -> Option<Vec<Stage>> {
    let mut places = places.iter().copied();
    let mut stages = Vec::new();
    let (mut picture, mut input) = match reads {
        Reads::Picture => (true, Channels::one(3)),
        Reads::Feature(channels) => (false, channels.clone()),
    };
    let mut side = side;
    let mut layers = module.layers().copied().peekable();
    while layers.peek().is_some() {
        let rectified = layers.next_if(|layer| *layer == Layer::Relu).is_some();
        let Beginning { front, packing, channels } = if picture {
            patches(&mut layers, &mut places)?
        } else {
            front(&mut layers, &mut places, &input, rectified)?
        };
        let through_norm = stages.last().is_some_and(|before: &Stage| before.norm.is_some());
        if through_norm && !(rectified && matches!(front, Front::Depthwise(_) | Front::Window(_))) {
            return None; // Nothing else reads through batch norm.
        }
        let norm = match layers.next_if(|layer| matches!(layer, Layer::BatchNorm { .. })) {
            Some(layer) => Some(norm(layer, &mut places)?),
            None => None,
        };
        let side_out = match front {
            Front::Rectified => side,
            Front::Depthwise(taps) => taps.output_side(side),
            Front::Window(window) => window.output_side(side),
            Front::Patches { stride } => (side - 1) / stride + 1,
            Front::OffsetPair => side / 2,
        };
        let output = Channels::one(channels);
        stages.push(Stage {
            front,
            input: MapShape { nodes: input.nodes.len(), blocks: input.blocks_per_node(), side },
            reads: input.nodes.clone(),
            output: MapShape::one(output.blocks(), side_out),
            packing,
            norm,
        });
        (picture, input, side) = (false, output, side_out);
    }
    // Two stages at most, because the gradient between them has one place.
    (stages.len() <= 2 && stages.last()?.norm.is_some()).then_some(stages)
}

/// Everything of a stage before batch norm.
struct Beginning {
    front: Front,
    packing: Packing,
    /// Channels that the stage puts out.
    channels: usize,
}

/// Rows of a matrix that all lie together.
fn all_rows(flat: ParameterPlace) -> [MatrixPart; 1] {
    [MatrixPart { flat, first_block: 0 }]
}

/// The beginning of a stage whose convolution reads pictures. The layers' tensors lie at these places, one
/// after the other.
fn patches(
    layers: &mut impl Iterator<Item = Layer>,
    places: &mut impl Iterator<Item = Place>,
) -> Option<Beginning> {
    let Layer::Convolution(c) = layers.next()? else { return None };
    let known = c.kernel == [3, 3] && c.channels_in == 3 && c.groups == 1 && c.stride[0] == c.stride[1];
    let columns = Channels::one(27);
    let rows = all_rows(places.next()?.parameter()?);
    known.then(|| Beginning {
        front: Front::Patches { stride: c.stride[0] },
        packing: Packing::new(&rows, c.channels_out, &columns.lanes_alone(), columns.blocks()),
        channels: c.channels_out,
    })
}

/// The beginning of a stage that reads a feature, through ReLU if it is `rectified`. The layers' tensors lie
/// at these places, one after the other.
fn front(
    layers: &mut Peekable<impl Iterator<Item = Layer>>,
    places: &mut impl Iterator<Item = Place>,
    input: &Channels,
    rectified: bool,
) -> Option<Beginning> {
    let mut next = || places.next()?.parameter();
    match layers.next()? {
        Layer::OffsetPair { channels_out, .. } if rectified => {
            let even = MatrixPart { flat: next()?, first_block: 0 };
            let odd = MatrixPart { flat: next()?, first_block: input.blocks() };
            let blocks = 2 * input.blocks();
            let packing = Packing::new(&[even, odd], channels_out, &input.lanes_alone(), blocks);
            Some(Beginning { front: Front::OffsetPair, packing, channels: channels_out })
        }
        Layer::Convolution(c) if c.kernel == [1, 1] && c.groups == 1 && c.stride == [1, 1] && rectified => {
            let lanes = input.lanes_alone();
            let packing = Packing::new(&all_rows(next()?), c.channels_out, &lanes, input.blocks());
            Some(Beginning { front: Front::Rectified, packing, channels: c.channels_out })
        }
        Layer::Convolution(c)
            if c.groups == c.channels_in && matches!(c.kernel, [3, 3] | [5, 5] | [7, 7]) && rectified =>
        {
            let taps = Taps { kernel: c.kernel[0], stride: c.stride[0], dilation: c.dilation };
            let kernels = next()?;
            let Layer::Convolution(pointwise) = layers.next()? else { return None };
            let lanes = input.lanes_alone();
            let packing = Packing::new(&all_rows(next()?), pointwise.channels_out, &lanes, input.blocks());
            let packing = packing.with_depthwise(kernels, c.channels_in, taps);
            Some(Beginning { front: Front::Depthwise(taps), packing, channels: pointwise.channels_out })
        }
        Layer::Convolution(c) if c.groups == 1 && c.dilation == 1 && input.nodes.len() == 1 => {
            let window = Window { kernel: c.kernel, stride: square_stride(c, layers.peek())?, rectified };
            let blocks = window.count() * input.blocks();
            let packing = Packing::new(&all_rows(next()?), c.channels_out, &window.lanes(input), blocks);
            Some(Beginning { front: Front::Window(window), packing, channels: c.channels_out })
        }
        _ => None,
    }
}

/// The stride of a convolution in rows and columns alike. The pair 1×7 and 7×1 halves columns first and then
/// rows; here the second convolution halves both. Half of the columns that the first computes are then not
/// used, which costs little.
fn square_stride(c: Convolution, next: Option<&Layer>) -> Option<usize> {
    let [rows, columns] = c.stride;
    match (c.kernel, next) {
        _ if rows == columns => Some(rows),
        ([1, _], Some(Layer::Convolution(second))) if second.stride == [columns, rows] && rows == 1 => {
            Some(1)
        }
        ([_, 1], _) if columns == 1 => Some(rows),
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
