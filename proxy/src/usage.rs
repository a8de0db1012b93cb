//! What a token has used, shown to whoever presents it and to nobody else.
//!
//! The identity plane cannot ask about a member, so its portal sends the member's browser here
//! with the token in a form; what comes back is seen by the browser alone.

use axum::{
    Json,
    body::Body,
    response::{Html, IntoResponse, Response},
};
use bauta_token::{scope::Period, units::UnixMillis};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use serde_json::{Value, json};

use crate::{
    ports::{GrantUsage, Journal, ModelUsage, StoreError},
    read::gather_small,
    redeem::Pass,
    reserve::window_start,
};

/// The usage of the presented token. The page of `portal` that asks for it may read the answer, and
/// no other site's may.
///
/// # Errors
///
/// When storage does not answer.
pub async fn show<J: Journal + ?Sized>(
    journal: &J,
    pass: &Pass,
    asking: &HeaderMap,
    portal: &str,
) -> Result<Response, StoreError> {
    let (start, usage) = used(journal, pass).await?;
    let as_page = asking
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    let mut response = if as_page {
        Html(page(pass, &usage, start, portal)).into_response()
    } else {
        Json(document(pass, &usage, start)).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    headers.insert(header::VARY, HeaderValue::from_static("accept, origin"));
    let own = |origin: &&HeaderValue| origin.as_bytes() == portal.as_bytes();
    if let Some(origin) = asking.get(header::ORIGIN).filter(own) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    Ok(response)
}

/// The same as Claude Code asks for it: how much of a ceiling is used, and when it is whole again.
///
/// # Errors
///
/// When storage does not answer.
pub async fn allowance<J: Journal + ?Sized>(
    journal: &J,
    pass: &Pass,
) -> Result<Response, StoreError> {
    let (start, usage) = used(journal, pass).await?;
    let mut response = Json(claude(pass, &usage, start)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Since when its budget runs, and what was used of it.
async fn used<J: Journal + ?Sized>(
    journal: &J,
    pass: &Pass,
) -> Result<(UnixMillis, GrantUsage), StoreError> {
    let start = pass
        .terms()
        .budget
        .map_or(UnixMillis(0), |budget| window_start(budget, pass.at()));
    Ok((start, journal.usage(pass.grant(), start).await?))
}

/// Whole cents: what was spent is rounded up. Null is no ceiling; zero would be one.
fn claude(pass: &Pass, usage: &GrantUsage, start: UnixMillis) -> Value {
    let used = cents(usage.standing.spent.get());
    let open = json!({ "limit": null, "used_credits": used, "utilization": null });
    let shown = pass.terms().budget.and_then(|budget| {
        let group = match budget.per {
            Period::Day => "daily",
            Period::Month => "monthly",
            // It has no word for these.
            _ => return None,
        };
        Some((budget, group))
    });
    let Some((budget, group)) = shown else {
        return json!({
            "extra_usage": {
                "is_enabled": true, "monthly_limit": null, "used_credits": used,
                "utilization": null, "currency": "USD", "daily": open, "weekly": open,
            },
            "limits": [],
        });
    };
    let percent = i128::from(usage.standing.spent.get())
        .saturating_mul(100)
        .checked_div(budget.amount.get().into())
        .unwrap_or(100)
        .clamp(0, 100);
    let percent = i64::try_from(percent).unwrap_or(100);
    // To the second, as the header of an answer says it.
    let resets_at = UnixMillis(start.0.saturating_add(budget.per.millis()));
    let resets_at = resets_at.to_string().replace(".000Z", "Z");
    json!({
        "extra_usage": {
            "is_enabled": true, "monthly_limit": cents(budget.amount.get()),
            "used_credits": used, "utilization": percent, "currency": "USD",
        },
        "limits": [{
            "kind": "spend", "group": group, "percent": percent, "resets_at": resets_at,
            "severity": "normal", "is_active": true,
        }],
    })
}

fn cents(micro_usd: i64) -> i64 {
    micro_usd.saturating_add(9_999).div_euclid(10_000)
}

/// A request as it came, but for a form that posts a token to `/usage/self`: that becomes the
/// request with the token in its header.
///
/// # Errors
///
/// The answer to a form that is none.
pub async fn unwrap_form(parts: Parts, body: Body) -> Result<(Parts, Body), Box<Response>> {
    if parts.method != Method::POST || parts.uri.path() != PATH {
        return Ok((parts, body));
    }
    let form = gather_small(body, FORM_BYTES).await.ok();
    let credential = form
        .as_deref()
        .and_then(|form| std::str::from_utf8(form).ok())
        .and_then(|form| form.trim_end().strip_prefix("token="))
        // A token has no letter that a form would escape.
        .filter(|token| {
            token
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        })
        .and_then(|token| HeaderValue::try_from(format!("Bearer {token}")).ok());
    let Some(mut credential) = credential else {
        return Err(Box::new(StatusCode::BAD_REQUEST.into_response()));
    };
    credential.set_sensitive(true);
    let mut parts = parts;
    parts.method = Method::GET;
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.remove(header::TRANSFER_ENCODING);
    parts.headers.remove(header::CONTENT_TYPE);
    // A second credential beside the form's is refused by `admit` as any two are.
    parts.headers.append(header::AUTHORIZATION, credential);
    Ok((parts, Body::empty()))
}

fn document(pass: &Pass, usage: &GrantUsage, start: UnixMillis) -> Value {
    let budget = pass.terms().budget.map(|budget| {
        let resets_at = UnixMillis(start.0.saturating_add(budget.per.millis()));
        json!({
            "limit_micro_usd": budget.amount.get(),
            "spent_micro_usd": usage.standing.spent.get(),
            "held_micro_usd": usage.standing.held.get(),
            "left_micro_usd": usage.standing.left(budget.amount).get(),
            "resets_at": resets_at.to_string(),
        })
    });
    let models: Vec<Value> = usage.models.iter().map(row).collect();
    json!({ "scope": pass.terms().name.as_str(), "budget": budget, "models": models })
}

fn row(model: &ModelUsage) -> Value {
    json!({
        "model": model.model,
        "requests": model.requests,
        "input_tokens": model.tokens.input,
        "output_tokens": model.tokens.output,
        "cache_read_tokens": model.tokens.cache_read,
        "cache_write_tokens": model.tokens.cache_write,
        "charged_micro_usd": model.charged.get(),
    })
}

/// Every value in it is a number, or a name or an address of the configuration, whose letters need
/// no escape.
fn page(pass: &Pass, usage: &GrantUsage, start: UnixMillis, portal: &str) -> String {
    let budget = pass.terms().budget.map_or_else(String::new, |budget| {
        let resets_at = UnixMillis(start.0.saturating_add(budget.per.millis()));
        let (spent, held) = (usage.standing.spent, usage.standing.held);
        format!(
            "<li><p><strong>Budget</strong><span>${spent} of ${}</span></p>{}\
             <p class=\"quiet\">${held} more set aside by requests that run. Whole again at \
             {resets_at}.</p></li>",
            budget.amount,
            bar(spent.get(), budget.amount.get()),
        )
    });
    let most = usage.models.iter().map(|model| model.charged.get()).max();
    let most = most.unwrap_or_default();
    let models: Vec<_> = usage.models.iter().map(|model| item(model, most)).collect();
    let models = if models.is_empty() {
        "<li><p>Nothing was asked with this token yet.</p></li>".to_owned()
    } else {
        models.concat()
    };
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>What this token has used</title>\
         <style>{STYLE}</style></head><body><main><h1>What this token has used</h1>\
         <p>Scope {}. Only whoever holds the token can see this page; the gateway does not know who \
         that is.</p><ul>{budget}{models}</ul>\
         <p><a href=\"{portal}/usage\">Back to your pages</a></p></main></body></html>",
        pass.terms().name
    )
}

/// A model: what it cost, as a share of the dearest one, and what it read and wrote.
fn item(model: &ModelUsage, most: i64) -> String {
    format!(
        "<li><p><strong>{}</strong><span>${}</span></p>{}<p class=\"quiet\">{} requests, {} tokens \
         read, {} written</p></li>",
        model.model,
        model.charged,
        bar(model.charged.get(), most),
        model.requests,
        model.tokens.input,
        model.tokens.output
    )
}

/// A share of a whole; what it says stands beside it in words.
fn bar(part: i64, of: i64) -> String {
    let thousandths = i128::from(part)
        .saturating_mul(1_000)
        .checked_div(of.into())
        .unwrap_or(0)
        .clamp(0, 1_000);
    format!(
        "<svg viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
         <rect width=\"1000\" height=\"10\"/><rect width=\"{thousandths}\" height=\"10\"/></svg>"
    )
}

const PATH: &str = "/usage/self";
const FORM_BYTES: usize = 16 * 1024;
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";

/// The portal's colours; this plane has no file of the other's.
const STYLE: &str = "\
    :root{color-scheme:light dark;--paper:#faf6ec;--ink:#17242b;--quiet:#55636a;--bar:#0d5a5e;\
    --rest:#e6dcc4}@media(prefers-color-scheme:dark){:root{--paper:#0f171b;--ink:#efe8d8;\
    --quiet:#a9b3b3;--bar:#7cc4bf;--rest:#2a363c}}body{margin:0;background:var(--paper);\
    color:var(--ink);font:1rem/1.6 system-ui,sans-serif}main{max-width:44rem;margin:auto;\
    padding:2.5rem 1.25rem}h1{font:600 1.9rem/1.2 Palatino,Georgia,serif}ul{list-style:none;\
    padding:0;display:grid;gap:1.25rem;margin:1.5rem 0}p{margin:0}li p{display:flex;flex-wrap:wrap;\
    gap:0 1rem;justify-content:space-between}svg{display:block;width:100%;height:.7rem;\
    margin:.3rem 0}rect{fill:var(--rest)}rect+rect{fill:var(--bar)}.quiet{color:var(--quiet);\
    font-size:.9rem}a{color:var(--bar)}";
