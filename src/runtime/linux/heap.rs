//! How this process gets its memory.

/// Most heaps, however many processors there are.
#[cfg(target_env = "gnu")]
const MOST: libc::c_int = 4;

/// Room that a heap begins with, and the first grows by, in bytes; only what is used of it becomes memory.
#[cfg(target_env = "gnu")]
const ROOM: libc::c_int = 8 << 20;

/// Has threads share a heap for each processor, each with room from its beginning. The C library gives each thread one of its own else, which
/// grows page by page, with a system call each: a good part of what a short command takes. With one for all, those that read at the same time
/// wait for each other. To be called before there are threads.
pub fn few_heaps() {
    // Source: mallopt(3). Other C libraries have no such heaps.
    #[cfg(target_env = "gnu")]
    // SAFETY: the set is plain memory of the size that is given; besides numbers only, and what is refused changes nothing.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::sched_getaffinity(0, size_of_val(&set), &raw mut set);
        libc::mallopt(libc::M_ARENA_MAX, libc::CPU_COUNT(&set).clamp(1, MOST));
        libc::mallopt(libc::M_TOP_PAD, ROOM);
    }
}
