//! What providers ask for their models, as data with its date and its source.
//!
//! A price in the configuration goes before it. It holds only models whose text has one price each:
//! where it depends on how long a prompt is or what a file in it contains, whoever runs the gateway
//! decides what to reckon with.

use std::{collections::BTreeMap, sync::LazyLock};

use bauta_token::scope::{ModelName, Name};
use serde::Deserialize;

use super::Price;

/// The prices of one model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listed {
    pub(crate) price: Price,
    #[serde(default)]
    pub(crate) tiers: BTreeMap<Name, Price>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Provider {
    /// Where it answers. Another who sells the same model asks what they like.
    host: String,
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for people, and checked by a test")
    )]
    source: String,
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for people, and checked by a test")
    )]
    as_of: String,
    models: BTreeMap<ModelName, Listed>,
}

/// What `model` costs at the provider that answers at `host`.
///
/// A name that ends in a date is that of the model as it was on that day.
pub(crate) fn find(host: &str, model: &ModelName) -> Option<&'static Listed> {
    let mut providers = LIST.iter().filter(|it| it.host == host);
    let models = &providers.next()?.models;
    models.get(model).or_else(|| {
        let undated = ModelName::parse(undated(model.as_str())?)?;
        models.get(&undated)
    })
}

/// `name` without `-20251001` or `-2025-10-01` at its end.
fn undated(name: &str) -> Option<&str> {
    let digits = |text: &str, len: usize| {
        text.len() == len && text.starts_with("20") && text.bytes().all(|b| b.is_ascii_digit())
    };
    let (short, date) = name.rsplit_once('-')?;
    if digits(date, 8) {
        return Some(short);
    }
    let at = name.len().checked_sub("-2025-10-01".len())?;
    let (short, date) = name.split_at_checked(at)?;
    let mut parts = date.strip_prefix('-')?.split('-');
    let two = |part: Option<&str>| {
        part.is_some_and(|it| it.len() == 2 && it.bytes().all(|b| b.is_ascii_digit()))
    };
    let is_date = parts.next().is_some_and(|year| digits(year, 4))
        && two(parts.next())
        && two(parts.next())
        && parts.next().is_none();
    is_date.then_some(short)
}

/// Empty if it cannot be read, which a test excludes: then each model wants a price of its own.
static LIST: LazyLock<Vec<Provider>> =
    LazyLock::new(|| serde_json::from_str(TEXT).unwrap_or_default());

const TEXT: &str = include_str!("list.json");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_can_be_read_and_says_from_where_and_when_it_is() {
        let list: Vec<Provider> = serde_json::from_str(TEXT).unwrap();

        assert_eq!(list.len(), 3);
        for provider in list {
            assert!(provider.source.starts_with("https://"), "{}", provider.host);
            assert!(provider.as_of.len() == 10 && provider.as_of.starts_with("20"));
            for (model, listed) in provider.models {
                let all = listed.tiers.values().chain([&listed.price]);
                for price in all {
                    assert!(price.input.get() > 0, "{model}");
                    assert!(price.cache_read <= price.input, "{model}");
                    assert!(price.cache_write >= price.input, "{model}");
                    assert!(price.cache_write_hour >= price.cache_write, "{model}");
                }
                assert!(
                    listed
                        .tiers
                        .values()
                        .all(|tier| tier.output > listed.price.output)
                );
            }
        }
    }

    #[test]
    fn a_model_is_found_at_its_provider_with_and_without_a_date() {
        let output = |host, model: &str| {
            let model = ModelName::parse(model).unwrap();
            find(host, &model).map(|it| it.price.output.get())
        };
        let anthropic = |model| output("api.anthropic.com", model);

        assert_eq!(anthropic("claude-haiku-4-5"), Some(5_000_000));
        assert_eq!(anthropic("claude-haiku-4-5-20251001"), Some(5_000_000));
        let dated = output("api.openai.com", "gpt-5.2-2025-12-11");
        assert_eq!(dated, Some(14_000_000));
        for other in [
            "claude-haiku-4",
            "claude-haiku-4-5-fast",
            "claude-haiku-4-5-2025100",
            "claude-haiku-4-5-10251001",
            "claude-haiku-4-5-2025-1-001",
            "gpt-5.2",
        ] {
            assert_eq!(anthropic(other), None, "{other}");
        }
        assert_eq!(
            output("api.anthropic.com.evil.example", "claude-haiku-4-5"),
            None
        );
    }
}
