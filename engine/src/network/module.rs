//! Modules with weights, as lists of layers: the trainable parts of a network, described without tensors.

use relativenas_core::operation::Operation;

/// A two-dimensional convolution without bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    pub channels_in: usize,
    pub channels_out: usize,
    /// Rows and columns, like all pairs below.
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub padding: [usize; 2],
    pub dilation: usize,
    pub groups: usize,
}

impl Convolution {
    fn square(channels_in: usize, channels_out: usize, kernel: usize, stride: usize) -> Self {
        Self {
            channels_in,
            channels_out,
            kernel: [kernel; 2],
            stride: [stride; 2],
            padding: [kernel / 2; 2],
            dilation: 1,
            groups: 1,
        }
    }

    fn pointwise(channels_in: usize, channels_out: usize) -> Self {
        Self::square(channels_in, channels_out, 1, 1)
    }

    /// A convolution with one filter for each channel, padded so that stride 1 keeps the resolution.
    fn depthwise(channels: usize, kernel: usize, stride: usize, dilation: usize) -> Self {
        Self {
            padding: [(kernel / 2) * dilation; 2],
            dilation,
            groups: channels,
            ..Self::square(channels, channels, kernel, stride)
        }
    }
}

/// One step of a [`Module`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    Relu,
    Convolution(Convolution),
    /// Two pointwise convolutions with stride 2, the second shifted by one pixel, whose outputs are
    /// concatenated: the published code's `FactorizedReduce`, without its ReLU and batch norm.
    OffsetPair {
        channels_in: usize,
        channels_out: usize,
    },
    BatchNorm {
        channels: usize,
        /// Whether the batch norm has a factor and an offset, which are trained.
        affine: bool,
    },
    /// An average over windows, without padding.
    AveragePool {
        kernel: usize,
        stride: usize,
    },
    /// The mean over all pixels: `[N, C, H, W]` becomes `[N, C]`.
    GlobalAverage,
    Linear {
        features: usize,
        classes: usize,
    },
}

/// The purpose of a tensor, which decides its initial values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TensorRole {
    /// The weight of a convolution or linear layer: uniform in ±1/√fan_in.
    Weight {
        fan_in: usize,
    },
    /// The bias of a linear layer: uniform in ±1/√fan_in.
    Bias {
        fan_in: usize,
    },
    /// The factor of batch norm: 1.
    Scale,
    /// The offset of batch norm: 0.
    Shift,
    RunningMean,
    RunningVariance,
}

impl TensorRole {
    /// Whether the tensor is trained; the others are statistics.
    pub fn is_parameter(self) -> bool {
        !matches!(self, Self::RunningMean | Self::RunningVariance)
    }
}

/// Name, shape and purpose of one tensor of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// The name within the module, such as `op.7.running_var`.
    pub name: String,
    pub shape: Vec<i64>,
    pub role: TensorRole,
}

impl TensorSpec {
    pub fn numel(&self) -> usize {
        self.shape.iter().product::<i64>() as usize
    }
}

/// A sequence of named layers that is inherited, written and stored as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// The layers under their names in the published state dict, such as `op.1`.
    layers: Vec<(String, Layer)>,
}

impl Module {
    fn numbered(prefix: &str, layers: impl IntoIterator<Item = Layer>) -> Self {
        let layers = layers.into_iter().enumerate().map(|(i, layer)| (format!("{prefix}{i}"), layer));
        Self { layers: layers.collect() }
    }

    /// The CIFAR stem: `[N, 3, 32, 32]` to `[N, channels, 32, 32]`.
    pub fn cifar_stem(channels: usize) -> Self {
        let convolution = Convolution::square(3, channels, 3, 1);
        Self::numbered("", [Layer::Convolution(convolution), norm(channels)])
    }

    /// The first ImageNet stem, which divides the resolution by four.
    pub fn imagenet_stem0(channels: usize) -> Self {
        let half = channels / 2;
        Self::numbered(
            "",
            [
                Layer::Convolution(Convolution::square(3, half, 3, 2)),
                norm(half),
                Layer::Relu,
                Layer::Convolution(Convolution::square(half, channels, 3, 2)),
                norm(channels),
            ],
        )
    }

    /// The second ImageNet stem, which halves the resolution of the first.
    pub fn imagenet_stem1(channels: usize) -> Self {
        let convolution = Convolution::square(channels, channels, 3, 2);
        Self::numbered("", [Layer::Relu, Layer::Convolution(convolution), norm(channels)])
    }

    /// Converts the input of a cell to the channels of the cell; `halve` where the resolution of the input is
    /// twice that of the cell.
    pub fn preprocess(channels_in: usize, channels: usize, halve: bool) -> Self {
        if halve {
            return Self::factorized_reduction(channels_in, channels);
        }
        let convolution = Convolution::pointwise(channels_in, channels);
        Self::numbered("op.", [Layer::Relu, Layer::Convolution(convolution), norm(channels)])
    }

    fn factorized_reduction(channels_in: usize, channels_out: usize) -> Self {
        Self {
            layers: vec![
                (String::new(), Layer::Relu),
                (String::new(), Layer::OffsetPair { channels_in, channels_out }),
                ("bn".to_owned(), norm(channels_out)),
            ],
        }
    }

    /// The module of an operation; `None` if the operation has no weights with this stride.
    pub fn operation(operation: Operation, channels: usize, stride: usize) -> Option<Self> {
        let module = match operation {
            Operation::MaxPool3x3 | Operation::AvgPool3x3 | Operation::None => return None,
            Operation::SkipConnect if stride == 1 => return None,
            Operation::SkipConnect => Self::factorized_reduction(channels, channels),
            Operation::SepConv3x3 => Self::separable(channels, 3, stride),
            Operation::SepConv5x5 => Self::separable(channels, 5, stride),
            Operation::SepConv7x7 => Self::separable(channels, 7, stride),
            Operation::DilConv3x3 => Self::numbered("op.", Self::separated(channels, 3, stride, 2)),
            Operation::DilConv5x5 => Self::numbered("op.", Self::separated(channels, 5, stride, 2)),
            Operation::Conv7x1Then1x7 => Self::seven_by_one(channels, stride),
        };
        Some(module)
    }

    fn separated(channels: usize, kernel: usize, stride: usize, dilation: usize) -> [Layer; 4] {
        [
            Layer::Relu,
            Layer::Convolution(Convolution::depthwise(channels, kernel, stride, dilation)),
            Layer::Convolution(Convolution::pointwise(channels, channels)),
            norm(channels),
        ]
    }

    fn separable(channels: usize, kernel: usize, stride: usize) -> Self {
        let first = Self::separated(channels, kernel, stride, 1);
        let second = Self::separated(channels, kernel, 1, 1);
        Self::numbered("op.", first.into_iter().chain(second))
    }

    fn seven_by_one(channels: usize, stride: usize) -> Self {
        let square = Convolution::square(channels, channels, 1, 1);
        let row = Convolution { kernel: [1, 7], stride: [1, stride], padding: [0, 3], ..square };
        let column = Convolution { kernel: [7, 1], stride: [stride, 1], padding: [3, 0], ..square };
        // This one is published as a bare sequence, unlike every other operation.
        Self::numbered("", [Layer::Relu, Layer::Convolution(row), Layer::Convolution(column), norm(channels)])
    }

    /// The mean over the pixels, then one linear layer.
    pub fn classifier(features: usize, classes: usize) -> Self {
        Self {
            layers: vec![
                (String::new(), Layer::GlobalAverage),
                (String::new(), Layer::Linear { features, classes }),
            ],
        }
    }

    /// The auxiliary head, which is used in training only. The ImageNet one has a smaller pooling stride, and
    /// lacks the last batch norm, as published.
    pub fn auxiliary_head(channels_in: usize, classes: usize, imagenet: bool) -> Self {
        let wide = Convolution { padding: [0, 0], ..Convolution::square(128, 768, 2, 1) };
        let mut module = Self::numbered(
            "features.",
            [
                Layer::Relu,
                Layer::AveragePool { kernel: 5, stride: if imagenet { 2 } else { 3 } },
                Layer::Convolution(Convolution::pointwise(channels_in, 128)),
                norm(128),
                Layer::Relu,
                Layer::Convolution(wide),
            ],
        );
        if !imagenet {
            module.layers.push(("features.6".to_owned(), norm(768)));
        }
        module.layers.push((String::new(), Layer::Relu));
        module.layers.push((String::new(), Layer::GlobalAverage));
        module.layers.push(("classifier".to_owned(), Layer::Linear { features: 768, classes }));
        module
    }

    /// The same module with batch norms that have no factor and offset.
    pub fn without_affine(mut self) -> Self {
        for (_, layer) in &mut self.layers {
            if let Layer::BatchNorm { affine, .. } = layer {
                *affine = false;
            }
        }
        self
    }

    pub fn layers(&self) -> impl ExactSizeIterator<Item = &Layer> {
        self.layers.iter().map(|(_, layer)| layer)
    }

    /// Whether the module applies a ReLU to its input, which a cell computes once for all readers.
    pub fn rectifies_input(&self) -> bool {
        matches!(self.layers.first(), Some((_, Layer::Relu)))
    }

    /// The tensors in the order in which the layers use them.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        self.layers.iter().flat_map(|(name, layer)| layer.tensors(name)).collect()
    }
}

/// Batch norm with a factor and an offset, which networks have unless the settings say otherwise.
fn norm(channels: usize) -> Layer {
    Layer::BatchNorm { channels, affine: true }
}

impl Layer {
    fn tensors(&self, name: &str) -> Vec<TensorSpec> {
        let tensor = |part: &str, shape: &[usize], role| TensorSpec {
            name: if name.is_empty() { part.to_owned() } else { format!("{name}.{part}") },
            shape: shape.iter().map(|&n| n as i64).collect(),
            role,
        };
        match *self {
            Self::Relu | Self::AveragePool { .. } | Self::GlobalAverage => Vec::new(),
            Self::Convolution(c) => {
                let depth = c.channels_in / c.groups;
                let fan_in = depth * c.kernel[0] * c.kernel[1];
                let shape = [c.channels_out, depth, c.kernel[0], c.kernel[1]];
                vec![tensor("weight", &shape, TensorRole::Weight { fan_in })]
            }
            Self::OffsetPair { channels_in, channels_out } => {
                let shape = [channels_out / 2, channels_in, 1, 1];
                let role = TensorRole::Weight { fan_in: channels_in };
                vec![tensor("conv_1.weight", &shape, role), tensor("conv_2.weight", &shape, role)]
            }
            Self::BatchNorm { channels, affine } => {
                let parameters = [("weight", TensorRole::Scale), ("bias", TensorRole::Shift)];
                let statistics =
                    [("running_mean", TensorRole::RunningMean), ("running_var", TensorRole::RunningVariance)];
                let parameters = parameters.into_iter().filter(|_| affine);
                parameters.chain(statistics).map(|(part, role)| tensor(part, &[channels], role)).collect()
            }
            Self::Linear { features, classes } => vec![
                tensor("weight", &[classes, features], TensorRole::Weight { fan_in: features }),
                tensor("bias", &[classes], TensorRole::Bias { fan_in: features }),
            ],
        }
    }
}
