//! How much one administrator may do alone.

use serde::Deserialize;

use super::Span;

/// `[admin]`: what the console asks of administrators.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// Whether reinstating and erasing wait for a second administrator. Suspending never does.
    pub second: bool,
    /// A proposal that nobody agreed to by then lapses.
    pub second_within: Span,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            second: false,
            second_within: Span::seconds(2 * 86_400),
        }
    }
}
