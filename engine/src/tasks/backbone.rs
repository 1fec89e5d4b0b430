//! An ImageNet network without classifier, whose feature maps the head of a task reads.

use std::collections::BTreeMap;

use relativenas_core::{
    config::Precision,
    genotype::Genotype,
    network::{NetworkKind, NetworkShape, ShapeError},
    tasks::heads::{FEWEST_CELLS, taps},
};
use tch::{TchError, Tensor};

use crate::{
    network::{ForwardMode, Pass, Plan, TensorSpec},
    weights_file::{self, WeightsFileError},
};

/// A genotype as an ImageNet network, with feature maps at strides 8, 16 and 32.
#[derive(Clone, Debug)]
pub struct Backbone {
    plan: Plan,
    /// The cells whose outputs are these maps: the last before each reduction, and the last of all.
    pub taps: [usize; 3],
    /// The channels of the three maps.
    pub channels: [usize; 3],
}

impl Backbone {
    /// The ImageNet network of a genotype.
    ///
    /// # Errors
    /// If a network with this number of channels or cells cannot be built.
    pub fn new(genotype: &Genotype, channels: usize, cells: usize) -> Result<Self, ShapeError> {
        let shape = NetworkShape { kind: NetworkKind::Imagenet, channels, cells, classes: 1 };
        shape.check()?;
        if cells < FEWEST_CELLS {
            return Err(ShapeError::Cells(cells));
        }
        let taps = taps(cells);
        let places = shape.places(genotype);
        let channels = taps.map(|cell| places[cell].channels * genotype.cell(places[cell].kind).concat.len());
        Ok(Self { plan: Plan::backbone(genotype, &shape, &taps), taps, channels })
    }

    /// All tensors under their published names.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        let of_module = |planned: &crate::network::PlannedModule| {
            let name = planned.name.clone();
            let named = move |spec: TensorSpec| TensorSpec { name: format!("{name}.{}", spec.name), ..spec };
            planned.module.tensors().into_iter().map(named).collect::<Vec<_>>()
        };
        self.plan.modules.iter().flat_map(of_module).collect()
    }

    /// The tensors of the backbone from those of an ImageNet classifier, whose classifier and auxiliary head
    /// are left out.
    ///
    /// # Errors
    /// If tensors are missing, unexpected or of another shape; the error names all of them.
    pub fn of_classifier(
        &self,
        mut tensors: BTreeMap<String, Tensor>,
    ) -> Result<BTreeMap<String, Tensor>, WeightsFileError> {
        tensors.retain(|name, _| !name.starts_with("classifier.") && !name.starts_with("auxiliary_head."));
        let expected = self.tensors();
        weights_file::compare(
            &tensors,
            expected.iter().map(|spec| (spec.name.as_str(), spec.shape.clone())),
        )?;
        tensors.retain(|name, _| expected.iter().any(|spec| spec.name == *name));
        Ok(tensors)
    }

    /// The tensors of the plan's modules, found by name behind a prefix.
    pub(super) fn modules(
        &self,
        tensors: &BTreeMap<String, Tensor>,
        prefix: &str,
    ) -> Result<Vec<Vec<Tensor>>, TchError> {
        let find = |name: String| {
            let found = tensors.get(&name).map(Tensor::shallow_clone);
            found.ok_or_else(|| TchError::Shape(format!("`{name}` is missing")))
        };
        let of_module = |planned: &crate::network::PlannedModule| {
            let specs = planned.module.tensors().into_iter();
            specs.map(|spec| find(format!("{prefix}{}.{}", planned.name, spec.name))).collect()
        };
        self.plan.modules.iter().map(of_module).collect()
    }

    /// The names of the tensors in modules that no map depends on: published backbones contain some.
    pub fn unused(&self) -> Vec<String> {
        let used = self.plan.used_modules();
        let unused = self.plan.modules.iter().zip(used).filter(|(_, used)| !used);
        let names = unused.flat_map(|(planned, _)| {
            planned.module.tensors().into_iter().map(|spec| format!("{}.{}", planned.name, spec.name))
        });
        names.collect()
    }

    /// The three maps of images `[N, 3, H, W] f32`, whose sides are multiples of 32.
    ///
    /// # Errors
    /// If the shapes do not fit, or the device fails.
    pub(super) fn maps(
        &self,
        modules: &[Vec<Tensor>],
        images: &Tensor,
        mode: ForwardMode,
    ) -> Result<[Tensor; 3], TchError> {
        let (_, _, height, width) = images.size4()?;
        if height % 32 != 0 || width % 32 != 0 {
            let sides = format!("images of {width}×{height} pixels: sides have to be multiples of 32");
            return Err(TchError::Shape(sides));
        }
        let pass = Pass { plan: &self.plan, modules, mode, drop_path: None, precision: Precision::F32 };
        let maps = pass.maps(images, &self.taps)?;
        <[Tensor; 3]>::try_from(maps).map_err(|_| TchError::Shape("three maps were asked for".to_owned()))
    }
}
