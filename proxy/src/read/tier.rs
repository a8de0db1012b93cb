//! For which price an answer is asked.
//!
//! A provider sells the same tokens at several prices: sooner (`service_tier: "priority"`,
//! `speed: "fast"`), later (`"flex"`) or in one country (`inference_geo: "us"`). A request that asks
//! for one of them is not what the list price is for.

use bauta_token::scope::Name;

use super::{Field, Fields, ReadError, Spot, cursor::string_value};

/// The tier that a body asks for, if it is not the usual one.
///
/// # Errors
///
/// [`ReadError::Type`] when it is no word, [`ReadError::Tiers`] when the body asks for two.
pub(super) fn tier(fields: &Fields, body: &[u8]) -> Result<Option<Name>, ReadError> {
    let mut tier = None;
    let outermost = [Field::ServiceTier, Field::Speed, Field::InferenceGeo];
    let members = outermost
        .iter()
        .filter_map(|field| Some((field.name(), fields.get(*field)?)));
    let nested = fields.spots.get(Spot::ServiceTier);
    let nested = nested.map(|member| (Spot::ServiceTier.name(), member));
    for (key, member) in members.chain(nested) {
        let Some(asked) = word(key, member.value(body))? else {
            continue;
        };
        if tier.replace(asked).is_some() {
            return Err(ReadError::Tiers);
        }
    }
    Ok(tier)
}

fn word(key: &'static str, value: &[u8]) -> Result<Option<Name>, ReadError> {
    if value == b"null" {
        return Ok(None);
    }
    let text = string_value(value).ok_or(ReadError::Type(key))?;
    let text = text.to_ascii_lowercase();
    if USUAL.contains(&text.as_slice()) {
        return Ok(None);
    }
    std::str::from_utf8(&text)
        .ok()
        .and_then(Name::parse)
        .map(Some)
        .ok_or(ReadError::Type(key))
}

/// What costs the list price. `auto` is what an account is set to at its provider, and so is a
/// request that says nothing: whoever sets an account to another tier writes that tier's price as
/// the model's. (<https://platform.openai.com/docs/guides/priority-processing>,
/// <https://platform.claude.com/docs/en/api/service-tiers>,
/// <https://platform.claude.com/docs/en/build-with-claude/fast-mode>,
/// <https://platform.claude.com/docs/en/build-with-claude/data-residency>,
/// <https://ai.google.dev/gemini-api/docs/priority-inference>.)
const USUAL: &[&[u8]] = &[
    b"auto",
    b"default",
    b"standard",
    b"standard_only",
    b"global",
    b"unspecified",
    b"service_tier_unspecified",
];
