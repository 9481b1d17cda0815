use super::legality::Shape;
use super::rules::{Present, Rules};
use super::walk::{Shown, advance};
use super::{Properties, PropertyId};
use crate::writer::Writer;
use crate::wrong::What;
use crate::{EncodeError, Field};

impl Properties<'_> {
    /// Writes the length and the properties, if the packet may carry them and they are valid.
    #[inline(never)]
    pub(crate) fn write(&self, rules: Rules, writer: &mut Writer<'_>) -> Option<()> {
        // Most packets have none, and the rest of this takes much of the stack.
        if self.is_empty() && !rules.lacks_method(Present::NONE) {
            return writer.byte(0);
        }
        self.write_some(rules, writer)
    }

    #[inline(never)]
    fn write_some(&self, rules: Rules, writer: &mut Writer<'_>) -> Option<()> {
        let start = writer.at();
        self.write_each(rules, writer);
        writer.insert_len(start);
        Some(())
    }

    /// Bytes that the properties take with the length before them.
    pub(crate) fn prefixed_len(&self) -> usize {
        Writer::len_of(|writer| _ = self.write(Rules::WILL, writer))
    }

    fn write_each(&self, rules: Rules, writer: &mut Writer<'_>) {
        let mut present = Present::NONE;
        let mut left = self.0;
        let mut shown = Shown::nothing();
        while let Some(id) = advance(&mut left, &mut shown) {
            match rules.admit(id, &mut present) {
                None => {}
                Some(What::DuplicateProperty) => {
                    writer.fail(EncodeError::DuplicateProperty(id));
                }
                Some(_) => _ = writer.fail(EncodeError::PropertyNotAllowed(id, rules.packet())),
            }
            writer.byte(id as u8);
            shown.write(id, writer);
        }
        if rules.lacks_method(present) {
            writer.fail(EncodeError::MissingProperty(
                PropertyId::AuthenticationMethod,
            ));
        }
    }
}

impl Shown<'_> {
    /// Writes the value of such a property.
    fn write(&self, id: PropertyId, writer: &mut Writer<'_>) {
        let shape = id.shape();
        let field = Field::Property(id);
        if shape.is_number() {
            if !shape.admits(self.number) {
                writer.fail(EncodeError::PropertyValue(id));
            }
            writer.number(self.number, shape.width());
            return;
        }
        if shape == Shape::Pair {
            writer.text_of(self.name, field);
        }
        if shape == Shape::Binary {
            writer.binary(self.bytes, field);
        } else {
            writer.text_of(self.bytes, field);
        }
    }
}
