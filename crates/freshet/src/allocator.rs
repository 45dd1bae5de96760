//! What the allocator is told before records are received.

/// What Kafka sends comes in buffers of a few MiB each, one after the other. glibc maps such blocks anew each time and
/// gives them back when they are freed, or trims them off the end of its heaps, so that the kernel clears a page for
/// every 4 KiB received: 15 % of the processor time of a drain of large records. Freeing a mapped block raises the size
/// from which blocks are mapped to that of the block, and what may stay at the end of a heap to twice that, for good
/// (`M_MMAP_THRESHOLD` in mallopt(3)); 32 MiB is the most that it heeds. Elsewhere than in glibc this does nothing.
pub(crate) fn keep_large_blocks() {
    const BYTES: usize = 31 << 20;
    // Untouched: no page of it is ever there.
    drop(std::hint::black_box(Vec::<u8>::with_capacity(BYTES)));
}
