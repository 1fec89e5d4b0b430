//! Access to the numbers of a libtorch tensor without copying them.

use std::slice;

use tch::{Device, TchError, Tensor, kind::Element};

fn check<T: Element>(tensor: &Tensor) -> Result<(), TchError> {
    let found = (tensor.f_kind()?, tensor.device(), tensor.is_contiguous());
    if found == (T::KIND, Device::Cpu, true) {
        return Ok(());
    }
    Err(TchError::Kind(format!("contiguous {:?} in main memory is needed, not {found:?}", T::KIND)))
}

/// All numbers of a contiguous tensor of this type in main memory.
///
/// # Errors
/// If the tensor is not contiguous, of another type, or on another device.
pub fn values<T: Element>(tensor: &Tensor) -> Result<&[T], TchError> {
    check::<T>(tensor)?;
    if tensor.numel() == 0 {
        return Ok(&[]);
    }
    // SAFETY: the tensor is contiguous, of this type, in main memory, and alive as long as the slice. Its
    // numbers change only through operations that need the owner of the tensor.
    Ok(unsafe { slice::from_raw_parts(tensor.data_ptr().cast(), tensor.numel()) })
}

/// All numbers of a contiguous tensor of this type in main memory, to be changed.
///
/// # Errors
/// If the tensor is not contiguous, of another type, or on another device.
pub fn values_mut<T: Element>(tensor: &mut Tensor) -> Result<&mut [T], TchError> {
    check::<T>(tensor)?;
    if tensor.numel() == 0 {
        return Ok(&mut []);
    }
    // SAFETY: the conditions are those in `values`.
    Ok(unsafe { slice::from_raw_parts_mut(tensor.data_ptr().cast(), tensor.numel()) })
}
