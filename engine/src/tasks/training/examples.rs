//! What the network of a task is trained on: pictures with variations, and the targets for them.

use std::{iter, sync::Arc};

use fast_image_resize::Resizer;
use relativenas_core::{
    randomness::{Purpose, Streams},
    tasks::{
        boxes::CentreBox,
        heat_maps::INPUT,
        mean_iou::IGNORED,
        priors::{IMAGE_SIDE, priors},
    },
};
use tch::{Device, Kind, TchError, Tensor};

use super::{TaskError, ahead::Ahead};
use crate::{
    batches::batches,
    data::fault::Fault,
    device::send,
    tasks::{
        augment::{boxes, joints, masks},
        data::TaskImages,
        losses::BoxTargets,
        pixels::{centred, normalised},
        targets::{self, Priors},
    },
};

/// The number of batches that are computed before they are needed.
const BATCHES_AHEAD: usize = 2;

/// All training examples. For keypoints an example is a person, else it is a picture.
#[derive(Debug)]
pub struct Examples {
    images: TaskImages,
    /// For keypoints, the indices of a picture and of a person in it.
    people: Vec<(usize, usize)>,
    priors: Vec<CentreBox>,
    /// Rows and columns, in pixels, of the crops for segmentation.
    crop: usize,
    augmentation: bool,
}

/// One example: the pixels that the network sees, and its targets.
#[derive(Clone, Debug, PartialEq)]
pub enum Example {
    Boxes { rgb: Vec<f32>, priors: Priors },
    Mask { rgb: Vec<u8>, ids: Vec<u8> },
    Person { rgb: Vec<u8>, maps: Vec<f32>, weights: Vec<f32> },
}

/// A batch of examples on a device.
#[derive(Debug)]
pub struct TaskBatch {
    /// The normalised inputs, `[B, 3, H, W] f32`, channels last in memory.
    pub images: Tensor,
    pub targets: Targets,
    pub count: usize,
}

/// The targets of a batch.
#[derive(Debug)]
pub enum Targets {
    Boxes(BoxTargets),
    /// The class of every pixel, `[B, H, W] i64`.
    Masks(Tensor),
    /// Heat maps `[B, joints, 64, 48] f32`, and weights `[B, joints] f32`.
    Heat([Tensor; 2]),
}

/// How an epoch's batches are made.
#[derive(Clone, Copy, Debug)]
pub struct EpochBatches {
    pub batch: usize,
    pub epoch: u32,
    /// The number of batches that are skipped because they were done before.
    pub first: usize,
    pub streams: Streams,
    pub threads: usize,
    pub device: Device,
}

impl Examples {
    /// The examples that these images give. `crop` is the side in pixels of the crops for segmentation; without
    /// `augmentation`, pictures are not varied.
    pub fn new(images: TaskImages, crop: usize, augmentation: bool) -> Self {
        let people = match &images {
            TaskImages::People(images) => {
                let of = |(place, image): (usize, &crate::data::coco::CocoImage)| {
                    let used = |(number, person): (usize, &crate::data::coco::CocoPerson)| {
                        (person.is_used() && person.crop.is_some()).then_some((place, number))
                    };
                    image.people.iter().enumerate().filter_map(used).collect::<Vec<_>>()
                };
                images.iter().enumerate().flat_map(of).collect()
            }
            _ => Vec::new(),
        };
        let priors = if matches!(images, TaskImages::Boxes { .. }) { priors() } else { Vec::new() };
        Self { images, people, priors, crop, augmentation }
    }

    pub fn len(&self) -> usize {
        if let TaskImages::People(_) = self.images { self.people.len() } else { self.images.len() }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An example with the variations of an epoch.
    ///
    /// # Errors
    /// If its picture or its labels cannot be read.
    pub fn example(&self, index: usize, streams: &Streams, epoch: u32) -> Result<Example, Fault> {
        let mut stream = streams.stream(Purpose::Augmentation, u64::from(epoch), index as u64);
        match &self.images {
            TaskImages::Boxes { images, .. } => {
                let image = &images[index];
                let (picture, objects) = (image.decode()?, image.countable());
                let shown = if self.augmentation {
                    boxes::varied(&picture, &objects, &mut stream)
                } else {
                    boxes::plain(&picture, &objects)
                };
                Ok(Example::Boxes { rgb: shown.rgb, priors: Priors::of(&self.priors, &shown.boxes) })
            }
            TaskImages::Masks(streets) => {
                let street = &streets[index];
                let fault = |what: String| Fault { file: street.picture.clone(), what };
                let (picture, labels) = street.decode()?;
                let labels = labels.ok_or_else(|| fault("it has no labels to learn from".to_owned()))?;
                let mut resizer = Resizer::new();
                let shown = if self.augmentation {
                    masks::varied(&picture, &labels, self.crop, &mut stream, &mut resizer)
                } else {
                    masks::plain(&picture, &labels, self.crop, &mut stream, &mut resizer)
                };
                let masks::SegmentationInput { rgb, ids } = shown.map_err(fault)?;
                Ok(Example::Mask { rgb, ids })
            }
            TaskImages::People(images) => {
                let (place, number) = self.people[index];
                let (image, person) = (&images[place], &images[place].people[number]);
                let crop = person.crop.ok_or_else(|| Fault {
                    file: image.picture.clone(),
                    what: format!("annotation {} has no box to look in", person.id),
                })?;
                let picture = image.decode()?;
                let shown = if self.augmentation {
                    joints::varied(&picture, person, crop, &mut stream)
                } else {
                    joints::plain(&picture, person, crop)
                };
                let target = shown.target();
                Ok(Example::Person { rgb: shown.rgb, maps: target.maps, weights: target.weights.to_vec() })
            }
        }
    }

    /// Every example once, in the epoch's own random order, from batch number `first` on. A batch is the same
    /// whichever batch is the first.
    pub fn batches(
        self: &Arc<Self>,
        pass: EpochBatches,
    ) -> impl Iterator<Item = Result<TaskBatch, TaskError>> + use<> {
        let EpochBatches { batch, epoch, first, streams, threads, device } = pass;
        let order = streams.stream(Purpose::Shuffle, u64::from(epoch), 0).order(self.len());
        let parts: Vec<_> = batches(order.len(), batch).skip(first).collect();
        let start = parts.first().map_or(order.len(), |&(start, _)| start);
        let order = order[start..].to_vec();
        let (examples, count) = (Arc::clone(self), order.len());
        let depth = (BATCHES_AHEAD * batch).div_ceil(threads.max(1));
        let mut ahead =
            Ahead::new(count, threads, depth, move |place| examples.example(order[place], &streams, epoch));
        let (side, mut parts) = (self.side(), parts.into_iter());
        iter::from_fn(move || {
            let (_, length) = parts.next()?;
            let found: Result<Vec<_>, Fault> = ahead.by_ref().take(length).collect();
            Some(match found {
                Err(fault) => Err(fault.into()),
                Ok(found) if found.len() < length => Err(TaskError::Thread),
                Ok(found) => to_device(&found, side, device).map_err(TaskError::from),
            })
        })
    }

    /// Width and height of the network's input.
    fn side(&self) -> [usize; 2] {
        match self.images {
            TaskImages::Boxes { .. } => [IMAGE_SIDE; 2],
            TaskImages::Masks(_) => [self.crop; 2],
            TaskImages::People(_) => INPUT,
        }
    }
}

fn to_device(
    examples: &[Example],
    [width, height]: [usize; 2],
    device: Device,
) -> Result<TaskBatch, TchError> {
    let (mut floats, mut bytes, mut priors) = (Vec::new(), Vec::new(), Vec::new());
    let (mut labels, mut maps, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for example in examples {
        match example {
            Example::Boxes { rgb, priors: said } => {
                floats.extend_from_slice(rgb);
                priors.push(said.clone());
            }
            Example::Mask { rgb, ids } => {
                bytes.extend_from_slice(rgb);
                labels.extend_from_slice(ids);
            }
            Example::Person { rgb, maps: drawn, weights: counted } => {
                bytes.extend_from_slice(rgb);
                maps.extend_from_slice(drawn);
                weights.extend_from_slice(counted);
            }
        }
    }
    let (count, shape) = (examples.len(), [examples.len() as i64, height as i64, width as i64]);
    let pixels =
        if bytes.is_empty() { Tensor::f_from_slice(&floats)? } else { Tensor::f_from_slice(&bytes)? };
    let pixels = send(&pixels.f_reshape([shape[0], shape[1], shape[2], 3])?, device)?;
    let images = pixels.f_to_kind(Kind::Float)?.f_permute([0, 3, 1, 2])?;
    let images = if bytes.is_empty() { centred(&images)? } else { normalised(&images)? };
    let targets = if !priors.is_empty() {
        Targets::Boxes(targets::boxes(&priors, device)?)
    } else if !labels.is_empty() {
        let ids = send(&Tensor::f_from_slice(&labels)?.f_reshape(shape)?, device)?;
        Targets::Masks(ids.f_to_kind(Kind::Int64)?)
    } else {
        Targets::Heat(targets::heat_maps(&maps, &weights, device)?)
    };
    Ok(TaskBatch { images, targets, count })
}

impl TaskBatch {
    /// The number of pixels in the batch that have a label, at most.
    pub fn pixels(&self) -> usize {
        match &self.targets {
            Targets::Masks(ids) => ids.numel(),
            _ => 0,
        }
    }

    /// Whether the batch has anything to be trained on: labels that are all [`IGNORED`] give no loss.
    ///
    /// # Errors
    /// If the device fails.
    pub fn has_targets(&self) -> Result<bool, TchError> {
        match &self.targets {
            Targets::Masks(ids) => Ok(ids.f_ne(i64::from(IGNORED))?.f_any()?.f_int64_value(&[])? != 0),
            _ => Ok(true),
        }
    }
}
