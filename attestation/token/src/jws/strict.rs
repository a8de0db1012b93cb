//! JSON with one meaning only, checked before anything else reads it.

use std::{collections::BTreeSet, fmt};

use serde::de::{DeserializeSeed, Deserializer as _, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Deserializer;
use thiserror::Error as ThisError;

/// How much JSON is taken.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// How deep objects and lists may be nested; the outermost is 1.
    pub(super) depth: u8,
    /// How many values and names in all.
    pub(super) values: usize,
}

/// What is wrong with JSON.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ThisError)]
#[non_exhaustive]
pub enum Fault {
    /// Not JSON, or a number that no machine holds.
    #[error("it is not JSON")]
    Syntax,
    /// JSON, but not an object.
    #[error("it is not an object")]
    NotAnObject,
    /// A name stands twice in one object, however it is escaped: two readers could read two things.
    #[error("a name stands twice")]
    Twice,
    /// Nested deeper than we take.
    #[error("it is nested too deep")]
    Deep,
    /// More values than we take.
    #[error("it has too many values")]
    Many,
}

/// The names of the outermost object.
pub(super) type Names = BTreeSet<String>;

/// Reads all of `json` and gives the names of its outermost object.
///
/// # Errors
///
/// [`Fault`] at the first thing that is not taken.
pub(super) fn names(json: &[u8], limits: Limits) -> Result<Names, Fault> {
    let mut scan = Scan {
        values_left: limits.values,
        fault: Fault::Syntax,
    };
    let mut reader = Deserializer::from_slice(json);
    let outermost = Outermost(Nested {
        scan: &mut scan,
        depth_left: limits.depth,
    });
    let read = reader.deserialize_any(outermost);
    let read = read.and_then(|names| reader.end().map(|()| names));
    read.map_err(|_| scan.fault)
}

/// What is left of the limits, and why the reading ended.
struct Scan {
    values_left: usize,
    fault: Fault,
}

impl Scan {
    fn refuse<E: Error>(&mut self, fault: Fault) -> E {
        self.fault = fault;
        E::custom(fault)
    }

    fn count<E: Error>(&mut self) -> Result<(), E> {
        match self.values_left.checked_sub(1) {
            Some(left) => self.values_left = left,
            None => return Err(self.refuse(Fault::Many)),
        }
        Ok(())
    }
}

/// A value inside an object or a list, or the outermost one.
struct Nested<'s> {
    scan: &'s mut Scan,
    depth_left: u8,
}

impl Nested<'_> {
    fn inner<E: Error>(&mut self) -> Result<Nested<'_>, E> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => Ok(Nested {
                scan: self.scan,
                depth_left,
            }),
            None => Err(self.scan.refuse(Fault::Deep)),
        }
    }

    fn members<'de, A: MapAccess<'de>>(&mut self, mut map: A) -> Result<Names, A::Error> {
        let mut names = Names::new();
        let mut inner = self.inner()?;
        while let Some(name) = map.next_key::<String>()? {
            inner.scan.count()?;
            if !names.insert(name) {
                return Err(inner.scan.refuse(Fault::Twice));
            }
            map.next_value_seed(inner.again())?;
        }
        Ok(names)
    }

    fn again(&mut self) -> Nested<'_> {
        Nested {
            scan: self.scan,
            depth_left: self.depth_left,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Nested<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        self.scan.count()?;
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Nested<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        let mut inner = self.inner()?;
        while list.next_element_seed(inner.again())?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, map: A) -> Result<(), A::Error> {
        self.members(map).map(drop)
    }
}

/// The outermost value, which must be an object.
struct Outermost<'s>(Nested<'s>);

impl<'de> Visitor<'de> for Outermost<'_> {
    type Value = Names;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, map: A) -> Result<Names, A::Error> {
        self.0.members(map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Names, A::Error> {
        Err(self.0.scan.refuse(Fault::NotAnObject))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Names, E> {
        Err(self.0.scan.refuse(Fault::NotAnObject))
    }
}

#[cfg(test)]
mod tests;
