//! Whether a request target is one canonical path and query.
//!
//! Two parsers that read one path differently are how a request reaches a route it was not checked
//! for, so a target with a second reading is refused: dot segments in any spelling, empty segments,
//! back slashes, escapes of bytes that mean something in a path, escapes of escapes, bytes that are
//! not text. A query is data and may hold an escaped slash or dot; it may not hold a control byte.

use super::refusal::Reason;

/// Accepts `target` if it has exactly one reading.
///
/// # Errors
///
/// [`Reason::Path`] for an empty segment, which no route has, [`Reason::Target`] for the rest.
pub(super) fn check(target: &[u8]) -> Result<(), Reason> {
    let Some((path, query)) = origin_form(target) else {
        return Err(Reason::Target);
    };
    check_path(path)?;
    check_query(query)
}

/// Path (after its first slash) and query. The absolute, authority and asterisk forms name a second
/// authority or no resource at all, so they have no place here.
fn origin_form(target: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = target.strip_prefix(b"/")?;
    let Some(mark) = memchr::memchr(b'?', rest) else {
        return Some((rest, b""));
    };
    let (path, query) = rest.split_at_checked(mark)?;
    Some((path, query.strip_prefix(b"?").unwrap_or_default()))
}

fn check_path(path: &[u8]) -> Result<(), Reason> {
    let mut rest = path;
    loop {
        let slash = memchr::memchr(b'/', rest);
        let (segment, next) = match slash.and_then(|at| rest.split_at_checked(at)) {
            Some((segment, after)) => (segment, after.strip_prefix(b"/")),
            None => (rest, None),
        };
        check_segment(segment)?;
        let Some(next) = next else { return Ok(()) };
        if segment.is_empty() {
            return Err(Reason::Path);
        }
        rest = next;
    }
}

fn check_segment(segment: &[u8]) -> Result<(), Reason> {
    check_text(segment, is_path, |byte| {
        // A dot, too: it needs no escape, and a dot segment is what it is escaped for.
        byte.is_ascii_control() || matches!(byte, b'/' | b'\\' | b'%' | b'.' | b'?' | b'#')
    })?;
    // Some servers cut parameters off before they resolve dots.
    let name = segment.split(|byte| *byte == b';').next();
    match name {
        Some(b"." | b"..") => Err(Reason::Target),
        _ => Ok(()),
    }
}

fn check_query(query: &[u8]) -> Result<(), Reason> {
    check_text(query, is_query, |byte| byte.is_ascii_control())
}

/// Accepts text whose raw bytes are `allowed` and whose escapes are whole, spell UTF-8 and nothing
/// that is `barred`.
fn check_text(text: &[u8], allowed: fn(u8) -> bool, barred: fn(u8) -> bool) -> Result<(), Reason> {
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            if !allowed(byte) {
                return Err(Reason::Target);
            }
            continue;
        }
        let lead = escaped(&mut bytes).ok_or(Reason::Target)?;
        if barred(lead) || (lead >= 0x80 && !character(lead, &mut bytes)) {
            return Err(Reason::Target);
        }
    }
    Ok(())
}

/// The byte that the two digits after a `%` spell.
fn escaped(bytes: &mut impl Iterator<Item = u8>) -> Option<u8> {
    let mut digit = || char::from(bytes.next()?).to_digit(16);
    let (high, low) = (digit()?, digit()?);
    u8::try_from(high << 4 | low).ok()
}

/// Whether `lead` and the escapes after it spell one character, in its shortest form.
fn character(lead: u8, bytes: &mut impl Iterator<Item = u8>) -> bool {
    let mut spelled = [lead, 0, 0, 0];
    let len = match lead {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return false,
    };
    for slot in spelled.iter_mut().take(len).skip(1) {
        if bytes.next() != Some(b'%') {
            return false;
        }
        let Some(byte) = escaped(bytes) else {
            return false;
        };
        *slot = byte;
    }
    let spelled = spelled.get(..len).unwrap_or_default();
    std::str::from_utf8(spelled).is_ok()
}

/// RFC 3986 `pchar`, without the escape.
const fn is_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b':'
                | b'@'
        )
}

/// RFC 3986 `query`, and the four brackets and the bar that clients send as they are.
const fn is_query(byte: u8) -> bool {
    is_path(byte) || matches!(byte, b'/' | b'?' | b'[' | b']' | b'{' | b'}' | b'|')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_target_is_accepted() {
        for target in [
            "/",
            "/?",
            "/v1/messages?beta=true",
            "/v1/messages/",
            "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse",
            "/.well-known/oauth-authorization-server",
            "/log/identity/tile/0/x001/234.p/5",
            "/oauth/authorize?redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2Fcb&state=a%2Eb..%2F",
            "/scim/v2/Users?filter=externalId%20eq%20%22x%22",
            "/x/%C3%A9/%F0%9F%A6%80?q=%E2%82%AC",
            "/v1/x?expand[]=a&b={c|d}",
            "/a/...",
            "/a/..b/.c",
        ] {
            assert_eq!(check(target.as_bytes()), Ok(()), "{target}");
        }
    }

    #[test]
    fn an_escape_that_is_cut_off_is_refused() {
        for target in [
            "/%", "/%4", "/%zz", "/%-1", "/?%", "/?a=%4", "/%C3", "/%C3%", "/%C3a",
        ] {
            assert_eq!(check(target.as_bytes()), Err(Reason::Target), "{target}");
        }
    }

    #[test]
    fn a_query_holds_no_control_byte_in_any_spelling() {
        for byte in (0..0x20).chain([0x7f]) {
            let target = format!("/?a=%{byte:02x}");
            assert_eq!(check(target.as_bytes()), Err(Reason::Target), "{target}");
            assert_eq!(check(&[b'/', b'?', byte]), Err(Reason::Target), "{byte}");
        }
    }
}
