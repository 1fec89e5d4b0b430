//! Segmentation of pictures that are larger than the network's input: chip by chip, at several scales.

use relativenas_core::tasks::chips::{Chips, chips};
use tch::{Kind, TchError, Tensor};

use super::layers::resize;

/// How a picture is segmented.
#[derive(Clone, Debug, PartialEq)]
pub struct Sliding {
    /// Rows and columns of a chip, in pixels; 1024 as published.
    pub chip: usize,
    /// The scales at which the picture is segmented.
    pub scales: Vec<f64>,
    /// Whether each chip is segmented in its mirror image too.
    pub flip: bool,
}

impl Sliding {
    /// One scale without mirror: the setting of published results, unless they say otherwise.
    pub fn plain() -> Self {
        Self { chip: 1024, scales: vec![1.0], flip: false }
    }

    /// Six scales, each with the mirror image as well.
    pub fn many_scales() -> Self {
        Self { chip: 1024, scales: vec![0.5, 0.75, 1.0, 1.25, 1.5, 1.75], flip: true }
    }

    /// The scores of each class for each pixel of a normalised picture `[1, 3, H, W]`: `[1, classes, H, W]`.
    /// The class with the largest score is the prediction.
    ///
    /// The exponentials of a chip's probabilities are added up, and pixels that lie in several chips weigh
    /// more, as in the published program.
    ///
    /// # Errors
    /// If the shapes do not fit, or the device or `network`, which computes the scores of a chip, fails.
    pub fn run(
        &self,
        picture: &Tensor,
        network: &mut dyn FnMut(&Tensor) -> Result<Tensor, TchError>,
    ) -> Result<Tensor, TchError> {
        let (_, _, height, width) = picture.size4()?;
        let mut all: Option<Tensor> = None;
        for scale in &self.scales {
            let [rows, columns] = [height, width].map(|side| ((side as f64 * scale) as i64).max(1));
            let scaled = resize(picture, rows, columns)?;
            let found = resize(&self.at_one_scale(&scaled, network)?, height, width)?;
            all = Some(match all {
                Some(all) => all.f_add(&found)?,
                None => found,
            });
        }
        all.ok_or_else(|| TchError::Shape("no scale was asked for".to_owned()))
    }

    fn at_one_scale(
        &self,
        picture: &Tensor,
        network: &mut dyn FnMut(&Tensor) -> Result<Tensor, TchError>,
    ) -> Result<Tensor, TchError> {
        let (_, _, height, width) = picture.size4()?;
        let Chips { padded, offset, places } = chips([height as usize, width as usize], self.chip);
        let after = [0, 1].map(|axis| (padded[axis] - offset[axis]) as i64 - [height, width][axis]);
        let border = [offset[1] as i64, after[1], offset[0] as i64, after[0]];
        let picture = picture.f_constant_pad_nd(border)?;
        let side = self.chip as i64;
        let mut sums: Option<Tensor> = None;
        for [top, left] in places {
            let [top, left] = [top as i64, left as i64];
            let chip = picture.f_narrow(2, top, side)?.f_narrow(3, left, side)?;
            let found = self.of_chip(&chip, network)?;
            let sums = match &mut sums {
                Some(sums) => sums,
                None => {
                    let shape = [1, found.size4()?.1, padded[0] as i64, padded[1] as i64];
                    sums.insert(Tensor::f_zeros(shape, (Kind::Float, picture.device()))?)
                }
            };
            let mut place = sums.f_narrow(2, top, side)?.f_narrow(3, left, side)?;
            let _ = place.f_add_(&found)?;
        }
        let sums = sums.ok_or_else(|| TchError::Shape("a picture without chips".to_owned()))?;
        sums.f_narrow(2, offset[0] as i64, height)?.f_narrow(3, offset[1] as i64, width)
    }

    fn of_chip(
        &self,
        chip: &Tensor,
        network: &mut dyn FnMut(&Tensor) -> Result<Tensor, TchError>,
    ) -> Result<Tensor, TchError> {
        let mut found = network(chip)?.f_softmax(1, Kind::Float)?;
        if self.flip {
            let mirrored = network(&chip.f_flip([3])?)?.f_flip([3])?;
            found = found.f_add(&mirrored.f_softmax(1, Kind::Float)?)?;
        }
        found.f_exp()
    }
}
