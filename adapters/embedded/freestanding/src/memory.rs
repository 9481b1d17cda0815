//! What the compiler calls for copies and comparisons, and expects of a C library. Each access is a
//! volatile one, so that it does not recognize the loops and call themselves.

use core::ptr::{read_volatile, write_volatile};

/// # Safety
/// As in C: `len` bytes at both places, which do not overlap.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    for at in 0..len {
        // SAFETY: the caller says that so many bytes are there.
        unsafe { write_volatile(to.wrapping_add(at), read_volatile(from.wrapping_add(at))) };
    }
    to
}

/// # Safety
/// As in C: `len` bytes at both places.
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    if to.cast_const() <= from {
        // SAFETY: going up, what is written has been read already.
        return unsafe { memcpy(to, from, len) };
    }
    for at in (0..len).rev() {
        // SAFETY: the caller says that so many bytes are there.
        unsafe { write_volatile(to.wrapping_add(at), read_volatile(from.wrapping_add(at))) };
    }
    to
}

/// # Safety
/// As in C: `len` bytes at the place.
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: i32, len: usize) -> *mut u8 {
    for at in 0..len {
        // SAFETY: the caller says that so many bytes are there.
        unsafe { write_volatile(to.wrapping_add(at), byte as u8) };
    }
    to
}

/// # Safety
/// As in C: `len` bytes at both places.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(one: *const u8, other: *const u8, len: usize) -> i32 {
    for at in 0..len {
        // SAFETY: the caller says that so many bytes are there.
        let (one, other) = unsafe {
            (
                read_volatile(one.wrapping_add(at)),
                read_volatile(other.wrapping_add(at)),
            )
        };
        if one != other {
            return i32::from(one) - i32::from(other);
        }
    }
    0
}

/// # Safety
/// As in C: `len` bytes at both places.
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(one: *const u8, other: *const u8, len: usize) -> i32 {
    // SAFETY: the same is asked.
    unsafe { memcmp(one, other, len) }
}
