//! Flash memory that loses its power.

use crate::dice::Dice;
use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// The power: it lasts for so many steps, of whatever kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Power(Rc<Cell<Option<usize>>>);

impl Power {
    /// On, for so many steps; None: for ever.
    pub(crate) fn on(&self, steps: Option<usize>) {
        self.0.set(steps);
    }

    /// Takes a step; false when the power fails in it.
    pub(crate) fn step(&self) -> bool {
        match self.0.get() {
            Some(0) => false,
            Some(left) => {
                self.0.set(Some(left - 1));
                true
            }
            None => true,
        }
    }
}

/// NOR flash: erasing sets bits in sectors of 256 bytes, writing clears them in words of 8.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    cells: Rc<RefCell<Vec<u8>>>,
    power: Power,
    dice: Rc<RefCell<Dice>>,
}

/// The power failed, or somebody did what such memory does not allow.
#[derive(Debug, PartialEq)]
pub(crate) struct Failed;

impl NorFlashError for Failed {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl Memory {
    pub(crate) fn new(len: usize, power: &Power, seed: u64) -> Self {
        Self {
            cells: Rc::new(RefCell::new(vec![0xff; len])),
            power: power.clone(),
            dice: Rc::new(RefCell::new(Dice::new(seed))),
        }
    }

    /// Flips a bit.
    pub(crate) fn rots(&self, at: usize) {
        self.cells.borrow_mut()[at] ^= 0x10;
    }
}

impl ErrorType for Memory {
    type Error = Failed;
}

impl ReadNorFlash for Memory {
    const READ_SIZE: usize = 4;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Failed> {
        let at = offset as usize;
        bytes.copy_from_slice(&self.cells.borrow()[at..at + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.cells.borrow().len()
    }
}

impl NorFlash for Memory {
    const WRITE_SIZE: usize = 8;
    const ERASE_SIZE: usize = 256;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Failed> {
        let (from, to) = (from as usize, to as usize);
        assert!(from.is_multiple_of(256) && to.is_multiple_of(256) && from < to);
        let mut cells = self.cells.borrow_mut();
        for sector in (from..to).step_by(256) {
            if !self.power.step() {
                // Some of the bits have come up.
                for cell in &mut cells[sector..sector + 256] {
                    *cell |= self.dice.borrow_mut().roll() as u8;
                }
                return Err(Failed);
            }
            cells[sector..sector + 256].fill(0xff);
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Failed> {
        let at = offset as usize;
        assert!(at.is_multiple_of(8) && bytes.len().is_multiple_of(8));
        let mut cells = self.cells.borrow_mut();
        for (word, at) in bytes.chunks(8).zip((at..).step_by(8)) {
            let powered = self.power.step();
            for (cell, byte) in cells[at..at + 8].iter_mut().zip(word) {
                assert_eq!(*cell, 0xff, "written without being erased");
                // Some of the bits have gone down.
                let unfinished = if powered {
                    0
                } else {
                    self.dice.borrow_mut().roll() as u8
                };
                *cell &= byte | unfinished;
            }
            if !powered {
                return Err(Failed);
            }
        }
        Ok(())
    }
}
