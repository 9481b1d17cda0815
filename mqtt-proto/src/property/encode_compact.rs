use super::legality::{Admission, Shape};
use super::rules::{Present, Rules};
use super::walk::Walk;
use super::{Properties, PropertyId};
use crate::writer::Writer;
use crate::{EncodeError, Field, varint};

impl Properties<'_> {
    /// Writes the length and the properties, if the packet may carry them and they are valid.
    #[inline(never)]
    pub(crate) fn write(&self, rules: Rules, writer: &mut Writer<'_>) -> Option<()> {
        let start = writer.at();
        self.write_each(rules, writer);
        writer.insert_len(start);
        Some(())
    }

    /// Bytes that the properties take with the length before them.
    pub(crate) fn prefixed_len(&self) -> usize {
        Writer::len_of(|writer| _ = self.write(Rules::WILL, writer))
    }

    #[inline(never)]
    fn write_each(&self, rules: Rules, writer: &mut Writer<'_>) {
        let mut present = Present::NONE;
        let mut walk = Walk::over(self);
        while let Some(id) = walk.advance() {
            match rules.admit(id, &mut present) {
                Admission::Granted => {}
                Admission::NotAllowed => {
                    writer.fail(EncodeError::PropertyNotAllowed(id, rules.packet()));
                }
                Admission::Again => _ = writer.fail(EncodeError::DuplicateProperty(id)),
            }
            writer.byte(id as u8);
            walk.write(id, writer);
        }
        if rules.lacks_method(present) {
            writer.fail(EncodeError::MissingProperty(
                PropertyId::AuthenticationMethod,
            ));
        }
    }
}

impl Walk<'_> {
    /// Writes the value that is shown.
    fn write(&self, id: PropertyId, writer: &mut Writer<'_>) {
        let shape = id.shape();
        let field = Field::Property(id);
        let number = self.number;
        if shape == Shape::Binary {
            writer.binary(self.bytes, field);
        } else if !shape.is_number() {
            writer.text_of(self.bytes, field);
            if shape == Shape::Pair {
                writer.text_of(self.second, field);
            }
        } else {
            if !shape.admits(number) {
                writer.fail(EncodeError::PropertyValue(id));
            }
            if shape == Shape::Varint {
                writer.varint(number.min(varint::MAX) as usize);
            } else {
                writer.number(number, shape.width());
            }
        }
    }
}
