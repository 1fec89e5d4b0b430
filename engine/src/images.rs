//! Images in memory, as data sets provide them.

use tch::{Kind, TchError, Tensor};

use crate::data::{DataSet, Images};

/// Small images and their labels.
#[derive(Debug)]
pub struct ImageSet {
    /// Pixels, `[N, 3, H, W] u8`.
    pub images: Tensor,
    /// The label of each image, `[N] i64`, each below `classes`.
    pub labels: Tensor,
    /// Mean of each channel, where pixels count from 0 to 1.
    pub mean: [f32; 3],
    /// Standard deviation of each channel, where pixels count from 0 to 1.
    pub std: [f32; 3],
    pub classes: usize,
}

impl ImageSet {
    /// The images of one part of a data set at these indices.
    ///
    /// # Errors
    /// If memory runs out.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn of(data: &DataSet, images: &Images, chosen: &[usize]) -> Result<Self, TchError> {
        let mut pixels = Vec::with_capacity(chosen.len() * images.stride());
        for &index in chosen {
            pixels.extend_from_slice(images.image(index));
        }
        let labels: Vec<i64> = chosen.iter().map(|&index| i64::from(images.labels[index])).collect();
        let (count, side) = (chosen.len() as i64, images.side as i64);
        Ok(Self {
            images: Tensor::f_from_data_size(&pixels, &[count, 3, side, side], Kind::Uint8)?,
            labels: Tensor::f_from_slice(&labels)?,
            mean: data.mean,
            std: data.std,
            classes: data.classes.len(),
        })
    }

    pub fn len(&self) -> usize {
        self.labels.size().first().map_or(0, |&n| n as usize)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
