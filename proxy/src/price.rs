//! What an answer costs.

use std::fmt;

use bauta_token::units::MicroUsd;
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};
use thiserror::Error;

use crate::dialect::Usage;

pub(crate) mod list;

/// The cost of `usage` at `price`, rounded up to the next micro-dollar.
///
/// Providers quote per million tokens, so the products are summed before the one division: five
/// roundings would bill a long day five times.
///
/// # Errors
///
/// [`CostError::Overflow`] when the sum is more than a ledger can hold.
pub fn cost(usage: Usage, price: Price) -> Result<MicroUsd, CostError> {
    quoted(usage, price)
        .map(|sum| sum.div_ceil(TOKENS_PER_QUOTE))
        .and_then(|amount| i64::try_from(amount).ok())
        .and_then(MicroUsd::new)
        .ok_or(CostError::Overflow)
}

/// The sum as the provider quotes it: micro-dollars per million tokens.
fn quoted(usage: Usage, price: Price) -> Option<u128> {
    [
        (usage.input, price.input),
        (usage.output, price.output),
        (usage.cache_read, price.cache_read),
        (usage.cache_write, price.cache_write),
        (usage.cache_write_hour, price.cache_write_hour),
    ]
    .into_iter()
    .try_fold(0_u128, |sum, (tokens, rate)| {
        u128::from(tokens)
            .checked_mul(rate.get().unsigned_abs().into())
            .and_then(|part| sum.checked_add(part))
    })
}

/// A list price, each in micro-dollars per million tokens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Price {
    /// For tokens read and found in no cache.
    pub input: MicroUsd,
    /// For tokens written.
    pub output: MicroUsd,
    /// For tokens read from a cache.
    pub cache_read: MicroUsd,
    /// For tokens put into a cache that lasts minutes.
    pub cache_write: MicroUsd,
    /// For tokens put into a cache that lasts an hour.
    pub cache_write_hour: MicroUsd,
}

impl Price {
    /// Of what costs nothing.
    pub const FREE: Self = Self {
        input: MicroUsd::ZERO,
        output: MicroUsd::ZERO,
        cache_read: MicroUsd::ZERO,
        cache_write: MicroUsd::ZERO,
        cache_write_hour: MicroUsd::ZERO,
    };

    /// The price of the dearest way to read one token: what an upper bound reckons with, since
    /// nobody knows beforehand what the provider finds in its cache.
    #[must_use]
    pub fn dearest_input(self) -> MicroUsd {
        self.input
            .max(self.cache_read)
            .max(self.cache_write)
            .max(self.cache_write_hour)
    }
}

/// The `price` table of a model in `bauta.toml`: dollars per million tokens, as strings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceConfig {
    input: String,
    output: String,
    /// The price of plain input when left out.
    cache_read: Option<String>,
    /// The price of plain input when left out.
    cache_write: Option<String>,
    /// `cache_write` when left out.
    cache_write_hour: Option<String>,
}

/// A table, or the word `free`.
impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;

        impl<'de> Visitor<'de> for Written {
            type Value = Price;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of prices, or \"free\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Price, E> {
                match text {
                    "free" => Ok(Price::FREE),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Price, A::Error> {
                let written = PriceConfig::deserialize(MapAccessDeserializer::new(map))?;
                written.try_into().map_err(de::Error::custom)
            }
        }

        deserializer.deserialize_any(Written)
    }
}

impl TryFrom<PriceConfig> for Price {
    type Error = PriceError;

    fn try_from(written: PriceConfig) -> Result<Self, PriceError> {
        let input = dollars(&written.input)?;
        let or = |text: Option<String>, other| text.map_or(Ok(other), |text| dollars(&text));
        let cache_write = or(written.cache_write, input)?;
        Ok(Self {
            input,
            output: dollars(&written.output)?,
            cache_read: or(written.cache_read, input)?,
            cache_write,
            cache_write_hour: or(written.cache_write_hour, cache_write)?,
        })
    }
}

fn dollars(text: &str) -> Result<MicroUsd, PriceError> {
    MicroUsd::from_dollars(text).ok_or(PriceError)
}

/// A price that is not dollars with at most six decimals.
#[derive(Debug, Eq, Error, PartialEq)]
#[error("a price is dollars per million tokens as a string, such as \"5.00\"")]
pub struct PriceError;

/// Why a cost could not be told.
#[derive(Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum CostError {
    /// The sum does not fit.
    #[error("cost does not fit the ledger")]
    Overflow,
}

/// Prices are quoted per this many tokens.
const TOKENS_PER_QUOTE: u128 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_token_is_never_free() {
        let usage = Usage {
            input: 1,
            ..Usage::default()
        };

        assert_eq!(cost(usage, list()), Ok(micro(1)));
    }

    #[test]
    fn two_roundings_are_never_billed() {
        let usage = Usage {
            input: 1,
            output: 1,
            ..Usage::default()
        };

        assert_eq!(cost(usage, list()), Ok(micro(1)));
    }

    #[test]
    fn each_kind_of_token_has_its_own_price() {
        let million = 1_000_000;
        let usage = Usage {
            input: million,
            output: million,
            cache_read: million,
            cache_write: million,
            cache_write_hour: million,
        };
        let price = Price {
            input: micro(1),
            output: micro(10),
            cache_read: micro(100),
            cache_write: micro(1_000),
            cache_write_hour: micro(10_000),
        };

        assert_eq!(cost(usage, price), Ok(micro(11_111)));
    }

    #[test]
    fn a_cost_past_the_ledger_is_refused() {
        let dearest = micro(i64::MAX);
        let price = Price {
            input: dearest,
            output: dearest,
            ..list()
        };
        let usage = Usage {
            input: u64::MAX,
            output: u64::MAX,
            ..Usage::default()
        };

        assert_eq!(cost(usage, price), Err(CostError::Overflow));
    }

    #[test]
    fn what_a_price_table_leaves_out_costs_as_much_as_input() {
        let price: Price =
            serde_json::from_str(r#"{"input": "5.00", "output": "25.00", "cache_read": "0.50"}"#)
                .unwrap();

        assert_eq!(price.cache_read, micro(500_000));
        assert_eq!(price.cache_write, price.input);
        assert_eq!(price.cache_write_hour, price.input);
    }

    #[test]
    fn what_is_free_is_called_so() {
        let free: Price = serde_json::from_str("\"free\"").unwrap();

        assert_eq!(free, Price::FREE);
        for bad in ["\"\"", "\"Free\"", "0", "null", "[]"] {
            assert!(serde_json::from_str::<Price>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_price_that_is_no_decimal_string_is_refused() {
        for bad in [r#"{"input": "5,00", "output": "1"}"#, r#"{"input": "1"}"#] {
            assert!(serde_json::from_str::<Price>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_dearest_input_is_what_a_bound_reckons_with() {
        let price = Price {
            cache_write: micro(7),
            input: micro(5),
            cache_read: micro(1),
            cache_write_hour: micro(6),
            output: micro(100),
        };

        assert_eq!(price.dearest_input(), micro(7));
    }

    fn list() -> Price {
        Price {
            input: micro(150_000),
            output: micro(600_000),
            cache_read: micro(15_000),
            cache_write: micro(150_000),
            cache_write_hour: micro(150_000),
        }
    }

    fn micro(amount: i64) -> MicroUsd {
        MicroUsd::new(amount).unwrap()
    }
}
