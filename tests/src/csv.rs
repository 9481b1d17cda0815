//! Reading comma-separated values with quoted fields (RFC 4180).

use core::fmt;

/// Why a text is not the table that was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvError {
    /// Line on which the offending record begins, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for CsvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl core::error::Error for CsvError {}

/// The rows below a header that must read exactly `header`, each with as many fields.
///
/// # Errors
/// Another header, a row with another number of fields, a quote inside an unquoted field,
/// text after a closing quote, or a quote that is never closed.
pub fn table<const N: usize>(text: &str, header: [&str; N]) -> Result<Vec<[String; N]>, CsvError> {
    let mut rows = Reader::new(text);
    let first = rows.next().transpose()?;
    if first.as_ref().is_none_or(|(_, fields)| fields != &header) {
        return Err(CsvError {
            line: 1,
            what: format!("the header must be {}", header.join(",")),
        });
    }
    rows.map(|row| {
        let (line, fields) = row?;
        <[String; N]>::try_from(fields).map_err(|fields| CsvError {
            line,
            what: format!("{} fields, must be {N}", fields.len()),
        })
    })
    .collect()
}

/// Yields each record with the line it begins on.
struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text,
            line: 1,
        }
    }

    /// Takes one field; true when the record goes on after it.
    fn field(&mut self) -> Result<(String, bool), String> {
        let value = match self.rest.strip_prefix('"') {
            Some(quoted) => {
                self.rest = quoted;
                self.quoted()?
            }
            None => {
                let end = self.rest.find([',', '\n']).unwrap_or(self.rest.len());
                let (value, rest) = self.rest.split_at(end);
                self.rest = rest;
                let value = value.strip_suffix('\r').unwrap_or(value);
                if value.contains('"') {
                    return Err("a quote inside an unquoted field".into());
                }
                value.to_owned()
            }
        };
        if let Some(rest) = self.rest.strip_prefix(',') {
            self.rest = rest;
            return Ok((value, true));
        }
        let end = self.rest.strip_prefix('\r').unwrap_or(self.rest);
        match end.strip_prefix('\n') {
            Some(rest) => self.rest = rest,
            None if end.is_empty() => self.rest = end,
            None => return Err("text after a closing quote".into()),
        }
        self.line += 1;
        Ok((value, false))
    }

    /// The text up to the closing quote, doubled quotes halved.
    fn quoted(&mut self) -> Result<String, String> {
        let mut value = String::new();
        loop {
            let (text, rest) = self
                .rest
                .split_once('"')
                .ok_or("a quote that is never closed")?;
            self.line += text.matches('\n').count();
            value.push_str(text);
            match rest.strip_prefix('"') {
                Some(rest) => {
                    value.push('"');
                    self.rest = rest;
                }
                None => {
                    self.rest = rest;
                    return Ok(value);
                }
            }
        }
    }
}

impl Iterator for Reader<'_> {
    type Item = Result<(usize, Vec<String>), CsvError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let line = self.line;
        let mut fields = Vec::new();
        loop {
            match self.field() {
                Ok((field, more)) => {
                    fields.push(field);
                    if !more {
                        return Some(Ok((line, fields)));
                    }
                }
                Err(what) => {
                    self.rest = "";
                    return Some(Err(CsvError { line, what }));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_fields_hold_commas_quotes_and_line_ends() {
        let text = "a,b\r\nplain,\"x, \"\"y\"\"\nz\"\r\n,\"\"";
        assert_eq!(
            table(text, ["a", "b"]).unwrap(),
            [["plain", "x, \"y\"\nz"], ["", ""]]
        );
    }

    #[test]
    fn a_broken_table_is_refused_with_its_line() {
        let error = |text| table(text, ["a", "b"]).unwrap_err();
        assert_eq!(error("a,c\n").line, 1);
        assert_eq!(error("").line, 1);
        assert_eq!(error("a,b\n1,2\n3\n").line, 3);
        assert_eq!(error("a,b\n\"1\n1\",2\n3,\"4").line, 4);
        assert_eq!(error("a,b\n\"1\"x,2\n").what, "text after a closing quote");
        assert_eq!(
            error("a,b\n1\"x,2\n").what,
            "a quote inside an unquoted field"
        );
    }
}
