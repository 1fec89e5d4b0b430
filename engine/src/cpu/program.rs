//! A plan as stages, with the places of all weights in flat memory.

use relativenas_core::operation::CellKind;

use super::{
    norm::Norm,
    packing::{Channels, Packing},
    shape::MapShape,
    stage::{Front, Stage},
    window::Taps,
};
use crate::network::{Applied, CellPlan, FlatWeights, Layer, Module, Place, Plan, Step};

/// What [`super::CpuModel`] computes, for one image.
#[derive(Clone, Debug)]
pub struct Program {
    /// One or two stages a module, by index of [`Plan::modules`]; none for unused ones and the head.
    pub modules: Vec<Vec<Stage>>,
    pub stem: usize,
    pub cells: Vec<CellProgram>,
    /// Channels of the stem's output and of every cell's.
    pub features: Vec<Channels>,
    pub head: Head,
    pub image_side: usize,
}

/// A cell whose output is its nodes, one after the other.
#[derive(Clone, Debug)]
pub struct CellProgram {
    /// Nothing of it is computed if nobody reads it.
    pub live: bool,
    pub preprocess: [Option<usize>; 2],
    pub nodes: Vec<[Applied; 2]>,
    /// Of an input after preprocessing.
    pub input: MapShape,
    /// Of a node.
    pub node: MapShape,
}

impl CellProgram {
    /// What a gene reads that names this input.
    pub fn gene_input(&self, input: usize) -> MapShape {
        if input < 2 { self.input } else { self.node }
    }

    /// Length of one image of the cell's output: all nodes, one after the other.
    pub fn length(&self) -> usize {
        self.nodes.len() * self.node.length()
    }
}

/// The classifier after the mean over pixels.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    pub features: Channels,
    /// Pixels of the last cell's planes.
    pub pixels: usize,
    pub classes: usize,
    /// `[classes, features]`, among the parameters.
    pub weight: usize,
    /// Among the parameters.
    pub bias: usize,
}

impl Program {
    /// `None` if the plan has something that only libtorch computes. An auxiliary head is left out.
    pub fn new(plan: &Plan, weights: &FlatWeights, image_side: usize) -> Option<Self> {
        let [stem] = plan.stems[..] else { return None };
        if !plan.cells.iter().all(is_searched) {
            return None;
        }
        let compile = |module: usize, input, side| {
            compile(&plan.modules[module].module, &weights.places()[module], input, side)
        };
        let mut modules = vec![Vec::new(); plan.modules.len()];
        modules[stem] = compile(stem, Channels::one(3), image_side)?;
        let mut features = vec![Channels::one(modules[stem].last()?.norm.channels)];
        let mut cells = Vec::new();
        for (index, cell) in plan.cells.iter().enumerate() {
            let place = cell.place;
            let program = cell_program(cell);
            let sources = [features[index.saturating_sub(1)], features[index]];
            let sides = [place.side * if place.after_reduction { 2 } else { 1 }, place.side];
            for (module, (source, side)) in cell.preprocess.iter().zip(sources.into_iter().zip(sides)) {
                if let Some(module) = *module {
                    modules[module] = compile(module, source, side)?;
                }
            }
            if program.live {
                for gene in &cell.genes {
                    if let Step::Module(module) = gene.step {
                        let side = program.gene_input(gene.input).side;
                        modules[module] = compile(module, Channels::one(place.channels), side)?;
                    }
                }
            }
            features.push(Channels { segments: cell.genes.len() / 2, per_segment: place.channels });
            cells.push(program);
        }
        let side = cells.last().map_or(image_side, |c| c.node.side);
        let head = head(plan, weights, *features.last()?, side * side)?;
        Some(Self { modules, stem, cells, features, head, image_side })
    }

    /// Rows and columns of a feature, counted as in [`Program::features`].
    pub fn side(&self, feature: usize) -> usize {
        feature.checked_sub(1).map_or(self.image_side, |cell| self.cells[cell].node.side)
    }
}

/// Whether the cell is one that the search can find.
fn is_searched(cell: &CellPlan) -> bool {
    let halves = cell.place.kind == CellKind::Reduction || cell.place.after_reduction;
    cell.concat.iter().copied().eq(2..2 + cell.genes.len() / 2)
        && !cell.genes.iter().any(|g| matches!(g.step, Step::Zero { .. }))
        && (!halves || cell.place.side.is_multiple_of(2))
}

fn cell_program(cell: &CellPlan) -> CellProgram {
    let place = cell.place;
    let side_out = if place.kind == CellKind::Reduction { place.side / 2 } else { place.side };
    let blocks = Channels::one(place.channels).blocks();
    CellProgram {
        live: cell.is_live(),
        preprocess: cell.preprocess,
        nodes: cell.genes.as_chunks().0.to_vec(),
        input: MapShape { blocks, side: place.side },
        node: MapShape { blocks, side: side_out },
    }
}

fn head(plan: &Plan, weights: &FlatWeights, features: Channels, pixels: usize) -> Option<Head> {
    let places = &weights.places()[plan.classifier];
    match (plan.modules[plan.classifier].module.layers().last()?, &places[..]) {
        (&Layer::Linear { classes, .. }, &[Place::Parameter(weight), Place::Parameter(bias)]) => {
            Some(Head { features, pixels, classes, weight, bias })
        }
        _ => None,
    }
}

/// The stages of a module that reads `input` at this side; `None` if it is not made of stages.
fn compile(module: &Module, places: &[Place], input: Channels, side: usize) -> Option<Vec<Stage>> {
    let mut places = places.iter().map(|place| match *place {
        Place::Parameter(start) | Place::Statistic(start) => start,
    });
    let mut stages = Vec::new();
    let (mut input, mut side) = (input, side);
    let mut layers = module.layers().filter(|layer| **layer != Layer::Relu).peekable();
    while layers.peek().is_some() {
        let (front, packing) = front(&mut layers, &mut places, input)?;
        let Layer::BatchNorm { channels, affine } = *layers.next()? else { return None };
        let affine = if affine { Some((places.next()?, places.next()?)) } else { None };
        let norm = Norm { channels, affine, mean: places.next()?, variance: places.next()? };
        let side_out = match front {
            Front::Rectified | Front::Patches => side,
            Front::Depthwise(taps) => taps.output_side(side),
            Front::OffsetPair => side / 2,
        };
        stages.push(Stage {
            front,
            input: MapShape { blocks: input.blocks(), side },
            output: MapShape { blocks: Channels::one(channels).blocks(), side: side_out },
            packing,
            norm,
        });
        (input, side) = (Channels::one(channels), side_out);
    }
    Some(stages)
}

/// Everything of a stage before batch norm.
fn front<'a>(
    layers: &mut impl Iterator<Item = &'a Layer>,
    places: &mut impl Iterator<Item = usize>,
    input: Channels,
) -> Option<(Front, Packing)> {
    match *layers.next()? {
        Layer::OffsetPair { channels_out, .. } => {
            let moved = input.blocks() * super::simd::LANES;
            let parts = [(places.next()?, 0), (places.next()?, moved)];
            Some((Front::OffsetPair, Packing::new(&parts, channels_out, input, 2 * input.blocks())))
        }
        Layer::Convolution(c) if c.kernel == [1, 1] && c.groups == 1 && c.stride == [1, 1] => {
            let packing = Packing::new(&[(places.next()?, 0)], c.channels_out, input, input.blocks());
            Some((Front::Rectified, packing))
        }
        Layer::Convolution(c) if c.kernel == [3, 3] && c.channels_in == 3 && c.stride == [1, 1] => {
            let columns = Channels::one(27);
            let packing = Packing::new(&[(places.next()?, 0)], c.channels_out, columns, columns.blocks());
            Some((Front::Patches, packing))
        }
        Layer::Convolution(c) if c.groups == c.channels_in && matches!(c.kernel, [3, 3] | [5, 5]) => {
            let taps = Taps { kernel: c.kernel[0], stride: c.stride[0], dilation: c.dilation };
            let kernel = places.next()?;
            let Layer::Convolution(pointwise) = *layers.next()? else { return None };
            let matrix = places.next()?;
            let packing = Packing::new(&[(matrix, 0)], pointwise.channels_out, input, input.blocks());
            Some((Front::Depthwise(taps), packing.with_depthwise(kernel, c.channels_in, taps)))
        }
        _ => None,
    }
}
