//! How this process gets its memory.

/// Lets all threads share one heap that grows by 1 MiB. The C library gives each thread one of its own else, which grows page by page, with a
/// system call each: a good part of what a short command takes. To be called before there are threads.
pub fn one_heap() {
    // Source: mallopt(3). Other C libraries have no such heaps.
    #[cfg(target_env = "gnu")]
    // SAFETY: numbers only; what is refused changes nothing.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_TOP_PAD, 1 << 20);
    }
}
