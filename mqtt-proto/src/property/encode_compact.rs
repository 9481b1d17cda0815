use super::legality::{Known, Shape};
use super::rules::{Gate, PropertyRules};
use super::value::Value;
use super::{Properties, Property, PropertyId, Source};
use crate::writer::Writer;
use crate::wrong::What;
use crate::{EncodeError, Field};

impl Properties<'_> {
    /// Writes the length and the properties, if the packet may carry them and they are valid.
    #[inline(never)]
    pub(crate) fn write(&self, rules: PropertyRules, writer: &mut Writer<'_>) -> Option<()> {
        let start = writer.at();
        writer.gate = Gate::new(rules);
        match self.0 {
            // It is written as it is.
            Source::Wire(validated) => {
                let mut walk = validated.walk();
                while let Some(property) = walk.step() {
                    writer.admit(property);
                }
                writer.block(validated.block());
            }
            Source::List(first, rest) => {
                writer.list(first);
                writer.list(rest);
            }
        }
        if rules.lacks_method(writer.gate.present()) {
            writer.fail(EncodeError::MissingProperty(
                PropertyId::AuthenticationMethod,
            ));
        }
        writer.insert_len(start);
        Some(())
    }

    /// Bytes that the properties take with the length before them.
    pub(crate) fn prefixed_len(&self) -> usize {
        Writer::len_of(|writer| _ = self.write(PropertyRules::WILL, writer))
    }
}

impl Writer<'_> {
    /// A property stands after those that are present.
    #[inline(never)]
    fn admit(&mut self, property: Known) {
        let Some(what) = self.gate.admit(property) else {
            return;
        };
        if let Some(id) = PropertyId::ALL.iter().find(|id| property.is(**id)) {
            self.fail(match what {
                What::DuplicateProperty => EncodeError::DuplicateProperty(*id),
                _ => EncodeError::PropertyNotAllowed(*id, self.gate.packet()),
            });
        }
    }

    #[inline(never)]
    fn list(&mut self, list: &[Property<'_>]) {
        for property in list {
            let id = property.id();
            let known = Known::id(id);
            let shape = known.shape();
            self.admit(known);
            self.byte(id as u8);
            let field = Field::Property(id);
            match property.value() {
                Value::Number(mut number) => {
                    if !shape.admits(number) {
                        self.fail(EncodeError::PropertyValue(id));
                        // What is too large for a variable byte integer takes as much as the largest.
                        number >>= 4;
                    }
                    self.number(number, shape.width());
                }
                Value::Bytes(bytes) => {
                    if shape == Shape::Binary {
                        self.binary(bytes, field);
                    } else {
                        self.text_of(bytes, field);
                    }
                }
                Value::Pair(name, value) => {
                    self.text(name, field);
                    self.text(value, field);
                }
            }
        }
    }
}
