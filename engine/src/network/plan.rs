//! Which modules a genotype needs, and how cells and nodes are connected.

use relativenas_core::{
    genotype::{Cell, Gene, Genotype},
    latency::Spot,
    network::{CellPlace, NetworkKind, NetworkShape},
    operation::{CellKind, Operation},
    weight_set::WeightKey,
};

use super::module::Module;

/// A module and the prefix of its tensors' published names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedModule {
    pub name: String,
    pub module: Module,
}

/// What a gene applies to its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlannedOperation {
    Identity,
    /// A 3×3 max pool; its padding is never the maximum.
    MaxPool {
        stride: usize,
    },
    /// A 3×3 average pool; pixels of the padding are not counted.
    AveragePool {
        stride: usize,
    },
    /// Zeros in place of the input: the operation `none`.
    Zero {
        stride: usize,
    },
    /// A module, as an index of [`Plan::modules`].
    Module(usize),
}

/// A step and its input: 0 and 1 are the preprocessed outputs of the two cells before, `2 + j` is node `j`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    pub step: PlannedOperation,
    pub input: usize,
}

/// One cell of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellPlan {
    /// The channels and the resolution of the cell.
    pub place: CellPlace,
    /// The modules that convert inputs 0 and 1 to the cell's channels; `None` for an input that is not read.
    pub preprocess: [Option<usize>; 2],
    /// Modules whose output is not read, but which run in training, so that their running statistics are
    /// updated as in the published backbones.
    pub idle: [Option<usize>; 2],
    /// The genes, two for each node.
    pub genes: Vec<Applied>,
    /// The inputs, numbered as in [`Applied`], that are concatenated to the output.
    pub concat: Vec<usize>,
    /// Whether the logits depend on each node. They do not on any node of a cell that no later cell reads,
    /// nor on a node that is neither read nor concatenated; such nodes are not computed.
    pub live_nodes: Vec<bool>,
}

impl CellPlan {
    /// Whether anything of the cell is computed.
    pub fn is_live(&self) -> bool {
        self.live_nodes.contains(&true) || self.preprocess.iter().any(Option::is_some)
    }

    /// A cell whose genes apply these steps. None of its modules is idle.
    fn new(place: CellPlace, preprocess: [Option<usize>; 2], genes: Vec<Applied>, concat: &[usize]) -> Self {
        let live_nodes = Self::live_nodes(&genes, concat);
        Self { place, preprocess, idle: [None; 2], genes, concat: concat.to_vec(), live_nodes }
    }

    /// The nodes that the output depends on.
    fn live_nodes(genes: &[Applied], concat: &[usize]) -> Vec<bool> {
        let mut live: Vec<_> = (0..genes.len() / 2).map(|node| concat.contains(&(2 + node))).collect();
        for node in (0..live.len()).rev() {
            if live[node] {
                for gene in &genes[2 * node..2 * node + 2] {
                    if gene.input >= 2 {
                        live[gene.input - 2] = true;
                    }
                }
            }
        }
        live
    }

    /// Whether some live gene, or the concatenation, reads input 0 or 1.
    fn reads(&self, input: usize) -> bool {
        let mut genes = self.genes.iter().enumerate();
        self.concat.contains(&input) || genes.any(|(i, g)| g.input == input && self.live_nodes[i / 2])
    }

    fn kill(&mut self) {
        self.preprocess = [None; 2];
        self.idle = [None; 2];
        self.live_nodes.fill(false);
    }
}

/// A network as data: every module once, in network order, and how they are connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub modules: Vec<PlannedModule>,
    /// The stems, applied one after the other. Input 0 of the first cell is the output of the first stem,
    /// input 1 that of the last.
    pub stems: Vec<usize>,
    pub cells: Vec<CellPlan>,
    /// The classifier, as an index of `modules`; in a backbone, which has none, the number of modules.
    pub classifier: usize,
    /// The cell that the auxiliary head reads, as an index of `cells`, and the head, as an index of
    /// `modules`.
    pub auxiliary: Option<(usize, usize)>,
}

impl Plan {
    /// A search network: only the modules that the genotype uses, under the names of the shared weight set.
    /// They correspond one to one to [`WeightKey::of_genotype`].
    pub fn search(genotype: &Genotype, shape: &NetworkShape) -> Self {
        let places = shape.places(genotype);
        let mut plan = Self::empty();
        plan.stems = vec![plan.add(WeightKey::Stem.to_string(), Module::cifar_stem(shape.stem_channels()))];
        for (index, place) in places.iter().enumerate() {
            let cell = plan.search_cell(index, genotype.cell(place.kind), place);
            plan.cells.push(cell);
        }
        let features = output_channels(genotype, &places, shape);
        plan.classifier =
            plan.add(WeightKey::Classifier.to_string(), Module::classifier(features, shape.classes));
        plan.drop_dead_cells(None);
        plan
    }

    /// The same network with batch norms in its cells that have no factor and offset, as in DARTS: the
    /// magnitude of an operation's output then does not depend on how often it was trained. Stems keep
    /// theirs, as in DARTS.
    #[must_use]
    pub fn without_affine(mut self) -> Self {
        for (index, planned) in self.modules.iter_mut().enumerate() {
            if !self.stems.contains(&index) {
                planned.module = planned.module.clone().without_affine();
            }
        }
        self
    }

    /// A network of one cell, by which the latency of an operation is measured. Each of its nodes applies the
    /// operation twice to the cell's input, each time with a module of its own. The network's images have as
    /// many rows and columns as the operation reads.
    pub fn of_operation(operation: Operation, spot: Spot, nodes: usize, classes: usize) -> Self {
        let Spot { channels, side, stride } = spot;
        let place = CellPlace {
            kind: if stride == 1 { CellKind::Normal } else { CellKind::Reduction },
            after_reduction: false,
            channels_before_last: channels,
            channels_last: channels,
            channels,
            side,
        };
        let mut plan = Self::empty();
        plan.stems = vec![plan.add(WeightKey::Stem.to_string(), Module::cifar_stem(channels))];
        let preprocess = [Some(plan.preprocess(0, 0, &place)), None];
        let gene = |plan: &mut Self, gene: usize| Applied {
            step: plan.step(operation, channels, stride, || format!("cells.0._ops.{gene}")),
            input: 0,
        };
        let genes = (0..2 * nodes).map(|number| gene(&mut plan, number)).collect();
        let concat: Vec<_> = (2..2 + nodes).collect();
        plan.cells = vec![CellPlan::new(place, preprocess, genes, &concat)];
        let classifier = Module::classifier(channels * nodes, classes);
        plan.classifier = plan.add(WeightKey::Classifier.to_string(), classifier);
        plan
    }

    /// A full network: every gene has its own module, and every cell input is preprocessed.
    pub fn full(genotype: &Genotype, shape: &NetworkShape, auxiliary: bool) -> Self {
        let mut plan = Self::body(genotype, shape);
        let places = shape.places(genotype);
        if auxiliary {
            let cell = shape.auxiliary_cell();
            let channels = places
                .get(cell + 1)
                .map_or_else(|| output_channels(genotype, &places, shape), |next| next.channels_last);
            let imagenet = shape.kind == NetworkKind::Imagenet;
            let head = Module::auxiliary_head(channels, shape.classes, imagenet);
            plan.auxiliary = Some((cell, plan.add("auxiliary_head".to_owned(), head)));
        }
        let features = output_channels(genotype, &places, shape);
        plan.classifier = plan.add("classifier".to_owned(), Module::classifier(features, shape.classes));
        plan.drop_dead_cells(None);
        plan
    }

    /// A full network without classifier, of which the outputs of the cells `taps` are used.
    /// [`Plan::classifier`] is no index of its modules; [`super::Pass::maps`] computes the outputs.
    pub fn backbone(genotype: &Genotype, shape: &NetworkShape, taps: &[usize]) -> Self {
        let mut plan = Self::body(genotype, shape);
        plan.classifier = plan.modules.len();
        plan.drop_dead_cells(Some(taps));
        plan
    }

    /// Stems and cells of a full network.
    fn body(genotype: &Genotype, shape: &NetworkShape) -> Self {
        let places = shape.places(genotype);
        let mut plan = Self::empty();
        plan.stems = match shape.kind {
            NetworkKind::Cifar => {
                vec![plan.add("stem".to_owned(), Module::cifar_stem(shape.stem_channels()))]
            }
            NetworkKind::Imagenet => vec![
                plan.add("stem0".to_owned(), Module::imagenet_stem0(shape.stem_channels())),
                plan.add("stem1".to_owned(), Module::imagenet_stem1(shape.stem_channels())),
            ],
        };
        for (index, place) in places.iter().enumerate() {
            let cell = plan.full_cell(index, genotype.cell(place.kind), place);
            plan.cells.push(cell);
        }
        plan
    }

    /// For each module, whether the logits depend on it. The others get no gradient and no weight decay.
    pub fn used_modules(&self) -> Vec<bool> {
        let mut used = vec![false; self.modules.len()];
        let heads = [Some(self.classifier), self.auxiliary.map(|(_, head)| head)];
        for module in self.stems.iter().copied().chain(heads.into_iter().flatten()) {
            if let Some(used) = used.get_mut(module) {
                *used = true;
            }
        }
        for cell in &self.cells {
            for module in cell.preprocess.into_iter().flatten() {
                used[module] = true;
            }
            for (gene, applied) in cell.genes.iter().enumerate() {
                if let (PlannedOperation::Module(module), true) = (applied.step, cell.live_nodes[gene / 2]) {
                    used[module] = true;
                }
            }
        }
        used
    }

    /// Removes cells and nodes that are not read, from the last cell back. The preprocessing of a backbone
    /// stays as an idle module.
    fn drop_dead_cells(&mut self, taps: Option<&[usize]>) {
        let mut read = vec![false; self.cells.len()];
        if let Some(last) = read.last_mut() {
            *last = true;
        }
        if let Some((cell, _)) = self.auxiliary {
            read[cell] = true;
        }
        for &cell in taps.into_iter().flatten() {
            read[cell] = true;
        }
        for index in (0..self.cells.len()).rev() {
            let cell = &mut self.cells[index];
            if !read[index] {
                cell.kill();
                continue;
            }
            for input in 0..2 {
                if !cell.reads(input) {
                    let unread = cell.preprocess[input].take();
                    cell.idle[input] = unread.filter(|_| taps.is_some());
                } else if index + input >= 2 {
                    read[index + input - 2] = true;
                }
            }
        }
    }

    /// The number of genes of all cells, which is the number of rows of a drop-path mask.
    pub fn genes(&self) -> usize {
        self.cells.iter().map(|c| c.genes.len()).sum()
    }

    fn empty() -> Self {
        Self { modules: Vec::new(), stems: Vec::new(), cells: Vec::new(), classifier: 0, auxiliary: None }
    }

    fn add(&mut self, name: String, module: Module) -> usize {
        self.modules.push(PlannedModule { name, module });
        self.modules.len() - 1
    }

    fn preprocess(&mut self, cell: usize, input: usize, place: &CellPlace) -> usize {
        let (channels, halve) = match input {
            0 => (place.channels_before_last, place.after_reduction),
            _ => (place.channels_last, false),
        };
        let module = Module::preprocess(channels, place.channels, halve);
        self.add(WeightKey::Preprocess { cell, input }.to_string(), module)
    }

    fn search_cell(&mut self, index: usize, cell: &Cell, place: &CellPlace) -> CellPlan {
        let preprocess = [0, 1].map(|input| cell.reads(input).then(|| self.preprocess(index, input, place)));
        // Modules are in the order of candidates, as in the weight set, and each occurs once.
        let candidate =
            |(gene, g): (usize, &Gene)| WeightKey::candidate(Cell::node_of(gene), g.input, g.operation);
        let mut candidates: Vec<_> = cell.genes.iter().enumerate().map(candidate).collect();
        let order = candidates.clone();
        candidates.sort_unstable();
        candidates.dedup();
        let mut steps = vec![PlannedOperation::Identity; candidates.len()];
        for (step, &candidate) in steps.iter_mut().zip(&candidates) {
            let (_, input, operation) = WeightKey::describe_candidate(candidate);
            let key = WeightKey::Operation { cell: index, candidate };
            *step = self.step(operation, place.channels, place.stride(input), || key.to_string());
        }
        let genes: Vec<_> = order
            .iter()
            .zip(&cell.genes)
            .filter_map(|(candidate, gene)| {
                let position = candidates.binary_search(candidate).ok()?;
                Some(Applied { step: steps[position], input: gene.input })
            })
            .collect();
        CellPlan::new(*place, preprocess, genes, &cell.concat)
    }

    fn full_cell(&mut self, index: usize, cell: &Cell, place: &CellPlace) -> CellPlan {
        let preprocess = [0, 1].map(|input| Some(self.preprocess(index, input, place)));
        let genes: Vec<_> = cell
            .genes
            .iter()
            .enumerate()
            .map(|(k, gene)| {
                let name = || format!("cells.{index}._ops.{k}");
                let step = self.step(gene.operation, place.channels, place.stride(gene.input), name);
                Applied { step, input: gene.input }
            })
            .collect();
        CellPlan::new(*place, preprocess, genes, &cell.concat)
    }

    fn step(
        &mut self,
        operation: Operation,
        channels: usize,
        stride: usize,
        name: impl FnOnce() -> String,
    ) -> PlannedOperation {
        if let Some(module) = Module::operation(operation, channels, stride) {
            return PlannedOperation::Module(self.add(name(), module));
        }
        match operation {
            Operation::MaxPool3x3 => PlannedOperation::MaxPool { stride },
            Operation::AvgPool3x3 => PlannedOperation::AveragePool { stride },
            Operation::None => PlannedOperation::Zero { stride },
            _ => PlannedOperation::Identity,
        }
    }
}

fn output_channels(genotype: &Genotype, places: &[CellPlace], shape: &NetworkShape) -> usize {
    places.last().map_or(shape.stem_channels(), |p| p.channels * genotype.cell(p.kind).concat.len())
}

#[cfg(test)]
mod tests {
    use relativenas_core::{
        population::IndividualId, population::sample_position, randomness::Streams, space::Space,
    };

    use super::*;

    #[test]
    fn a_search_plan_holds_the_modules_of_the_weight_set_in_its_order() {
        let shape = NetworkShape { kind: NetworkKind::Cifar, channels: 4, cells: 5, classes: 10 };
        let streams = Streams::new(5);
        for individual in 0..50 {
            let genotype =
                Genotype::decode(&sample_position(Space::Cells, &streams, 0, IndividualId(individual)))
                    .unwrap();
            let names: Vec<_> = Plan::search(&genotype, &shape).modules.into_iter().map(|m| m.name).collect();
            let keys: Vec<_> =
                WeightKey::of_genotype(&genotype, &shape).iter().map(ToString::to_string).collect();
            assert_eq!(names, keys);
        }
    }

    #[test]
    fn a_cell_that_no_later_cell_reads_is_not_computed() {
        let shape = NetworkShape { kind: NetworkKind::Cifar, channels: 4, cells: 4, classes: 10 };
        let cell = |input| Cell {
            genes: vec![Gene { operation: Operation::SepConv3x3, input }; 8],
            concat: vec![2, 3, 4, 5],
        };
        // The last cell is normal and reads only the cell before the last.
        let plan = Plan::search(&Genotype { normal: cell(0), reduction: cell(1) }, &shape);
        let live: Vec<_> = plan.cells.iter().map(CellPlan::is_live).collect();
        assert_eq!(live, [true, true, false, true]);
        let used = plan.used_modules();
        for (planned, used) in plan.modules.iter().zip(used) {
            assert_eq!(used, !planned.name.starts_with("cells.2."), "{}", planned.name);
        }
    }
}
