//! The memory allocator of the engine, libtorch included.
//!
//! Training frees and allocates the same large tensors at every step. The C library gives such memory back to the
//! system each time, and the system has to clear it again before the next step, which costs about a tenth of the time
//! of a step on a CPU. So it is told to keep everything.

/// Has the C library keep memory that is freed for what is allocated next. Called once, when the program starts,
/// before there are other threads. Other C libraries than glibc are left as they are.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    for (option, value) in [
        // Large blocks come from the heap, not from mappings of their own, which end with the block.
        (libc::M_MMAP_MAX, 0),
        // The heap never shrinks.
        (libc::M_TRIM_THRESHOLD, -1),
        // It grows by this many bytes more than is asked for.
        (libc::M_TOP_PAD, 64 << 20),
        // One heap for all threads: what a thread freed serves the next one.
        (libc::M_ARENA_MAX, 1),
    ] {
        // SAFETY: `mallopt` takes any numbers, and reads no memory.
        unsafe { libc::mallopt(option, value) };
    }
}
