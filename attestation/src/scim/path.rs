//! Attributes and the paths that name them (RFC 7644, section 3.10). Names have no case.

/// What a path is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    User,
    Group,
    /// One entry of `members` or `groups`.
    Entry,
}

impl Kind {
    /// The schema of its resources.
    pub(super) const fn schema(self) -> &'static str {
        match self {
            Self::User | Self::Entry => "urn:ietf:params:scim:schemas:core:2.0:User",
            Self::Group => "urn:ietf:params:scim:schemas:core:2.0:Group",
        }
    }
}

/// An attribute, as far as it is kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Attr {
    Id,
    Schemas,
    Meta,
    UserName,
    ExternalId,
    Active,
    DisplayName,
    /// `groups` of a person, `members` of a group.
    Edges,
    /// `value` of an entry.
    Value,
    /// Nothing of it is kept: `emails`, `name.givenName`, an extension.
    Other,
}

impl Attr {
    /// Whether only this side writes it.
    pub(super) const fn is_ours(self, kind: Kind) -> bool {
        matches!(
            (self, kind),
            (Self::Id | Self::Schemas | Self::Meta, _) | (Self::Edges, Kind::User)
        )
    }

    fn named(name: &str, kind: Kind) -> Self {
        let name = name.to_ascii_lowercase();
        match (kind, name.as_str()) {
            (Kind::Entry, "value") => Self::Value,
            (Kind::Entry, _) => Self::Other,
            (_, "id") => Self::Id,
            (_, "schemas") => Self::Schemas,
            (_, "meta") => Self::Meta,
            (_, "externalid") => Self::ExternalId,
            (Kind::User, "username") => Self::UserName,
            (Kind::User, "active") => Self::Active,
            (Kind::User, "groups") | (Kind::Group, "members") => Self::Edges,
            (Kind::Group, "displayname") => Self::DisplayName,
            _ => Self::Other,
        }
    }
}

/// `attribute[filter].part`.
pub(super) struct AttrPath<'a> {
    pub(super) attr: Attr,
    /// What stands in the brackets.
    pub(super) filter: Option<&'a str>,
    /// What stands after the last dot.
    pub(super) part: Option<&'a str>,
}

/// Reads a path; `None` when it is none.
pub(super) fn read(text: &str, kind: Kind) -> Option<AttrPath<'_>> {
    if text.is_empty() || text.len() > LONGEST {
        return None;
    }
    let (text, foreign) = without_schema(text, kind);
    let (name, filter, after) = match text.split_once('[') {
        Some((name, rest)) => {
            let (filter, after) = rest.rsplit_once(']')?;
            (name, Some(filter), after)
        }
        None => (text, None, ""),
    };
    let (name, part) = if filter.is_some() {
        let part = match after {
            "" => None,
            after => Some(after.strip_prefix('.')?),
        };
        (name, part)
    } else if foreign {
        (name, None)
    } else {
        match name.split_once('.') {
            Some((name, part)) => (name, Some(part)),
            None => (name, None),
        }
    };
    let plain = |text: &str, more: &[u8]| {
        text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '$')
            && (text.bytes()).all(|b| b.is_ascii_alphanumeric() || more.contains(&b))
    };
    let good = if foreign {
        plain(name, b":._-$")
    } else {
        plain(name, b"-_$")
    };
    if !good || part.is_some_and(|part| !plain(part, b"-_$.")) {
        return None;
    }
    let attr = if foreign {
        Attr::Other
    } else {
        Attr::named(name, kind)
    };
    Some(AttrPath { attr, filter, part })
}

/// A path within the resource's own schema, or one that belongs to another.
fn without_schema(text: &str, kind: Kind) -> (&str, bool) {
    let schema = kind.schema();
    let own = text
        .get(..schema.len())
        .filter(|start| start.eq_ignore_ascii_case(schema));
    let rest = own.and_then(|_| text.get(schema.len()..));
    if let Some(rest) = rest.and_then(|rest| rest.strip_prefix(':')) {
        return (rest, false);
    }
    let foreign = text
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("urn:"));
    (text, foreign)
}

/// No path is longer: a schema, an attribute and a filter on an id.
const LONGEST: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn attr(text: &str, kind: Kind) -> Option<Attr> {
        read(text, kind).map(|path| path.attr)
    }

    #[test]
    fn a_path_is_read_in_every_spelling_that_directories_use() {
        for (text, wanted) in [
            ("active", Attr::Active),
            ("Active", Attr::Active),
            (
                "urn:ietf:params:scim:schemas:core:2.0:User:active",
                Attr::Active,
            ),
            ("userName", Attr::UserName),
            ("name.givenName", Attr::Other),
            ("emails[type eq \"work\"].value", Attr::Other),
            (
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber",
                Attr::Other,
            ),
            ("displayName", Attr::Other),
        ] {
            assert_eq!(attr(text, Kind::User), Some(wanted), "{text}");
        }
        let one = read("members[value eq \"usr_x\"]", Kind::Group).unwrap();
        assert_eq!(
            (one.attr, one.filter),
            (Attr::Edges, Some("value eq \"usr_x\""))
        );
    }

    #[test]
    fn what_is_no_path_is_none() {
        for text in [
            "",
            " ",
            "a b",
            "members[",
            "members[value eq \"x\"",
            "members[value eq \"x\"]value",
            "1active",
            "active;drop",
            "\u{e9}",
            &"a".repeat(513),
        ] {
            assert!(read(text, Kind::User).is_none(), "{text}");
        }
    }
}
