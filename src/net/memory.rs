//! Memory that nobody uses any more, back to the system.
//!
//! The second file with `unsafe`, for one call (decision 4).
#![allow(unsafe_code)]

/// Gives back what the allocator keeps for later. Takes some milliseconds for each 100 MB, in which a thread that wants
/// memory from the same arena waits; threads have arenas of their own.
#[cfg(target_env = "gnu")]
pub fn give_back() {
    // SAFETY: it takes no pointer, and the allocator locks what it looks at.
    unsafe { libc::malloc_trim(0) };
}

/// Other allocators do it by themselves, or not at all.
#[cfg(not(target_env = "gnu"))]
pub fn give_back() {}
