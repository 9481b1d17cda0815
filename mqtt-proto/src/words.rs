//! What a value says in words, once: for `Display`, and with the feature `defmt` for a log.

/// Writes `Display` and `defmt::Format` of a type: for each pattern a text, and what stands in it.
///
/// The text is one that both understand, so its arguments have no names in it. In a program that
/// logs with `defmt` it costs two bytes of the log.
macro_rules! words {
    ($type:ty: $($pattern:pat => $text:literal $(, $argument:expr)*;)+) => {
        impl core::fmt::Display for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self {
                    $($pattern => write!(f, $text $(, $argument)*),)+
                }
            }
        }

        #[cfg(feature = "defmt")]
        impl defmt::Format for $type {
            fn format(&self, f: defmt::Formatter<'_>) {
                match self {
                    $($pattern => defmt::write!(f, $text $(, $argument)*),)+
                }
            }
        }
    };
}

/// As [`words`], for names alone: `Display` keeps to the width that is asked for.
macro_rules! names {
    ($type:ty: $($pattern:pat => $name:literal;)+) => {
        impl core::fmt::Display for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(match self {
                    $($pattern => $name,)+
                })
            }
        }

        #[cfg(feature = "defmt")]
        impl defmt::Format for $type {
            fn format(&self, f: defmt::Formatter<'_>) {
                match self {
                    $($pattern => defmt::write!(f, $name),)+
                }
            }
        }
    };
}

pub(crate) use {names, words};

/// A text that stands among the words as it is: inside of a struct, `defmt` would quote it.
pub(crate) struct Plain(pub(crate) &'static str);

impl core::fmt::Display for Plain {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Plain {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=str:a}", self.0);
    }
}
