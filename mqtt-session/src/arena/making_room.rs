//! Making room where there is none as it is: by closing gaps or growing, whichever moves less.

use crate::arena::BLOCK_HEADER;
use crate::request::Full;
use crate::sender::Sending;
use crate::store::OutboundStore;

impl<O: OutboundStore> Sending<'_, O> {
    /// Makes room for a block of `len` bytes in the arena.
    pub(crate) fn room_for(&mut self, len: usize) -> Result<(), Full> {
        let arena = &mut self.out.exchanges.arena;
        let parts = self.store.parts();
        if arena.fits(parts.arena, len) || arena.turn(parts.arena, len) {
            return Ok(());
        }
        // Closing gaps pays when it frees at least half; otherwise growing is cheaper.
        let sparse = arena.live() <= parts.arena.len() / 2;
        if sparse && arena.fits_packed(parts.arena, len) {
            arena.pack(parts.arena, parts.records);
            return Ok(());
        }
        let needed = len.saturating_add(BLOCK_HEADER);
        if self.grow_arena(needed) {
            return Ok(());
        }
        if needed > self.store.arena_limit() {
            return Err(Full::Ever);
        }
        // Packed, a smaller growth may do where the one above did not.
        let arena = &mut self.out.exchanges.arena;
        let fits = arena.live().saturating_add(needed) <= self.store.arena_limit();
        if !fits || !arena.pays_to_pack(self.store.arena()) {
            return Err(Full::Now);
        }
        let parts = self.store.parts();
        arena.pack(parts.arena, parts.records);
        if arena.fits(parts.arena, len) || self.grow_arena(needed) {
            return Ok(());
        }
        Err(Full::Now)
    }

    /// Makes the arena longer, so that `needed` bytes can be taken in one piece.
    fn grow_arena(&mut self, needed: usize) -> bool {
        let arena = &mut self.out.exchanges.arena;
        if !self.store.grow_arena(arena.growing_end(), needed) {
            return false;
        }
        if arena.is_turned() {
            let parts = self.store.parts();
            arena.pack(parts.arena, parts.records);
        }
        true
    }
}
