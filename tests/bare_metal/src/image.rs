//! What is in a program, once it is linked.

use std::fs;
use std::path::Path;

use object::{Object, ObjectSection, ObjectSymbol, SectionFlags, SectionKind, SymbolKind, elf};

/// What the names of all that panics have in them.
pub const PANICS: &[&str] = &[
    "panic",
    "rust_begin_unwind",
    "slice_index_fail",
    "len_mismatch_fail",
    "unwrap_failed",
    "expect_failed",
];

/// A linked program.
#[derive(Debug, Clone)]
pub struct Image {
    /// Bytes of code, constants, and what is copied to memory at the start.
    pub size: u64,
    /// Functions and constants that have a name, the largest first.
    pub symbols: Vec<Symbol>,
    /// Whether it is completed with libraries when it is loaded.
    pub is_dynamic: bool,
}

/// A function or a constant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// The name as it stands in the source, with its path.
    pub name: String,
    /// Bytes.
    pub size: u64,
}

impl Image {
    /// Reads a program in the ELF format, with its symbols.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn read(path: &Path) -> Result<Self, String> {
        let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let file = object::File::parse(&*bytes).map_err(|error| error.to_string())?;
        let size = file
            .sections()
            .filter(|section| is_stored(section.flags(), section.kind()))
            .map(|s| s.size());
        let mut symbols: Vec<_> = file
            .symbols()
            .filter(|symbol| matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Data))
            .filter(|symbol| symbol.is_definition())
            .map(|symbol| Symbol {
                name: format!(
                    "{:#}",
                    rustc_demangle::demangle(symbol.name().unwrap_or_default())
                ),
                size: symbol.size(),
            })
            .collect();
        symbols.sort_by(|one, other| (other.size, &one.name).cmp(&(one.size, &other.name)));
        Ok(Self {
            size: size.sum(),
            symbols,
            is_dynamic: file.dynamic_symbol_table().is_some(),
        })
    }

    /// Names in which one of the words occurs.
    #[must_use]
    pub fn named(&self, words: &[&str]) -> Vec<&str> {
        let names = self.symbols.iter().map(|symbol| symbol.name.as_str());
        names
            .filter(|name| words.iter().any(|word| name.contains(word)))
            .collect()
    }
}

/// Whether a section lies in flash memory: it is loaded, and not just memory that begins as zeros. What kind
/// it is says too little: constants that may be merged count as strings.
fn is_stored(flags: SectionFlags, kind: SectionKind) -> bool {
    let loaded = match flags {
        SectionFlags::Elf { sh_flags, .. } => sh_flags.0 & elf::SHF_ALLOC.0 != 0,
        _ => false,
    };
    loaded && kind != SectionKind::UninitializedData
}
