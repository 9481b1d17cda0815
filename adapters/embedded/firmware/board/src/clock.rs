//! The time since the start, counted by SysTick.

use core::sync::atomic::{AtomicU32, Ordering};
use cortex_m::peripheral::{Peripherals, syst::SystClkSource};
use cortex_m_rt::exception;

/// The internal oscillator, which the processor runs on after a reset.
const HERTZ: u32 = 12_000_000;

// Cortex-M0 has no atomic addition, and no processor of the family atomics of 64 bits.
static LOW: AtomicU32 = AtomicU32::new(0);
static HIGH: AtomicU32 = AtomicU32::new(0);

/// False the second time.
pub(crate) fn start() -> bool {
    let Some(peripherals) = Peripherals::take() else {
        return false;
    };
    let mut systick = peripherals.SYST;
    systick.set_clock_source(SystClkSource::Core);
    systick.set_reload(HERTZ / 1000 - 1);
    systick.clear_current();
    systick.enable_counter();
    systick.enable_interrupt();
    true
}

#[exception]
fn SysTick() {
    let low = LOW.load(Ordering::Relaxed).wrapping_add(1);
    LOW.store(low, Ordering::Relaxed);
    if low == 0 {
        HIGH.store(
            HIGH.load(Ordering::Relaxed).wrapping_add(1),
            Ordering::Relaxed,
        );
    }
}

/// Milliseconds since the start.
#[must_use]
pub fn millis() -> u64 {
    cortex_m::interrupt::free(|_| {
        u64::from(HIGH.load(Ordering::Relaxed)) << 32 | u64::from(LOW.load(Ordering::Relaxed))
    })
}
