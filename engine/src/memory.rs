//! The numbers of a libtorch tensor, where they lie.

use std::slice;

use tch::{Device, TchError, Tensor, kind::Element};

fn check<T: Element>(tensor: &Tensor) -> Result<(), TchError> {
    let found = (tensor.f_kind()?, tensor.device(), tensor.is_contiguous());
    if found == (T::KIND, Device::Cpu, true) {
        return Ok(());
    }
    Err(TchError::Kind(format!("contiguous {:?} in main memory is needed, not {found:?}", T::KIND)))
}

/// All numbers of a contiguous tensor in main memory.
///
/// # Errors
/// If it is something else.
pub fn values<T: Element>(tensor: &Tensor) -> Result<&[T], TchError> {
    check::<T>(tensor)?;
    if tensor.numel() == 0 {
        return Ok(&[]);
    }
    // SAFETY: contiguous, of this type, in main memory, and alive as long as the tensor. Others
    // change it only through operations that need the tensor's owner.
    Ok(unsafe { slice::from_raw_parts(tensor.data_ptr().cast(), tensor.numel()) })
}

/// All numbers of a contiguous tensor in main memory, to be changed.
///
/// # Errors
/// If it is something else.
pub fn values_mut<T: Element>(tensor: &mut Tensor) -> Result<&mut [T], TchError> {
    check::<T>(tensor)?;
    if tensor.numel() == 0 {
        return Ok(&mut []);
    }
    // SAFETY: as in `values`.
    Ok(unsafe { slice::from_raw_parts_mut(tensor.data_ptr().cast(), tensor.numel()) })
}
