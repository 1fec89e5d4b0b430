//! The memory allocator of the engine, libtorch included.
//!
//! Training frees and allocates the same large tensors at every step. jemalloc keeps their pages (its decay
//! is switched off), so the kernel need not clear them again and again, which saves about a tenth of the time
//! of a step on a CPU. jemalloc replaces `malloc` in the whole program; a program that wants it for its Rust
//! code too declares it with `#[global_allocator]`.

pub use tikv_jemallocator::Jemalloc;

/// The options that jemalloc reads when the program starts.
#[used]
#[cfg(not(any(target_os = "android", target_vendor = "apple", target_env = "musl")))]
#[unsafe(export_name = "malloc_conf")]
pub static OPTIONS: Option<&'static std::ffi::c_char> = {
    const TEXT: &std::ffi::CStr = c"dirty_decay_ms:-1,muzzy_decay_ms:-1,narenas:1";
    // SAFETY: the pointer is to a C string that lives as long as the program.
    Some(unsafe { &*TEXT.as_ptr() })
};
