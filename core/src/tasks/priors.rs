//! The priors of SSDLite, which are the boxes that it adapts to objects: six of different size and shape in every
//! cell of every map. A cell is here a pixel of a map.

use super::boxes::CentreBox;

/// Height and width of the detector's input.
pub const IMAGE_SIDE: usize = 320;

/// The number of priors in a cell.
pub const PER_CELL: usize = 6;

/// A feature map from which boxes are predicted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Rows and columns of the map.
    pub side: usize,
    /// The distance between cells, in pixels of the input. The last three come from a detector for images of 300
    /// pixels and do not fit 320; published weights were trained with them.
    pub shrinkage: f64,
    /// The side of the small square, in pixels of the input.
    pub least: f64,
    /// The number of pixels whose geometric mean with `least` is the side of the large square.
    pub most: f64,
}

/// The six maps of the published detector.
pub const LEVELS: [Level; 6] = [
    Level { side: 20, shrinkage: 16.0, least: 60.0, most: 105.0 },
    Level { side: 10, shrinkage: 32.0, least: 105.0, most: 150.0 },
    Level { side: 5, shrinkage: 64.0, least: 150.0, most: 195.0 },
    Level { side: 3, shrinkage: 100.0, least: 195.0, most: 240.0 },
    Level { side: 2, shrinkage: 150.0, least: 240.0, most: 285.0 },
    Level { side: 1, shrinkage: 300.0, least: 285.0, most: 330.0 },
];

/// All priors in shares of the image, level by level, row by row, six for each cell: the small square, the
/// large one, then for the ratios 2 and 3 the wide one and the tall one. Every number is clamped to 0 to 1.
pub fn priors() -> Vec<CentreBox> {
    let mut priors = Vec::new();
    let image = IMAGE_SIDE as f64;
    for level in LEVELS {
        let (small, large) = (level.least / image, (level.least * level.most).sqrt() / image);
        let mut shapes = vec![(small, small), (large, large)];
        for ratio in [2.0_f64, 3.0] {
            let root = ratio.sqrt();
            shapes.extend([(small * root, small / root), (small / root, small * root)]);
        }
        let place = |cell: usize| (cell as f64 + 0.5) * level.shrinkage / image;
        for row in 0..level.side {
            for column in 0..level.side {
                for &(width, height) in &shapes {
                    let prior = [place(column), place(row), width, height];
                    priors.push(CentreBox::from(prior.map(|number| number.clamp(0.0, 1.0))));
                }
            }
        }
    }
    priors
}
