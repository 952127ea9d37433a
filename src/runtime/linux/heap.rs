//! The heap of a command that runs for a moment, and then ends.

/// What most commands need, in bytes.
#[cfg(target_env = "gnu")]
const AHEAD: usize = 2 << 20;
/// What the C library would map by itself rather than take from the heap, halved.
#[cfg(target_env = "gnu")]
const PIECE: usize = 64 << 10;

/// One heap for all threads, and its pages all at once. To take them one by one, each at a fault of its own, takes several times as long, and a
/// command that looks and finds nothing to do is done in some milliseconds.
pub fn one_heap() {
    // Source: mallopt(3), madvise(2). Other C libraries have no such heaps.
    #[cfg(target_env = "gnu")]
    // SAFETY: numbers only, and a range that the heap has just grown by; what is refused changes nothing.
    unsafe {
        let ahead = libc::c_int::try_from(AHEAD).unwrap_or(libc::c_int::MAX);
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_TOP_PAD, ahead);
        libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
        let began = libc::sbrk(0) as usize;
        // The heap grows once what it began with is taken.
        drop(std::hint::black_box([(); 3].map(|()| Vec::<u8>::with_capacity(PIECE))));
        let ended = libc::sbrk(0) as usize;
        let page = 4096;
        let first = began.next_multiple_of(page);
        if first < ended {
            libc::madvise(first as *mut libc::c_void, ended - first, libc::MADV_POPULATE_WRITE);
        }
    }
}
