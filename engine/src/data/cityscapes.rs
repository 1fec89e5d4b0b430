//! Cityscapes: pictures with a class for every pixel.
//!
//! Pictures lie in `leftImg8bit` and label pictures in `gtFine`. Both have a folder for each set and,
//! optionally, within it a folder for each city. Label pictures hold label ids, which become training ids
//! when they are read.

use std::{
    io::Cursor,
    path::{Path, PathBuf},
};

use relativenas_core::tasks::label_ids;

use super::{
    fault::{self, Fault},
    picture::Picture,
};

const PICTURE: &str = "_leftImg8bit.png";
const LABELS: &str = "_gtFine_labelIds.png";

/// Pictures with their label pictures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cityscapes {
    pub train: Vec<Street>,
    pub valid: Vec<Street>,
    /// Test pictures, whose labels are not public and may be missing.
    pub test: Vec<Street>,
}

/// One picture and, if it has one, its label picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Street {
    /// The name without folder and ending, such as `aachen_000000_000019`.
    pub name: String,
    pub picture: PathBuf,
    pub labels: Option<PathBuf>,
}

/// The training id of every pixel, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    pub width: usize,
    pub height: usize,
    pub ids: Vec<u8>,
}

impl Street {
    /// Decodes the picture and, where there are any, its labels.
    ///
    /// # Errors
    /// If one of them cannot be decoded, they differ in size, or a pixel has an id that does not exist.
    pub fn decode(&self) -> Result<(Picture, Option<Labels>), Fault> {
        let picture = fault::read_picture(&self.picture, None)?;
        let Some(file) = &self.labels else { return Ok((picture, None)) };
        let labels = read_labels(file)?;
        if [labels.width, labels.height] != [picture.width, picture.height] {
            let what = format!(
                "it has {}×{} pixels, but its picture `{}` has {}×{}",
                labels.width,
                labels.height,
                self.picture.display(),
                picture.width,
                picture.height
            );
            return Err(Fault::new(file, what));
        }
        Ok((picture, Some(labels)))
    }
}

fn read_labels(file: &Path) -> Result<Labels, Fault> {
    let bytes = fault::read(file)?;
    let (width, height, mut ids) = decode_grey(&bytes).map_err(|problem| Fault::new(file, problem))?;
    for (pixel, id) in ids.iter_mut().enumerate() {
        *id = label_ids::train_id(*id).ok_or_else(|| {
            let (row, column) = (pixel / width, pixel % width);
            Fault::new(
                file,
                format!(
                    "the pixel in row {row}, column {column} has label id {id}; ids go from 0 to {}, and 255 \
                     is ignored",
                    label_ids::IDS.len() - 1
                ),
            )
        })?;
    }
    Ok(Labels { width, height, ids })
}

/// Width, height and values of a PNG file of one channel with 8 bits.
fn decode_grey(bytes: &[u8]) -> Result<(usize, usize, Vec<u8>), String> {
    let mut reader = png::Decoder::new(Cursor::new(bytes)).read_info().map_err(|error| error.to_string())?;
    let (color, bits) = reader.output_color_type();
    if (color, bits) != (png::ColorType::Grayscale, png::BitDepth::Eight) {
        return Err(format!(
            "its pixels are {color:?} of {} bits; label pictures have one channel of 8 bits (those with \
             `_color` in their names are for people)",
            bits as u8
        ));
    }
    let size = reader.output_buffer_size().ok_or("it is too large")?;
    let (width, height) = reader.info().size();
    // A header may promise more pixels than any file holds.
    if width.max(height) > 1 << 14 {
        return Err(format!("it has {width}×{height} pixels, more than 16384 in a direction"));
    }
    let mut pixels = vec![0; size];
    let frame = reader.next_frame(&mut pixels).map_err(|error| error.to_string())?;
    pixels.truncate(frame.buffer_size());
    Ok((frame.width as usize, frame.height as usize, pixels))
}

/// Whether a folder holds Cityscapes.
pub(super) fn lies_in(folder: &Path) -> bool {
    folder.join("leftImg8bit").is_dir() || folder.join("gtFine").is_dir()
}

/// Lists pictures and their labels without opening any. What is wrong with a picture is added to `faults`,
/// and the picture is left out.
pub fn read(folder: &Path, faults: &mut Vec<Fault>) -> Cityscapes {
    let mut set = |name: &str, labelled: bool| {
        let pictures = files(&folder.join("leftImg8bit").join(name), PICTURE);
        let labels = files(&folder.join("gtFine").join(name), LABELS);
        for (key, file) in &labels {
            if !pictures.iter().any(|(name, _)| name == key) {
                let wanted = format!("leftImg8bit/{name}/{key}{PICTURE}");
                faults.push(Fault::new(file, format!("there is no picture `{wanted}` for it")));
            }
        }
        let mut streets = Vec::new();
        for (key, picture) in pictures {
            let labels = labels.iter().find(|(name, _)| *name == key).map(|(_, file)| file.clone());
            if labels.is_none() && labelled {
                let file = folder.join("gtFine").join(name).join(format!("{key}{LABELS}"));
                faults.push(Fault::new(&file, format!("it is missing: `{}` needs it", picture.display())));
                continue;
            }
            let name = key.rsplit('/').next().unwrap_or_default().to_owned();
            streets.push(Street { name, picture, labels });
        }
        streets
    };
    let (train, valid, test) = (set("train", true), set("val", true), set("test", false));
    if train.is_empty() && valid.is_empty() && test.is_empty() && faults.is_empty() {
        let what = format!("no picture `{{train,val,test}}/CITY/…{PICTURE}` is in it");
        faults.push(Fault::new(&folder.join("leftImg8bit"), what));
    }
    Cityscapes { train, valid, test }
}

/// Files with this ending in a folder and its subfolders, by their names without the ending.
fn files(folder: &Path, ending: &str) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    let mut add = |before: &str, path: PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(key) = name.strip_suffix(ending) {
            found.push((format!("{before}{key}"), path));
        }
    };
    for path in fault::entries(folder) {
        if path.is_dir() {
            let city = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            fault::entries(&path).into_iter().for_each(|file| add(&format!("{city}/"), file));
        } else {
            add("", path);
        }
    }
    found
}

#[cfg(test)]
mod tests;
