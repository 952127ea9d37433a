//! How this process gets its memory.

/// Has threads share a few heaps that grow by 1 MiB. The C library gives each thread one of its own else, which grows page by page, with a
/// system call each: a good part of what a short command takes. With one for all, those that read at the same time wait for each other. To be
/// called before there are threads.
pub fn few_heaps() {
    // Source: mallopt(3). Other C libraries have no such heaps.
    #[cfg(target_env = "gnu")]
    // SAFETY: numbers only; what is refused changes nothing.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 4);
        libc::mallopt(libc::M_TOP_PAD, 1 << 20);
    }
}
