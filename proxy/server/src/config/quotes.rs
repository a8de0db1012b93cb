//! Quotes that were left out, the slip that TOML's own words do not name.

/// A hint for a line of `text` that could not be read as TOML and would be with quotes.
pub(super) fn around(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let start = before
        .rfind('\n')
        .map_or(0, |place| place.saturating_add(1));
    let line = text.get(start..).and_then(|rest| rest.lines().next());
    let Some((key, value)) = line.and_then(|line| line.split_once('=')) else {
        return String::new();
    };
    let (key, value) = (
        key.trim(),
        value.split('#').next().unwrap_or_default().trim(),
    );
    let bare = value
        .bytes()
        .next()
        .is_some_and(|first| first.is_ascii_alphanumeric() || b"/~.".contains(&first));
    let whole = !value.contains(['"', '\'', '[', '{']);
    let quoted = format!("{key} = \"{value}\"");
    if bare && whole && quoted.parse::<toml::Table>().is_ok() {
        format!("\n(a text needs quotes: {quoted})")
    } else {
        String::new()
    }
}

/// A hint for a number where a text is expected: an amount of money is a text, so that no part of
/// it is rounded away.
pub(super) fn instead_of_number(message: &str) -> &'static str {
    let number = message.contains("floating point") || message.contains("integer");
    if number && message.contains("expected a string") {
        " (write it in quotes, such as \"5.00\")"
    } else {
        ""
    }
}
