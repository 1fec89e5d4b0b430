//! The structure of a file of annotations.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(super) struct File {
    pub(super) images: Vec<Image>,
    pub(super) annotations: Vec<Annotation>,
    pub(super) categories: Vec<Category>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Image {
    pub(super) id: u64,
    pub(super) file_name: String,
    pub(super) width: usize,
    pub(super) height: usize,
}

#[derive(Debug, Deserialize)]
pub(super) struct Annotation {
    pub(super) id: u64,
    pub(super) image_id: u64,
    pub(super) category_id: u64,
    #[serde(default)]
    pub(super) iscrowd: u64,
    pub(super) bbox: [f64; 4],
    pub(super) area: f64,
    pub(super) keypoints: Vec<f64>,
    pub(super) num_keypoints: Option<usize>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Category {
    pub(super) id: u64,
    pub(super) name: String,
    #[serde(default)]
    pub(super) keypoints: Vec<String>,
}
