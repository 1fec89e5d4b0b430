//! Decoding and resizing photographs.

use std::io::Cursor;

use fast_image_resize::{
    FilterType, ResizeAlg, ResizeOptions, Resizer,
    images::{TypedImage, TypedImageRef},
    pixels::U8x3,
};
use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

use super::jpeg;

/// The largest width and height in pixels that is accepted; the JPEG decoder's own limit is the same.
const LARGEST_SIDE: u32 = 1 << 14;

/// A decoded photograph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pub width: usize,
    pub height: usize,
    /// The pixels, `[height, width, 3] u8`.
    pub rgb: Vec<u8>,
}

/// A rectangle within a picture, in pixels. Edges may lie between pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crop {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
}

impl Picture {
    /// Decodes a JPEG or PNG file, whatever its ending.
    ///
    /// JPEG is decoded strictly: a part that a lenient decoder would fill with grey is an error.
    ///
    /// # Errors
    /// If the bytes cannot be decoded; the text says why.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        Self::decode_and_count(bytes).map(|(picture, _)| picture)
    }

    /// As [`Self::decode`]; also returns the number of stray bytes that were left out.
    pub(super) fn decode_and_count(bytes: &[u8]) -> Result<(Self, usize), String> {
        match bytes {
            [0xff, 0xd8, ..] => {
                let checked = jpeg::check(bytes)?;
                Ok((Self::decode_jpeg(&checked.bytes)?, checked.stray))
            }
            [0x89, b'P', b'N', b'G', ..] => Ok((Self::decode_png(bytes)?, 0)),
            _ => Err(otherwise(bytes).into()),
        }
    }

    /// As [`Self::decode_and_count`], for bytes in which it found no fault and nothing stray before.
    ///
    /// # Errors
    /// If the bytes cannot be decoded; the text says why. Of a JPEG file that was cut since then, this may be a picture
    /// with a grey end.
    pub(super) fn decode_checked(bytes: &[u8]) -> Result<(Self, usize), String> {
        match bytes {
            [0xff, 0xd8, ..] => Ok((Self::decode_jpeg(bytes)?, 0)),
            _ => Self::decode_and_count(bytes),
        }
    }

    /// Checks whether [`Self::decode`] will succeed, without computing pixels where possible, and returns the
    /// number of stray bytes that will be left out.
    ///
    /// # Errors
    /// If the bytes cannot be decoded; the text says why.
    pub(super) fn check(bytes: &[u8]) -> Result<usize, String> {
        match bytes {
            [0xff, 0xd8, ..] => Ok(jpeg::check(bytes)?.stray),
            _ => Self::decode_and_count(bytes).map(|(_, stray)| stray),
        }
    }

    /// Decodes a file that [`jpeg::check`] found whole.
    fn decode_jpeg(bytes: &[u8]) -> Result<Self, String> {
        let options =
            DecoderOptions::default().set_strict_mode(true).jpeg_set_out_colorspace(ColorSpace::RGB);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
        let rgb = decoder.decode().map_err(|error| error.to_string())?;
        let (width, height) = decoder.dimensions().ok_or("it has no dimensions")?;
        Self::checked(width, height, rgb)
    }

    fn decode_png(bytes: &[u8]) -> Result<Self, String> {
        let mut decoder = png::Decoder::new(Cursor::new(bytes));
        // Palettes, fewer than 8 bits, and 16 bits all become 8 bits a channel.
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let mut reader = decoder.read_info().map_err(|error| error.to_string())?;
        let (width, height) = reader.info().size();
        if width.max(height) > LARGEST_SIDE {
            return Err(format!("it has {width}×{height} pixels, more than {LARGEST_SIDE} in a direction"));
        }
        let size = reader.output_buffer_size().ok_or("it is too large")?;
        let mut pixels = vec![0; size];
        let frame = reader.next_frame(&mut pixels).map_err(|error| error.to_string())?;
        pixels.truncate(frame.buffer_size());
        let rgb = match frame.color_type.samples() {
            3 => pixels,
            // Grey, with or without an opacity, which is dropped.
            1 | 2 => pixels.chunks_exact(frame.color_type.samples()).flat_map(|p| [p[0]; 3]).collect(),
            _ => pixels.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect(),
        };
        Self::checked(frame.width as usize, frame.height as usize, rgb)
    }

    fn checked(width: usize, height: usize, rgb: Vec<u8>) -> Result<Self, String> {
        if width == 0 || height == 0 || rgb.len() != 3 * width * height {
            return Err(format!("it does not hold {width}×{height} pixels in three colours"));
        }
        Ok(Self { width, height, rgb })
    }

    /// The largest square in the middle, shrunk to `share` of its side.
    ///
    /// Cropping this square with `share` = 224/256 and resizing it to 224 pixels gives the same as resizing
    /// the shorter side to 256 and cropping 224, without resizing pixels that are then cut off.
    pub fn centre(&self, share: f64) -> Crop {
        let side = self.width.min(self.height) as f64 * share;
        let (left, top) = ((self.width as f64 - side) / 2.0, (self.height as f64 - side) / 2.0);
        Crop { left, top, width: side, height: side }
    }

    /// The whole picture.
    pub fn whole(&self) -> Crop {
        Crop { left: 0.0, top: 0.0, width: self.width as f64, height: self.height as f64 }
    }

    /// The pixels of a crop, resized to `[side, side, 3]` bilinearly with antialiasing.
    ///
    /// # Errors
    /// If the crop does not lie in the picture.
    pub fn resize(&self, crop: Crop, side: usize, resizer: &mut Resizer) -> Result<Vec<u8>, String> {
        self.resize_to(crop, side, side, resizer)
    }

    /// The pixels of a crop, resized to `[height, width, 3]` bilinearly with antialiasing.
    ///
    /// # Errors
    /// If the crop does not lie in the picture.
    pub fn resize_to(
        &self,
        crop: Crop,
        width: usize,
        height: usize,
        resizer: &mut Resizer,
    ) -> Result<Vec<u8>, String> {
        let mut pixels = vec![0; 3 * width * height];
        let source = TypedImageRef::<U8x3>::from_buffer(self.width as u32, self.height as u32, &self.rgb);
        let source = source.map_err(|error| error.to_string())?;
        let target = TypedImage::<U8x3>::from_buffer(width as u32, height as u32, &mut pixels);
        let mut target = target.map_err(|error| error.to_string())?;
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)).crop(
            crop.left,
            crop.top,
            crop.width,
            crop.height,
        );
        resizer.resize_typed(&source, &mut target, &options).map_err(|error| error.to_string())?;
        Ok(pixels)
    }
}

/// Appends pixels `[pixels, 3]` as planes `[3, pixels]`.
pub(super) fn append_planes(rgb: &[u8], planes: &mut Vec<u8>) {
    for channel in 0..3 {
        planes.extend(rgb.iter().skip(channel).step_by(3));
    }
}

/// Names the format of a file that is neither JPEG nor PNG, by its first bytes.
fn otherwise(bytes: &[u8]) -> &'static str {
    match bytes {
        [] => "it is empty",
        [b'G', b'I', b'F', b'8', ..] => "it is a GIF; only JPEG and PNG are read",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => {
            "it is WebP; only JPEG and PNG are read"
        }
        [b'B', b'M', ..] => "it is a bitmap (BMP); only JPEG and PNG are read",
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => "it is a TIFF; only JPEG and PNG are read",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "it is HEIC or AVIF; only JPEG and PNG are read",
        [b'<', ..] => "it is a web page; only JPEG and PNG are read",
        _ => "it is neither JPEG nor PNG",
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::data::samples::sample;

    #[test]
    fn a_truncated_jpeg_is_no_picture_with_a_grey_end() {
        let bytes = fs::read(sample("image-folder/train/cat/0003.jpg")).expect("the sample");
        let whole = Picture::decode(&bytes).expect("whole");
        assert_eq!((whole.width, whole.height), (32, 32));
        for length in 2..bytes.len() - 1 {
            assert!(Picture::decode(&bytes[..length]).is_err(), "{length} of {} bytes", bytes.len());
        }
        assert_eq!(Picture::decode(b"nothing"), Err("it is neither JPEG nor PNG".into()));
    }

    #[test]
    fn what_is_no_picture_is_called_what_it_is() {
        for (bytes, what) in [
            (&b""[..], "it is empty"),
            (b"GIF89a", "a GIF"),
            (b"RIFF\x10\0\0\0WEBPVP8 ", "WebP"),
            (b"\0\0\0\x20ftypheic", "HEIC"),
            (b"<!doctype html>", "a web page"),
        ] {
            let said = Picture::decode(bytes).expect_err(what);
            assert!(said.contains(what), "{said}");
        }
    }

    #[test]
    fn png_is_read_by_its_content() {
        let check = |color, samples: &[u8], rgb: &[u8]| {
            let mut bytes = Vec::new();
            let mut encoder = png::Encoder::new(&mut bytes, 2, 1);
            encoder.set_color(color);
            let mut writer = encoder.write_header().expect("encoded");
            writer.write_image_data(samples).expect("encoded");
            drop(writer);
            let picture = Picture { width: 2, height: 1, rgb: rgb.to_vec() };
            assert_eq!(Picture::decode(&bytes), Ok(picture), "{color:?}");
            assert!(Picture::decode(&bytes[..bytes.len() - 30]).is_err(), "{color:?}");
        };
        check(png::ColorType::Rgb, &[1, 2, 3, 250, 251, 252], &[1, 2, 3, 250, 251, 252]);
        check(png::ColorType::Rgba, &[1, 2, 3, 99, 250, 251, 252, 0], &[1, 2, 3, 250, 251, 252]);
        check(png::ColorType::Grayscale, &[7, 8], &[7, 7, 7, 8, 8, 8]);
        check(png::ColorType::GrayscaleAlpha, &[7, 99, 8, 0], &[7, 7, 7, 8, 8, 8]);
    }

    #[test]
    fn a_png_of_more_pixels_than_any_photograph_is_refused_before_they_are_given_memory() {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 20_000, 1);
        encoder.set_color(png::ColorType::Grayscale);
        let mut writer = encoder.write_header().expect("encoded");
        writer.write_image_data(&[0; 20_000]).expect("encoded");
        drop(writer);
        let expected = "it has 20000×1 pixels, more than 16384 in a direction";
        assert_eq!(Picture::decode(&bytes), Err(expected.into()));
    }

    #[test]
    fn resizing_to_the_same_size_changes_nothing() {
        let bytes = fs::read(sample("image-folder/train/cat/0003.jpg")).expect("the sample");
        let picture = Picture::decode(&bytes).expect("whole");
        let same = picture.resize(picture.centre(1.0), 32, &mut Resizer::new()).expect("resized");
        assert_eq!(same, picture.rgb);
    }

    #[test]
    fn the_centre_of_a_wide_picture_is_taken() {
        // Of the three grey columns, only the middle one is in the largest square.
        let picture = Picture { width: 3, height: 1, rgb: vec![0, 0, 0, 90, 90, 90, 200, 200, 200] };
        let centre = picture.resize(picture.centre(1.0), 1, &mut Resizer::new()).expect("resized");
        assert_eq!(centre, [90, 90, 90]);
        let mut planes = Vec::new();
        append_planes(&picture.rgb, &mut planes);
        assert_eq!(planes, [0, 90, 200, 0, 90, 200, 0, 90, 200]);
    }
}
