//! The variants of an enum and the names of their fields, as its decoder asks for them.

use serde::de::value::{Error, U32Deserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer,
    VariantAccess, Visitor,
};

/// The names of variants in the order of their numbers, and of the fields of those that have any by name.
pub(super) struct Shape {
    pub(super) variants: Vec<&'static str>,
    pub(super) fields: Vec<Option<Vec<&'static str>>>,
}

/// Asks the decoder of `T` for each of its variants.
pub(super) fn of<T: DeserializeOwned>() -> Shape {
    let mut shape = Shape { variants: Vec::new(), fields: Vec::new() };
    let mut number = 0;
    loop {
        let mut asked = Asked { number, variants: &[], fields: None };
        // What comes of it does not matter: it only shows what is asked for.
        let _ = T::deserialize(&mut asked);
        shape.variants = asked.variants.to_vec();
        if usize::try_from(number).unwrap() >= asked.variants.len() {
            return shape;
        }
        shape.fields.push(asked.fields.map(<[_]>::to_vec));
        number += 1;
    }
}

/// Offers the variant with this number, and notes what the decoder wants of it.
struct Asked {
    number: u32,
    variants: &'static [&'static str],
    fields: Option<&'static [&'static str]>,
}

impl<'de> Deserializer<'de> for &mut Asked {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("no enum"))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.variants = variants;
        visitor.visit_enum(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq
        tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'de> EnumAccess<'de> for &mut Asked {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let number: U32Deserializer<Error> = self.number.into_deserializer();
        Ok((seed.deserialize(number)?, self))
    }
}

impl<'de> VariantAccess<'de> for &mut Asked {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Error> {
        Err(Error::custom("noted"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("noted"))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.fields = Some(fields);
        Err(Error::custom("noted"))
    }
}
