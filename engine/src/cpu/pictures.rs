//! Pixels of a batch as the kernels read them.

use tch::{TchError, Tensor};

/// Images `[N, 3, H, W]` as contiguous pixels `[N, H, W, 3]`; no copy if channels lie last in memory already.
///
/// # Errors
/// If memory runs out.
pub fn pictures(images: &Tensor) -> Result<Tensor, TchError> {
    images.f_permute([0, 2, 3, 1])?.f_contiguous()
}
