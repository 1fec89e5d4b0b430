//! Sixteen numbers at a time, with whatever vector instructions this processor has.
//!
//! A [`Kernel`] is written once, against [`Simd`], and compiled for every instruction set;
//! [`dispatch`] runs the best one. The implementations differ only in whether a multiplication and
//! an addition are rounded together, so results agree between processors to rounding.

use std::{slice, sync::OnceLock};

/// Sixteen channels of one pixel: the unit of storage, and one cache line.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub struct Lanes(pub [f32; LANES]);

/// Channels in a [`Lanes`].
pub const LANES: usize = 16;

impl Lanes {
    /// Sixteen zeros.
    pub const ZERO: Self = Self([0.0; LANES]);
}

/// The numbers one after the other.
pub fn numbers(lanes: &[Lanes]) -> &[f32] {
    // SAFETY: `Lanes` is an array of 16 numbers without padding.
    unsafe { slice::from_raw_parts(lanes.as_ptr().cast(), LANES * lanes.len()) }
}

/// The numbers one after the other, to be changed.
pub fn numbers_mut(lanes: &mut [Lanes]) -> &mut [f32] {
    // SAFETY: `Lanes` is an array of 16 numbers without padding.
    unsafe { slice::from_raw_parts_mut(lanes.as_mut_ptr().cast(), LANES * lanes.len()) }
}

/// Arithmetic on sixteen numbers. A value of this type proves that the processor can do it.
pub trait Simd: Copy {
    /// Sixteen numbers in registers.
    type V: Copy;

    /// Reads sixteen numbers from memory.
    fn load(self, from: &Lanes) -> Self::V;
    /// Writes sixteen numbers to memory.
    fn store(self, value: Self::V, to: &mut Lanes);
    /// One number sixteen times.
    fn splat(self, value: f32) -> Self::V;
    /// `a + b`
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a − b`
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a · b`
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a · b + c`
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger; `b` where one is not a number.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// `value` where `sign` is positive, 0 elsewhere.
    fn where_positive(self, sign: Self::V, value: Self::V) -> Self::V;
    /// `value` where `a` equals `b`, 0 elsewhere.
    fn where_equal(self, a: Self::V, b: Self::V, value: Self::V) -> Self::V;

    /// Sixteen zeros.
    #[inline(always)]
    fn zero(self) -> Self::V {
        self.splat(0.0)
    }
}

/// A computation that can be compiled to the instructions of any [`Simd`].
pub trait Kernel {
    /// What it returns, beside what it writes to the memory that it was given.
    type Output;

    /// Computes. It must be `#[inline(always)]`, so that it is compiled with the instructions of `S`.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// Runs a kernel with the best instructions of this processor.
pub fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    match Level::of_this_processor() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the level was detected.
        Level::Avx512 => unsafe { x86::run_avx512(kernel) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the level was detected.
        Level::Avx2 => unsafe { x86::run_avx2(kernel) },
        Level::Portable => kernel.run(Portable),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
}

impl Level {
    fn of_this_processor() -> Self {
        static LEVEL: OnceLock<Level> = OnceLock::new();
        *LEVEL.get_or_init(|| {
            #[cfg(target_arch = "x86_64")]
            {
                if is_x86_feature_detected!("avx512f") {
                    return Self::Avx512;
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    return Self::Avx2;
                }
            }
            Self::Portable
        })
    }
}

/// Plain Rust, for the compiler to vectorise with what every processor of the target has.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

#[inline(always)]
fn each(a: Lanes, b: Lanes, f: impl Fn(f32, f32) -> f32) -> Lanes {
    let mut result = a;
    for (r, b) in result.0.iter_mut().zip(b.0) {
        *r = f(*r, b);
    }
    result
}

impl Simd for Portable {
    type V = Lanes;

    #[inline(always)]
    fn load(self, from: &Lanes) -> Lanes {
        *from
    }

    #[inline(always)]
    fn store(self, value: Lanes, to: &mut Lanes) {
        *to = value;
    }

    #[inline(always)]
    fn splat(self, value: f32) -> Lanes {
        Lanes([value; LANES])
    }

    #[inline(always)]
    fn add(self, a: Lanes, b: Lanes) -> Lanes {
        each(a, b, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, a: Lanes, b: Lanes) -> Lanes {
        each(a, b, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, a: Lanes, b: Lanes) -> Lanes {
        each(a, b, |a, b| a * b)
    }

    #[inline(always)]
    fn mul_add(self, a: Lanes, b: Lanes, c: Lanes) -> Lanes {
        self.add(self.mul(a, b), c)
    }

    #[inline(always)]
    fn max(self, a: Lanes, b: Lanes) -> Lanes {
        each(a, b, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn where_positive(self, sign: Lanes, value: Lanes) -> Lanes {
        each(sign, value, |s, v| if s > 0.0 { v } else { 0.0 })
    }

    #[inline(always)]
    fn where_equal(self, a: Lanes, b: Lanes, value: Lanes) -> Lanes {
        let same = each(a, b, |a, b| if a == b { 1.0 } else { 0.0 });
        each(same, value, |s, v| if s > 0.0 { v } else { 0.0 })
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256, __m512, _CMP_EQ_OQ, _CMP_GT_OQ, _mm256_add_ps, _mm256_and_ps, _mm256_cmp_ps, _mm256_fmadd_ps,
        _mm256_load_ps, _mm256_max_ps, _mm256_mul_ps, _mm256_set1_ps, _mm256_store_ps, _mm256_sub_ps,
        _mm512_add_ps, _mm512_cmp_ps_mask, _mm512_fmadd_ps, _mm512_load_ps, _mm512_maskz_mov_ps,
        _mm512_max_ps, _mm512_mul_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_store_ps, _mm512_sub_ps,
    };

    use super::{Kernel, Lanes, Simd};

    /// # Safety
    /// The processor must have AVX-512F.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
        kernel.run(Avx512(()))
    }

    /// # Safety
    /// The processor must have AVX2 and FMA.
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
        kernel.run(Avx2(()))
    }

    /// Made only by [`run_avx512`], hence proof that AVX-512F is there.
    #[derive(Clone, Copy)]
    pub struct Avx512(());

    /// Made only by [`run_avx2`], hence proof that AVX2 and FMA are there.
    #[derive(Clone, Copy)]
    pub struct Avx2(());

    // SAFETY of all blocks below: the instructions are there, because `self` is; a `Lanes` is 64
    // bytes, aligned to 64.
    impl Simd for Avx512 {
        type V = __m512;

        #[inline(always)]
        fn load(self, from: &Lanes) -> __m512 {
            unsafe { _mm512_load_ps(from.0.as_ptr()) }
        }

        #[inline(always)]
        fn store(self, value: __m512, to: &mut Lanes) {
            unsafe { _mm512_store_ps(to.0.as_mut_ptr(), value) }
        }

        #[inline(always)]
        fn splat(self, value: f32) -> __m512 {
            unsafe { _mm512_set1_ps(value) }
        }

        #[inline(always)]
        fn add(self, a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_add_ps(a, b) }
        }

        #[inline(always)]
        fn sub(self, a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_sub_ps(a, b) }
        }

        #[inline(always)]
        fn mul(self, a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_mul_ps(a, b) }
        }

        #[inline(always)]
        fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }

        #[inline(always)]
        fn max(self, a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_max_ps(a, b) }
        }

        #[inline(always)]
        fn where_positive(self, sign: __m512, value: __m512) -> __m512 {
            unsafe {
                let mask = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(sign, _mm512_setzero_ps());
                _mm512_maskz_mov_ps(mask, value)
            }
        }

        #[inline(always)]
        fn where_equal(self, a: __m512, b: __m512, value: __m512) -> __m512 {
            unsafe { _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b), value) }
        }
    }

    impl Simd for Avx2 {
        type V = [__m256; 2];

        #[inline(always)]
        fn load(self, from: &Lanes) -> Self::V {
            unsafe { [_mm256_load_ps(from.0.as_ptr()), _mm256_load_ps(from.0[8..].as_ptr())] }
        }

        #[inline(always)]
        fn store(self, value: Self::V, to: &mut Lanes) {
            unsafe {
                _mm256_store_ps(to.0.as_mut_ptr(), value[0]);
                _mm256_store_ps(to.0[8..].as_mut_ptr(), value[1]);
            }
        }

        #[inline(always)]
        fn splat(self, value: f32) -> Self::V {
            unsafe { [_mm256_set1_ps(value); 2] }
        }

        #[inline(always)]
        fn add(self, a: Self::V, b: Self::V) -> Self::V {
            unsafe { [_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])] }
        }

        #[inline(always)]
        fn sub(self, a: Self::V, b: Self::V) -> Self::V {
            unsafe { [_mm256_sub_ps(a[0], b[0]), _mm256_sub_ps(a[1], b[1])] }
        }

        #[inline(always)]
        fn mul(self, a: Self::V, b: Self::V) -> Self::V {
            unsafe { [_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])] }
        }

        #[inline(always)]
        fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
            unsafe { [_mm256_fmadd_ps(a[0], b[0], c[0]), _mm256_fmadd_ps(a[1], b[1], c[1])] }
        }

        #[inline(always)]
        fn max(self, a: Self::V, b: Self::V) -> Self::V {
            unsafe { [_mm256_max_ps(a[0], b[0]), _mm256_max_ps(a[1], b[1])] }
        }

        #[inline(always)]
        fn where_positive(self, sign: Self::V, value: Self::V) -> Self::V {
            unsafe {
                let zero = _mm256_set1_ps(0.0);
                [
                    _mm256_and_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(sign[0], zero), value[0]),
                    _mm256_and_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(sign[1], zero), value[1]),
                ]
            }
        }

        #[inline(always)]
        fn where_equal(self, a: Self::V, b: Self::V, value: Self::V) -> Self::V {
            unsafe {
                [
                    _mm256_and_ps(_mm256_cmp_ps::<_CMP_EQ_OQ>(a[0], b[0]), value[0]),
                    _mm256_and_ps(_mm256_cmp_ps::<_CMP_EQ_OQ>(a[1], b[1]), value[1]),
                ]
            }
        }
    }
}
