//! Dates and names as people read them.

use bauta_token::units::{UnixDay, UnixMillis};

use crate::attest::Predicate;

/// `12 May 2027`.
pub(crate) fn day(day: UnixDay) -> String {
    let (year, month, date) = day.civil();
    format!("{date} {} {year}", month_name(month))
}

/// `May 2027`, from `2027-05`; anything else as it is.
pub(crate) fn month(text: &str) -> String {
    let read = || {
        let (year, month) = text.split_once('-')?;
        let month: u8 = month.parse().ok()?;
        Some(format!("{} {year}", month_name(month)))
    };
    read().unwrap_or_else(|| text.to_owned())
}

/// `moments ago`, `3 minutes ago`.
pub(crate) fn ago(then: UnixMillis, now: UnixMillis) -> String {
    match now.seconds().saturating_sub(then.seconds()) {
        ..60 => "moments ago".to_owned(),
        60..120 => "a minute ago".to_owned(),
        seconds => format!("{} minutes ago", seconds / 60),
    }
}

/// `a, b and c`.
pub(crate) fn list<T: std::fmt::Display>(items: &[T]) -> String {
    match items {
        [] => String::new(),
        [one] => one.to_string(),
        [most @ .., last] => {
            let most: Vec<_> = most.iter().map(ToString::to_string).collect();
            format!("{} and {last}", most.join(", "))
        }
    }
}

/// The name of a verifier by its kind.
pub(crate) fn vendor(kind: &str) -> String {
    match kind {
        "persona" => "Persona".to_owned(),
        "officer" => "two officers of your organisation".to_owned(),
        other => other.to_owned(),
    }
}

/// What a predicate says of a person.
pub(crate) const fn predicate(predicate: Predicate) -> &'static str {
    match predicate {
        Predicate::PersonVerified => "You are a real person, the one who signed in",
        Predicate::AgeOver18 => "You are 18 or older",
        Predicate::DocumentUnexpired => "Your document had not expired",
        Predicate::LivenessChecked => "The selfie was live and matched",
        Predicate::SanctionsClear => "Not found on sanctions lists",
    }
}

/// The same, as a rule asks for it.
pub(crate) const fn asked(predicate: Predicate) -> &'static str {
    match predicate {
        Predicate::PersonVerified => "that you are a real person",
        Predicate::AgeOver18 => "that you are 18 or older",
        Predicate::DocumentUnexpired => "that your document has not expired",
        Predicate::LivenessChecked => "for a live selfie that matches",
        Predicate::SanctionsClear => "that you are on no sanctions list",
    }
}

/// What an officer says of the person before them.
pub(crate) const fn attested(predicate: Predicate) -> &'static str {
    match predicate {
        Predicate::PersonVerified => "They are a real person, and this is their own account",
        Predicate::AgeOver18 => "They are 18 or older",
        Predicate::DocumentUnexpired => "They showed a document, and it has not expired",
        Predicate::LivenessChecked => "They are here in person, and the document is theirs",
        Predicate::SanctionsClear => "Your organisation did not find them on sanctions lists",
    }
}

/// `30 minutes`, `7 days`: the largest unit that fits evenly.
pub(crate) fn span(seconds: i64) -> String {
    let (count, unit) = match seconds {
        s if s >= 86_400 && s % 86_400 == 0 => (s / 86_400, "day"),
        s if s >= 3_600 && s % 3_600 == 0 => (s / 3_600, "hour"),
        s if s >= 60 => (s / 60, "minute"),
        s => (s, "second"),
    };
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{s}")
}

fn month_name(month: u8) -> &'static str {
    const NAMES: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let place = usize::from(month).checked_sub(1);
    place
        .and_then(|place| NAMES.get(place))
        .copied()
        .unwrap_or("?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_read_as_people_write_them() {
        assert_eq!(day(UnixDay(20_778)), "21 November 2026");
        assert_eq!(month("2027-05"), "May 2027");
        assert_eq!(month("soon"), "soon");
        assert_eq!(ago(UnixMillis(0), UnixMillis(59_999)), "moments ago");
        assert_eq!(ago(UnixMillis(0), UnixMillis(180_000)), "3 minutes ago");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
    }
}
