//! Bytes of others, made safe to show on a terminal.

use std::io::{self, Write};

/// Writes text with control characters, which could command the terminal, as escapes, and bytes
/// that are not UTF-8 as `\xNN`. Line feeds and tabs stay.
pub(crate) fn write_escaped(out: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    for chunk in bytes.utf8_chunks() {
        let mut plain = 0;
        for (at, character) in chunk.valid().char_indices() {
            if is_harmless(character) {
                continue;
            }
            out.write_all(&chunk.valid().as_bytes()[plain..at])?;
            match character {
                '\r' => out.write_all(b"\\r")?,
                '\0'..='\x7f' => write!(out, "\\x{:02x}", u32::from(character))?,
                _ => write!(out, "\\u{{{:x}}}", u32::from(character))?,
            }
            plain = at + character.len_utf8();
        }
        out.write_all(&chunk.valid().as_bytes()[plain..])?;
        for byte in chunk.invalid() {
            write!(out, "\\x{byte:02x}")?;
        }
    }
    Ok(())
}

fn is_harmless(character: char) -> bool {
    match character {
        '\n' | '\t' => true,
        // These turn the direction of writing round: text would be read as another one.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => false,
        other => !other.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        write_escaped(&mut out, bytes).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_stays_as_it_is() {
        assert_eq!(escaped("21.5 °C\n\tänd 😀".as_bytes()), "21.5 °C\n\tänd 😀");
        assert_eq!(escaped(b""), "");
    }

    #[test]
    fn what_commands_a_terminal_is_escaped() {
        assert_eq!(
            escaped(b"\x1b[2Jgone\x07\r\0\x7f"),
            r"\x1b[2Jgone\x07\r\x00\x7f"
        );
        assert_eq!(
            escaped("a\u{9b}31m\u{202e}b".as_bytes()),
            r"a\u{9b}31m\u{202e}b"
        );
    }

    #[test]
    fn what_is_no_text_is_escaped_byte_by_byte() {
        assert_eq!(escaped(b"a\xff\xc3\xa4\xc3"), "a\\xffä\\xc3");
    }
}
