//! The counting allocator, which feature `allocs` brings. Without it every count is zero, so that rows need no second form.

/// Whether anything is counted.
pub const COUNTED: bool = cfg!(feature = "allocs");

#[cfg(feature = "allocs")]
#[global_allocator]
static ALLOCATOR: &stats_alloc::StatsAlloc<std::alloc::System> = &stats_alloc::INSTRUMENTED_SYSTEM;

/// Allocations and reallocations until now, of all threads.
pub fn count() -> usize {
    #[cfg(feature = "allocs")]
    {
        let stats = ALLOCATOR.stats();
        stats.allocations + stats.reallocations
    }
    #[cfg(not(feature = "allocs"))]
    0
}

/// Bytes that are allocated now.
pub fn live() -> usize {
    #[cfg(feature = "allocs")]
    {
        let stats = ALLOCATOR.stats();
        stats.bytes_allocated.wrapping_sub(stats.bytes_deallocated)
    }
    #[cfg(not(feature = "allocs"))]
    0
}
