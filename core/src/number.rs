//! Serialises numbers for JSON, which has no NaN and no infinities: these are written as text.
//!
//! For use as `#[serde(with = "number")]` on an `f64`.

use std::fmt;

use serde::{
    Deserializer, Serializer,
    de::{self, Visitor},
};

pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_finite() {
        serializer.serialize_f64(*value)
    } else {
        serializer.serialize_str(if value.is_nan() {
            "NaN"
        } else if *value > 0.0 {
            "inf"
        } else {
            "-inf"
        })
    }
}

/// Whether a number is 0, for use as `skip_serializing_if`.
pub fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// Whether a count is 0, for use as `skip_serializing_if`.
pub fn is_none(count: &u32) -> bool {
    *count == 0
}

/// Whether a setting is off, for use as `skip_serializing_if`.
pub fn is_off(choice: &bool) -> bool {
    !choice
}

/// Whether a setting is on, its default by [`on`], for use as `skip_serializing_if`.
pub fn is_on(choice: &bool) -> bool {
    *choice
}

/// On, for use as the `default` of a setting that older programs did not write, because they had no other choice.
pub fn on() -> bool {
    true
}

/// Whether a count is 1, its default by [`one`], for use as `skip_serializing_if`.
pub fn is_one<T: PartialEq + From<u8>>(count: &T) -> bool {
    *count == one()
}

/// The number 1, for use as the `default` of a count that older programs did not write, because it was always 1.
pub fn one<T: From<u8>>() -> T {
    T::from(1)
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    deserializer.deserialize_any(Written)
}

/// Deserializes a number, or the text of one that is not finite, without buffering: a log holds hundreds of
/// thousands of numbers.
struct Written;

impl Visitor<'_> for Written {
    type Value = f64;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number, or one of \"NaN\", \"inf\" and \"-inf\"")
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<f64, E> {
        Ok(value)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<f64, E> {
        Ok(value as f64)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<f64, E> {
        Ok(value as f64)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<f64, E> {
        match text {
            "NaN" => Ok(f64::NAN),
            "inf" => Ok(f64::INFINITY),
            "-inf" => Ok(f64::NEG_INFINITY),
            _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }
}
