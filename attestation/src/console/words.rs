//! Codes of the console in words, and instants as a log is read.

use bauta_token::units::UnixMillis;

use super::view::Choice;
use crate::ports::{
    MemberId, Role,
    office::{Ground, Objection, Reply, Undoing},
};

/// `21 November 2026, 00:00 UTC`.
pub(super) fn instant(at: UnixMillis) -> String {
    let in_day = at.seconds().rem_euclid(86_400);
    let (hour, minute) = (in_day / 3_600, in_day / 60 % 60);
    format!(
        "{}, {hour:02}:{minute:02} UTC",
        crate::portal::words::day(at.day())
    )
}

/// `mbr_gayt…`: enough to tell two in one list apart, and to compare with a page.
pub(super) fn short(member: MemberId) -> String {
    let whole = member.to_string();
    let letters: String = whole.chars().take(12).collect();
    format!("{letters}…")
}

pub(super) const fn role(role: Role) -> &'static str {
    match role {
        Role::Admin => "an administrator",
        Role::Officer => "an officer",
        Role::Auditor => "an auditor",
    }
}

pub(super) const fn undoing(what: Undoing) -> &'static str {
    match what {
        Undoing::Reinstate => "Reinstate",
        Undoing::Erase => "Erase",
    }
}

pub(super) const fn objection(about: Objection) -> &'static str {
    match about {
        Objection::Declined => "that a check was not approved",
        Objection::Closed => "that models stay closed",
        Objection::Record => "what is kept about them",
    }
}

pub(super) const fn ground(ground: Ground) -> &'static str {
    match ground {
        Ground::Mistaken => "They say that the check was wrong about them.",
        Ground::Changed => "They say that something has changed since.",
        Ground::Person => "They want a person to look at it and to talk to them.",
    }
}

/// What may be answered to an appeal.
pub(super) fn replies() -> Vec<Choice> {
    let label = |reply| match reply {
        Reply::Again => "Verify again",
        Reply::Meet => "Come to two officers in person",
        Reply::Stands => "It was looked at, and it stays",
    };
    let choice = |reply: Reply| Choice {
        value: reply.as_str(),
        label: label(reply),
    };
    Reply::ALL.into_iter().map(choice).collect()
}

/// Why a member is suspended, reinstated or erased: codes, because prose would name somebody.
pub(super) const SUSPEND: [(&str, &str); 6] = [
    ("abuse-report", "A provider or a colleague reported abuse"),
    ("leaked-token", "A token leaked"),
    ("lost-device", "A device is lost"),
    ("left-company", "They left"),
    ("policy-breach", "They broke a rule of ours"),
    ("other", "Something else"),
];
pub(super) const REINSTATE: [(&str, &str); 4] = [
    ("case-closed", "The case is closed"),
    ("mistake", "It was a mistake"),
    ("returned", "They are back"),
    ("other", "Something else"),
];
pub(super) const ERASE: [(&str, &str); 4] = [
    ("asked-for-it", "They asked for it"),
    ("left-company", "They left"),
    ("retention-over", "It was kept long enough"),
    ("other", "Something else"),
];

/// The codes of `list` to choose from.
pub(super) fn choices(list: &[(&'static str, &'static str)]) -> Vec<Choice> {
    let choice = |(value, label): &(&'static str, &'static str)| Choice { value, label };
    list.iter().map(choice).collect()
}

/// The code that was chosen, if it is one of `list`.
pub(super) fn chosen(
    list: &[(&'static str, &'static str)],
    code: Option<&str>,
) -> Option<&'static str> {
    let found = list.iter().find(|(known, _)| Some(*known) == code);
    found.map(|(known, _)| *known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_read_to_the_minute() {
        let at = UnixMillis(1_795_219_230_000);

        assert_eq!(instant(at), "21 November 2026, 00:00 UTC");
        assert_eq!(short(MemberId([0; 16])), "mbr_aaaaaaaa…");
    }

    #[test]
    fn only_a_code_of_the_list_is_taken() {
        assert_eq!(chosen(&SUSPEND, Some("lost-device")), Some("lost-device"));
        assert_eq!(chosen(&SUSPEND, Some("Ada lost it")), None);
        assert_eq!(chosen(&SUSPEND, None), None);
    }
}
