//! How feature maps lie in memory, and views of their images, nodes and planes.
//!
//! A feature map lies in planes of sixteen channels, a block ([`Lanes`]). A plane is a square of pixels, row by
//! row. The planes of a node follow each other, then come those of the next node, then those of the next image.

use crate::simd::Lanes;

/// The shape of one image of a feature map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MapShape {
    /// How many nodes the image consists of. The output of a cell has all its nodes; everything else has one.
    pub nodes: usize,
    /// Planes of a node: its channels by sixteen, rounded up.
    pub blocks: usize,
    /// Rows of a plane, and columns.
    pub side: usize,
}

impl MapShape {
    /// The shape of a single node.
    pub fn one(blocks: usize, side: usize) -> Self {
        Self { nodes: 1, blocks, side }
    }

    /// The shape of each of its nodes.
    #[inline]
    pub fn node(self) -> Self {
        Self { nodes: 1, ..self }
    }

    /// Planes of an image: those of all nodes.
    #[inline]
    pub fn planes(self) -> usize {
        self.nodes * self.blocks
    }

    /// Pixels of a plane, which is also its length in [`Lanes`].
    #[inline]
    pub fn pixels(self) -> usize {
        self.side * self.side
    }

    /// Length of an image in [`Lanes`].
    #[inline]
    pub fn length(self) -> usize {
        self.planes() * self.pixels()
    }
}

/// Sixteen channels of an image or of a frame, row by row, with `side` pixels in a row.
#[derive(Clone, Copy, Debug)]
pub struct Plane<'a> {
    pub pixels: &'a [Lanes],
    pub side: usize,
}

/// A [`Plane`] to be written.
#[derive(Debug)]
pub struct PlaneMut<'a> {
    pub pixels: &'a mut [Lanes],
    pub side: usize,
}

/// All channels of one image of a feature map.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    /// All planes, one after the other.
    pub lanes: &'a [Lanes],
    pub shape: MapShape,
}

impl<'a> From<ImageMut<'a>> for Image<'a> {
    fn from(image: ImageMut<'a>) -> Self {
        Self { lanes: image.lanes, shape: image.shape }
    }
}

/// An [`Image`] to be written.
#[derive(Debug)]
pub struct ImageMut<'a> {
    /// All planes, one after the other.
    pub lanes: &'a mut [Lanes],
    pub shape: MapShape,
}

impl<'a> Plane<'a> {
    /// The plane without its first `width` rows and without the first `width` columns. Rows stay as far apart
    /// in memory as they were, so the last one is shorter.
    #[inline]
    pub fn without_border(self, width: usize) -> Self {
        Self { pixels: &self.pixels[width * self.side + width..], side: self.side }
    }
}

impl<'a> PlaneMut<'a> {
    /// The same plane, to be read.
    #[inline]
    pub fn read(&self) -> Plane<'_> {
        Plane { pixels: self.pixels, side: self.side }
    }

    /// A shorter borrow of the same plane, after which `self` can be used again.
    #[inline]
    pub fn again(&mut self) -> PlaneMut<'_> {
        PlaneMut { pixels: self.pixels, side: self.side }
    }
}

impl<'a> Image<'a> {
    /// An image that has nothing in it.
    pub const EMPTY: Self = Self { lanes: &[], shape: MapShape { nodes: 0, blocks: 0, side: 0 } };

    /// One plane, counted over all nodes.
    #[inline]
    pub fn plane(self, block: usize) -> Plane<'a> {
        let pixels = self.shape.pixels();
        Plane { pixels: &self.lanes[block * pixels..][..pixels], side: self.shape.side }
    }

    /// All planes in order.
    #[inline]
    pub fn planes(self) -> impl ExactSizeIterator<Item = Plane<'a>> {
        let side = self.shape.side;
        self.lanes.chunks_exact(self.shape.pixels().max(1)).map(move |pixels| Plane { pixels, side })
    }

    /// One node, as an image of its own.
    #[inline]
    pub fn node(self, node: usize) -> Self {
        let shape = self.shape.node();
        Self { lanes: &self.lanes[node * shape.length()..][..shape.length()], shape }
    }
}

impl<'a> ImageMut<'a> {
    /// The same image, to be read.
    #[inline]
    pub fn read(&self) -> Image<'_> {
        Image { lanes: self.lanes, shape: self.shape }
    }

    /// A shorter borrow of the same image, after which `self` can be used again.
    #[inline]
    pub fn again(&mut self) -> ImageMut<'_> {
        ImageMut { lanes: self.lanes, shape: self.shape }
    }

    /// One plane, counted over all nodes.
    #[inline]
    pub fn plane(self, block: usize) -> PlaneMut<'a> {
        let pixels = self.shape.pixels();
        PlaneMut { pixels: &mut self.lanes[block * pixels..][..pixels], side: self.shape.side }
    }

    /// All planes in order.
    #[inline]
    pub fn planes(self) -> impl ExactSizeIterator<Item = PlaneMut<'a>> {
        let side = self.shape.side;
        self.lanes.chunks_exact_mut(self.shape.pixels().max(1)).map(move |pixels| PlaneMut { pixels, side })
    }

    /// One node, as an image of its own.
    #[inline]
    pub fn node(self, node: usize) -> Self {
        let shape = self.shape.node();
        Self { lanes: &mut self.lanes[node * shape.length()..][..shape.length()], shape }
    }

    /// The nodes before this one, and this one.
    #[inline]
    pub fn split_at(self, node: usize) -> (Self, Self) {
        let shape = self.shape.node();
        let (before, rest) = self.lanes.split_at_mut(node * shape.length());
        let before = Self { lanes: before, shape: MapShape { nodes: node, ..shape } };
        (before, Self { lanes: &mut rest[..shape.length()], shape })
    }
}

/// Memory that is kept from use to use, for an image or a plane at a time. It grows and never shrinks; what was
/// in it before stays until it is overwritten.
#[derive(Debug, Default)]
pub struct Buffer(Vec<Lanes>);

impl Buffer {
    /// The first `length` lanes.
    #[inline]
    fn first(&mut self, length: usize) -> &mut [Lanes] {
        if self.0.len() < length {
            self.0.resize(length, Lanes::ZERO);
        }
        &mut self.0[..length]
    }

    /// Room for an image.
    #[inline]
    pub fn image(&mut self, shape: MapShape) -> ImageMut<'_> {
        ImageMut { lanes: self.first(shape.length()), shape }
    }

    /// Room for a plane.
    #[inline]
    pub fn plane(&mut self, side: usize) -> PlaneMut<'_> {
        PlaneMut { pixels: self.first(side * side), side }
    }

    /// The image that was last written here with this shape.
    #[inline]
    pub fn written(&self, shape: MapShape) -> Image<'_> {
        Image { lanes: &self.0[..shape.length()], shape }
    }
}

/// Feature maps of several images of one shape. Memory is kept from batch to batch, as in a [`Buffer`].
#[derive(Debug, Default)]
pub struct Maps {
    shape: MapShape,
    memory: Buffer,
}

impl Maps {
    /// Makes room for so many images of this shape.
    pub fn fit(&mut self, shape: MapShape, images: usize) {
        self.memory.first(images * shape.length());
        self.shape = shape;
    }

    /// The shape of every image.
    #[inline]
    pub fn shape(&self) -> MapShape {
        self.shape
    }

    /// Image number `n`.
    #[inline]
    pub fn image(&self, n: usize) -> Image<'_> {
        let length = self.shape.length();
        Image { lanes: &self.memory.0[n * length..][..length], shape: self.shape }
    }

    /// Image number `n`, to be written.
    #[inline]
    pub fn image_mut(&mut self, n: usize) -> ImageMut<'_> {
        let length = self.shape.length();
        ImageMut { lanes: &mut self.memory.0[n * length..][..length], shape: self.shape }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_nodes_and_planes_follow_each_other() {
        let shape = MapShape { nodes: 3, blocks: 2, side: 4 };
        let mut maps = Maps::default();
        maps.fit(shape, 5);
        for image in 0..5 {
            for node in 0..3 {
                for (block, plane) in maps.image_mut(image).node(node).planes().enumerate() {
                    plane.pixels.fill(Lanes([(100 * image + 10 * node + block) as f32; 16]));
                }
            }
        }
        for image in 0..5 {
            let number = |plane: Plane<'_>| plane.pixels.iter().map(|pixel| pixel.0[7] as usize).max();
            let found: Vec<_> = maps.image(image).planes().map(number).collect();
            let expected = [0, 1, 10, 11, 20, 21].map(|n| Some(100 * image + n));
            assert_eq!(found, expected);
            assert_eq!(number(maps.image(image).plane(3)), expected[3]);
            let (before, node) = maps.image_mut(image).split_at(2);
            assert_eq!(before.read().planes().map(number).collect::<Vec<_>>(), expected[..4]);
            assert_eq!(node.read().planes().map(number).collect::<Vec<_>>(), expected[4..]);
        }
    }
}
