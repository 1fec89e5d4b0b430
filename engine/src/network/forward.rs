//! The forward pass: from images to logits.

use std::{cell::OnceCell, slice};

use relativenas_core::config::Precision;
use tch::{Device, Kind, TchError, Tensor, no_grad};

use super::{
    module::{Convolution, Layer, Module},
    plan::{Applied, CellPlan, Plan, PlannedOperation},
};

/// The share of the batch in the running statistics: PyTorch's default, which the published code uses.
pub const BATCH_NORM_MOMENTUM: f64 = 0.1;
/// The number that is added to variances: PyTorch's default, which the published code uses.
pub const BATCH_NORM_EPSILON: f64 = 1e-5;

/// Which statistics batch norm normalises with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardMode {
    /// Statistics of the batch; the running statistics are updated. The auxiliary head is computed.
    Training,
    /// Statistics of the batch, which replace the running ones.
    Observation,
    /// The running statistics.
    Evaluation,
}

/// Class scores that are not yet normalised, `[N, classes] f32`.
#[derive(Debug)]
pub struct Logits {
    pub main: Tensor,
    /// The scores of the auxiliary head, if the plan has one and the mode is training.
    pub auxiliary: Option<Tensor>,
}

/// One pass of a batch through a network.
#[derive(Clone, Copy, Debug)]
pub struct Pass<'a> {
    pub plan: &'a Plan,
    /// The tensors by module, in the order of [`Module::tensors`]. Training updates the running statistics
    /// among them in place.
    pub modules: &'a [Vec<Tensor>],
    pub mode: ForwardMode,
    /// What the output of every gene is multiplied by, image by image, `[genes, N] f32`: 0 where a path is
    /// dropped, 1/(1 − p) where it is kept. Identities are never dropped.
    pub drop_path: Option<&'a Tensor>,
    /// With [`Precision::Bf16`], feature maps are bfloat16, and so are convolutions, whose weights are
    /// rounded when they are read. Weights and gradients, batch norm's moments, parameters and statistics,
    /// the mean over all pixels and what follows it stay f32.
    pub precision: Precision,
}

/// A feature map, and its ReLU, which all readers that need it share.
struct Feature {
    raw: Tensor,
    rectified: OnceCell<Tensor>,
}

impl Feature {
    fn new(raw: Tensor) -> Self {
        Self { raw, rectified: OnceCell::new() }
    }

    fn rectified(&self) -> Result<Tensor, TchError> {
        if let Some(rectified) = self.rectified.get() {
            return Ok(rectified.shallow_clone());
        }
        let rectified = self.raw.f_relu()?;
        Ok(self.rectified.get_or_init(|| rectified).shallow_clone())
    }
}

impl<'a> Pass<'a> {
    /// A pass that evaluates a network with its running statistics.
    pub fn evaluation(plan: &'a Plan, modules: &'a [Vec<Tensor>], precision: Precision) -> Self {
        Self { plan, modules, mode: ForwardMode::Evaluation, drop_path: None, precision }
    }
}

impl Pass<'_> {
    /// Logits of images `[N, 3, H, W] f32`, which are processed fastest channels last in memory.
    ///
    /// # Errors
    /// If the shapes do not fit, or the device fails.
    pub fn run(&self, images: &Tensor) -> Result<Logits, TchError> {
        match self.precision {
            Precision::F32 => self.compute(images),
            Precision::Bf16 => {
                let masks = self.drop_path.map(|masks| masks.f_to_kind(Kind::BFloat16)).transpose()?;
                let pass = Pass { drop_path: masks.as_ref(), ..*self };
                pass.compute(&images.f_to_kind(Kind::BFloat16)?)
            }
        }
    }

    fn compute(&self, images: &Tensor) -> Result<Logits, TchError> {
        let features = self.cells(images)?;
        let auxiliary = self.plan.auxiliary.map(|(cell, _)| &features[cell + 2]);
        self.classify(&features[features.len() - 1], auxiliary)
    }

    /// The outputs of some cells of a backbone for images `[N, 3, H, W] f32`.
    ///
    /// # Errors
    /// If the shapes do not fit, or the device fails.
    pub fn maps(&self, images: &Tensor, cells: &[usize]) -> Result<Vec<Tensor>, TchError> {
        let features = self.cells(images)?;
        Ok(cells.iter().map(|&cell| features[cell + 2].raw.shallow_clone()).collect())
    }

    /// The inputs of the first cell, and the outputs of all cells.
    fn cells(&self, images: &Tensor) -> Result<Vec<Feature>, TchError> {
        let mut features = Vec::with_capacity(self.plan.cells.len() + 2);
        let mut input = Feature::new(images.shallow_clone());
        for &stem in &self.plan.stems {
            input = Feature::new(self.module(stem, &input)?);
            features.push(Feature::new(input.raw.shallow_clone()));
        }
        if features.len() == 1 {
            // Both inputs of the first cell are the output of the one stem.
            features.push(input);
        }
        let mut first_gene = 0;
        for (index, cell) in self.plan.cells.iter().enumerate() {
            let output = if cell.is_live() {
                self.cell(cell, [&features[index], &features[index + 1]], first_gene)?
            } else {
                Tensor::new()
            };
            features.push(Feature::new(output));
            first_gene += cell.genes.len();
        }
        Ok(features)
    }

    /// Logits from the output of the last cell, and of the cell that the auxiliary head reads.
    ///
    /// # Errors
    /// If the shapes do not fit, or the device fails.
    pub fn heads(&self, last: &Tensor, auxiliary: Option<&Tensor>) -> Result<Logits, TchError> {
        let feature = |map: &Tensor| Feature::new(map.shallow_clone());
        self.classify(&feature(last), auxiliary.map(feature).as_ref())
    }

    fn classify(&self, last: &Feature, auxiliary: Option<&Feature>) -> Result<Logits, TchError> {
        let head = self.plan.auxiliary.filter(|_| self.mode == ForwardMode::Training);
        let auxiliary = head.zip(auxiliary).map(|((_, head), map)| self.module(head, map)).transpose()?;
        Ok(Logits { main: self.module(self.plan.classifier, last)?, auxiliary })
    }

    fn cell(&self, cell: &CellPlan, before: [&Feature; 2], first_gene: usize) -> Result<Tensor, TchError> {
        let mut features = Vec::with_capacity(2 + cell.genes.len() / 2);
        for (module, before) in cell.preprocess.iter().zip(before) {
            let raw = module.map_or_else(|| Ok(Tensor::new()), |m| self.module(m, before))?;
            features.push(Feature::new(raw));
        }
        for (&module, before) in cell.idle.iter().zip(before) {
            if let Some(module) =
                module.filter(|_| self.mode == ForwardMode::Training && before.raw.defined())
            {
                // The module runs only to update its statistics: what it computes has no gradient, so its
                // ReLU is not shared.
                let _ = no_grad(|| self.module(module, &Feature::new(before.raw.shallow_clone())))?;
            }
        }
        for (node, pair) in cell.genes.chunks(2).enumerate() {
            let raw = if cell.live_nodes[node] {
                let left = self.gene(pair[0], &features, first_gene + 2 * node)?;
                let right = self.gene(pair[1], &features, first_gene + 2 * node + 1)?;
                left.f_add(&right)?
            } else {
                Tensor::new()
            };
            features.push(Feature::new(raw));
        }
        let outputs: Vec<_> = cell.concat.iter().map(|&i| &features[i].raw).collect();
        Tensor::f_cat(&outputs, 1)
    }

    fn gene(&self, gene: Applied, features: &[Feature], number: usize) -> Result<Tensor, TchError> {
        let input = &features[gene.input];
        let output = match gene.step {
            PlannedOperation::Identity => return Ok(input.raw.shallow_clone()),
            PlannedOperation::MaxPool { stride } => {
                input.raw.f_max_pool2d([3, 3], [stride as i64; 2], [1, 1], [1, 1], false)?
            }
            PlannedOperation::AveragePool { stride } => {
                input.raw.f_avg_pool2d([3, 3], [stride as i64; 2], [1, 1], false, false, None)?
            }
            PlannedOperation::Zero { stride } => {
                let stride = stride as i64;
                let kept = input.raw.f_slice(2, None, None, stride)?.f_slice(3, None, None, stride)?;
                kept.f_zeros_like()?
            }
            PlannedOperation::Module(module) => self.module(module, input)?,
        };
        match self.drop_path {
            Some(masks) => output.f_mul(&masks.f_select(0, number as i64)?.f_view([-1, 1, 1, 1])?),
            None => Ok(output),
        }
    }

    fn module(&self, index: usize, input: &Feature) -> Result<Tensor, TchError> {
        let module = &self.plan.modules[index].module;
        let mut tensors = self.modules[index].iter();
        if module.rectifies_input() {
            self.layers(module, 1, input.rectified()?, &mut tensors)
        } else {
            self.layers(module, 0, input.raw.shallow_clone(), &mut tensors)
        }
    }

    fn layers(
        &self,
        module: &Module,
        skipped: usize,
        mut value: Tensor,
        tensors: &mut slice::Iter<'_, Tensor>,
    ) -> Result<Tensor, TchError> {
        for layer in module.layers().skip(skipped) {
            value = self.layer(layer, &value, tensors)?;
        }
        Ok(value)
    }

    fn layer(
        &self,
        layer: &Layer,
        value: &Tensor,
        tensors: &mut slice::Iter<'_, Tensor>,
    ) -> Result<Tensor, TchError> {
        let mut next = || tensors.next().ok_or_else(|| TchError::Shape("a tensor is missing".to_owned()));
        match *layer {
            Layer::Relu => value.f_relu(),
            Layer::Convolution(convolution) => convolve(value, next()?, convolution),
            Layer::OffsetPair { .. } => offset_pair(value, next()?, next()?),
            Layer::BatchNorm { affine, .. } => {
                let (scale, shift) = if affine { (Some(next()?), Some(next()?)) } else { (None, None) };
                let (mean, variance) = (next()?, next()?);
                value.f_batch_norm(
                    scale,
                    shift,
                    Some(mean),
                    Some(variance),
                    self.mode != ForwardMode::Evaluation,
                    if self.mode == ForwardMode::Observation { 1.0 } else { BATCH_NORM_MOMENTUM },
                    BATCH_NORM_EPSILON,
                    true,
                )
            }
            Layer::AveragePool { kernel, stride } => {
                value.f_avg_pool2d([kernel as i64; 2], [stride as i64; 2], [0, 0], false, false, None)
            }
            Layer::GlobalAverage => {
                let wider = (value.kind() == Kind::BFloat16).then_some(Kind::Float);
                value.f_mean_dim([2_i64, 3].as_slice(), false, wider)
            }
            Layer::Linear { .. } => value.f_linear(next()?, Some(next()?)),
        }
    }
}

fn convolve(value: &Tensor, weight: &Tensor, c: Convolution) -> Result<Tensor, TchError> {
    let pair = |numbers: [usize; 2]| numbers.map(|n| n as i64);
    let dilation = [c.dilation as i64; 2];
    let weight = weight.f_to_kind(value.kind())?;
    let convolved = |value: &Tensor, weight: &Tensor| {
        value.f_conv2d(weight, None::<&Tensor>, pair(c.stride), pair(c.padding), dilation, c.groups as i64)
    };
    if loses_its_gradient(value, c) {
        let wide = convolved(&value.f_to_kind(Kind::Float)?, &weight.f_to_kind(Kind::Float)?)?;
        return wide.f_to_kind(value.kind());
    }
    convolved(value, &weight)
}

/// Whether the gradient of the weights would be wrong: for dilated depthwise convolutions in bfloat16 on a
/// CPU, libtorch 2.13 computes it from memory that was never written (oneDNN). Such a convolution has rounded
/// operands and a rounded result, but is computed in f32.
fn loses_its_gradient(value: &Tensor, c: Convolution) -> bool {
    c.dilation > 1 && c.groups > 1 && value.kind() == Kind::BFloat16 && value.device() == Device::Cpu
}

/// Computes [`Layer::OffsetPair`].
fn offset_pair(value: &Tensor, even: &Tensor, odd: &Tensor) -> Result<Tensor, TchError> {
    let even = pointwise(&every_other_pixel(value, 0)?, even)?;
    let odd = pointwise(&every_other_pixel(value, 1)?, odd)?;
    Tensor::f_cat(&[even, odd], 1)
}

/// The pixels in the rows and columns `offset`, `offset + 2`, …
///
/// A pointwise convolution with stride 2 would do it in one step, but its gradient writes outside of its
/// memory where fewer than 16 channels lie last (oneDNN up to 3.12, issue 6035).
fn every_other_pixel(value: &Tensor, offset: i64) -> Result<Tensor, TchError> {
    value.f_slice(2, offset, None, 2)?.f_slice(3, offset, None, 2)
}

fn pointwise(value: &Tensor, weight: &Tensor) -> Result<Tensor, TchError> {
    value.f_conv2d(&weight.f_to_kind(value.kind())?, None::<&Tensor>, [1, 1], [0, 0], [1, 1], 1)
}

#[cfg(test)]
mod tests {
    use relativenas_core::{
        genotype::{Cell, Gene, Genotype},
        network::{NetworkKind, NetworkShape},
        operation::Operation,
    };

    use super::*;
    use crate::device::channels_last;

    /// In channels last, the backward pass of a pointwise convolution of stride 2 ends the process or gives
    /// wrong gradients for 4, 8 or 12 channels of 80 × 80 pixels.
    #[test]
    fn halving_few_channels_in_channels_last_has_the_right_gradient() {
        for channels in [4, 8, 12] {
            let options = (Kind::Float, Device::Cpu);
            let values = Tensor::f_randn([4, channels, 80, 80], options).unwrap();
            let weights = [0, 1].map(|_| Tensor::f_randn([channels / 2, channels, 1, 1], options).unwrap());
            let gradients = |values: &Tensor| {
                let leaves = [values.detach(), weights[0].detach(), weights[1].detach()]
                    .map(|leaf| leaf.set_requires_grad(true));
                let loss = offset_pair(&leaves[0], &leaves[1], &leaves[2]).unwrap();
                Tensor::run_backward(&[loss.square().sum(Kind::Float)], &leaves, false, false)
            };
            let expected = gradients(&values);
            for _ in 0..20 {
                let found = gradients(&channels_last(&values).unwrap());
                for (found, expected) in found.iter().zip(&expected) {
                    let error = (found - expected).norm().double_value(&[]);
                    let scale = expected.norm().double_value(&[]);
                    assert!(error <= 1e-4 * scale, "{channels} channels: {error} of {scale}");
                }
            }
        }
    }

    #[test]
    fn no_network_has_a_pointwise_convolution_of_stride_two() {
        for operation in [Operation::SkipConnect, Operation::SepConv3x3, Operation::Conv7x1Then1x7] {
            let cell = Cell { genes: vec![Gene { operation, input: 0 }; 8], concat: vec![2, 3, 4, 5] };
            let genotype = Genotype { normal: cell.clone(), reduction: cell };
            for kind in [NetworkKind::Cifar, NetworkKind::Imagenet] {
                let shape = NetworkShape { kind, channels: 4, cells: 6, classes: 10 };
                for plan in [Plan::search(&genotype, &shape), Plan::full(&genotype, &shape, true)] {
                    for layer in plan.modules.iter().flat_map(|planned| planned.module.layers()) {
                        let strided = matches!(layer, Layer::Convolution(c) if c.kernel == [1, 1] && c.stride != [1, 1]);
                        assert!(!strided, "{layer:?} corrupts memory: see every_other_pixel");
                    }
                }
            }
        }
    }
}
