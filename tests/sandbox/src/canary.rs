//! Values planted to be searched for.

/// A distinctive value in a field that holds something about a person. Found in anything that the
/// system under test wrote, it is a leak.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Canary {
    /// The field that carried it.
    pub field: String,
    /// The planted value itself.
    pub value: String,
}

impl Canary {
    pub(crate) fn new(field: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            value: value.into(),
        }
    }
}
