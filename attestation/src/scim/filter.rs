//! Filters (RFC 7644, section 3.4.2.2): read into a tree, bounded in length, depth and number.

use super::{
    answer::ScimError,
    body::Personal,
    path::{self, Attr, Kind},
};

/// What is looked for.
pub(super) enum Filter {
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
    Present(Attr),
    Compare(Attr, Op, Literal),
}

/// How a value is compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Op {
    Is,
    Contains,
    Begins,
    Ends,
}

/// What it is compared with.
pub(super) enum Literal {
    Text(Personal),
    Flag(bool),
}

/// Reads a filter over resources of `kind`.
///
/// # Errors
///
/// `invalidFilter` for anything that is not wholly understood: a part that was passed over could make
/// a search find more than was meant.
pub(super) fn read(text: &str, kind: Kind) -> Result<Filter, ScimError> {
    if text.len() > LONGEST {
        return Err(INVALID);
    }
    let mut reader = Reader {
        rest: text,
        kind,
        terms: 0,
    };
    let filter = reader.any(0)?;
    reader.skip();
    if reader.rest.is_empty() {
        Ok(filter)
    } else {
        Err(INVALID)
    }
}

struct Reader<'a> {
    rest: &'a str,
    kind: Kind,
    terms: usize,
}

impl<'a> Reader<'a> {
    /// `a or b or c`.
    fn any(&mut self, depth: usize) -> Result<Filter, ScimError> {
        let mut left = self.all(depth)?;
        while self.word("or") {
            left = Filter::Or(Box::new(left), Box::new(self.all(depth)?));
        }
        Ok(left)
    }

    /// `a and b and c`.
    fn all(&mut self, depth: usize) -> Result<Filter, ScimError> {
        let mut left = self.one(depth)?;
        while self.word("and") {
            left = Filter::And(Box::new(left), Box::new(self.one(depth)?));
        }
        Ok(left)
    }

    fn one(&mut self, depth: usize) -> Result<Filter, ScimError> {
        if depth > DEEPEST {
            return Err(INVALID);
        }
        let not = self.word("not");
        self.skip();
        if self.take('(') {
            let inner = self.any(depth.saturating_add(1))?;
            self.expect(')')?;
            return Ok(if not {
                Filter::Not(Box::new(inner))
            } else {
                inner
            });
        }
        if not {
            return Err(INVALID);
        }
        self.comparison(depth)
    }

    /// `attribute op value`, `attribute pr` or `attribute[...]`.
    fn comparison(&mut self, depth: usize) -> Result<Filter, ScimError> {
        self.terms = self.terms.saturating_add(1);
        if self.terms > MOST {
            return Err(INVALID);
        }
        let name = self.until(|c| " ()[]\"".contains(c));
        let found = path::read(name, self.kind).ok_or(INVALID)?;
        let attr = found.attr;
        if attr == Attr::Other {
            return Err(UNKNOWN);
        }
        if self.take('[') {
            let outer = std::mem::replace(&mut self.kind, Kind::Entry);
            if attr != Attr::Edges || outer == Kind::Entry {
                return Err(INVALID);
            }
            let inner = self.any(depth.saturating_add(1))?;
            self.kind = outer;
            self.expect(']')?;
            return Ok(inner);
        }
        let part = found
            .part
            .is_none_or(|part| attr == Attr::Edges && part.eq_ignore_ascii_case("value"));
        if !part {
            return Err(UNKNOWN);
        }
        self.skip();
        let op = self
            .until(|c| !c.is_ascii_alphabetic())
            .to_ascii_lowercase();
        let negated = op == "ne";
        let op = match op.as_str() {
            "pr" => return Ok(Filter::Present(attr)),
            "eq" | "ne" => Op::Is,
            "co" => Op::Contains,
            "sw" => Op::Begins,
            "ew" => Op::Ends,
            _ => return Err(INVALID),
        };
        let literal = self.literal()?;
        let compared = Filter::Compare(attr, op, literal);
        Ok(if negated {
            Filter::Not(Box::new(compared))
        } else {
            compared
        })
    }

    fn literal(&mut self) -> Result<Literal, ScimError> {
        if !self.rest.starts_with(' ') {
            return Err(INVALID);
        }
        self.skip();
        if !self.rest.starts_with('"') {
            return match self.until(|c| " ()[]".contains(c)) {
                "true" => Ok(Literal::Flag(true)),
                "false" => Ok(Literal::Flag(false)),
                _ => Err(INVALID),
            };
        }
        let mut escaped = false;
        let end = self.rest.char_indices().skip(1).find(|(_, c)| {
            let ends = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            ends
        });
        let (end, _) = end.ok_or(INVALID)?;
        let (text, rest) = self
            .rest
            .split_at_checked(end.saturating_add(1))
            .ok_or(INVALID)?;
        self.rest = rest;
        // As JSON writes a text; what it cannot be is no text.
        let text = serde_json::from_str(text).map_err(|_| INVALID)?;
        Ok(Literal::Text(text))
    }

    /// Takes `word`, if it stands here as a word.
    fn word(&mut self, word: &str) -> bool {
        let rest = self.rest.trim_start_matches(' ');
        let Some((start, after)) = rest.split_at_checked(word.len()) else {
            return false;
        };
        let is = start.eq_ignore_ascii_case(word) && after.starts_with([' ', '(']);
        if is {
            self.rest = after;
        }
        is
    }

    fn until(&mut self, stop: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(stop).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn skip(&mut self) {
        self.rest = self.rest.trim_start_matches(' ');
    }

    fn take(&mut self, c: char) -> bool {
        let Some(rest) = self.rest.strip_prefix(c) else {
            return false;
        };
        self.rest = rest;
        true
    }

    fn expect(&mut self, c: char) -> Result<(), ScimError> {
        self.skip();
        if self.take(c) { Ok(()) } else { Err(INVALID) }
    }
}

pub(super) const INVALID: ScimError = ScimError::bad(
    "invalidFilter",
    "The filter is not understood. It may compare with eq, ne, co, sw, ew and pr, and join at most 20 \
     terms by and, or, not, and brackets.",
);
const UNKNOWN: ScimError = ScimError::bad(
    "invalidFilter",
    "The filter names an attribute that is not kept. People are found by id, userName, externalId, \
     active and groups, groups by id, displayName, externalId and members.",
);
const LONGEST: usize = 1_024;
const DEEPEST: usize = 8;
const MOST: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree in one line, with every text as its length.
    fn shape(filter: &Filter) -> String {
        match filter {
            Filter::And(a, b) => format!("({} & {})", shape(a), shape(b)),
            Filter::Or(a, b) => format!("({} | {})", shape(a), shape(b)),
            Filter::Not(a) => format!("!{}", shape(a)),
            Filter::Present(attr) => format!("{attr:?}?"),
            Filter::Compare(attr, op, Literal::Text(text)) => {
                format!("{attr:?} {op:?} {}", text.reveal().len())
            }
            Filter::Compare(attr, op, Literal::Flag(flag)) => format!("{attr:?} {op:?} {flag}"),
        }
    }

    fn read_user(text: &str) -> Option<String> {
        read(text, Kind::User).ok().map(|it| shape(&it))
    }

    #[test]
    fn what_directories_send_is_understood() {
        for (text, wanted) in [
            ("userName eq \"ada\"", "UserName Is 3"),
            ("USERNAME Eq \"a\\\"b\"", "UserName Is 3"),
            (
                "externalId eq \"x\" and active eq true",
                "(ExternalId Is 1 & Active Is true)",
            ),
            (
                "id eq \"a\" or id eq \"b\" and active eq false",
                "(Id Is 1 | (Id Is 1 & Active Is false))",
            ),
            (
                "(id eq \"a\" or id eq \"b\") and not (active eq false)",
                "((Id Is 1 | Id Is 1) & !Active Is false)",
            ),
            (
                "userName sw \"a\" and userName co \"d\"",
                "(UserName Begins 1 & UserName Contains 1)",
            ),
            ("externalId pr", "ExternalId?"),
            ("active ne true", "!Active Is true"),
            (
                "urn:ietf:params:scim:schemas:core:2.0:User:userName eq \"a\"",
                "UserName Is 1",
            ),
            ("groups[value eq \"g\"]", "Value Is 1"),
            ("groups.value eq \"g\"", "Edges Is 1"),
            ("not(userName pr)", "!UserName?"),
        ] {
            assert_eq!(read_user(text).as_deref(), Some(wanted), "{text}");
        }
    }

    #[test]
    fn scm_02_a_filter_that_injects_or_explodes_is_refused() {
        let many = vec!["active eq true"; 21].join(" or ");
        let ten_thousand = vec!["active eq true"; 10_000].join(" or ");
        let deep = format!("{}active eq true{}", "(".repeat(10), ")".repeat(10));
        for text in [
            "userName eq \"x\" or 1 eq 1",
            "userName eq \"x\" or \"1\" eq \"1\"",
            "userName eq \"x\"; DROP TABLE member",
            "userName eq \"x\" -- ",
            "userName eq 'x'",
            "userName eq \"x",
            "userName eq x",
            "userName eq\"x\"",
            "userName = \"x\"",
            "userName re \".*\"",
            "userName gt \"a\"",
            "(userName eq \"x\"",
            "userName eq \"x\")",
            "not userName eq \"x\"",
            "and",
            "userName",
            "userName eq",
            "",
            " ",
            "password eq \"x\"",
            "emails[type eq \"work\"].value eq \"a@b\"",
            "name.familyName sw \"L\"",
            "groups[value eq \"g\" and groups[value eq \"h\"]]",
            "userName.x eq \"a\"",
            "userName eq \"\u{1}\"",
            "active eq null",
            many.as_str(),
            ten_thousand.as_str(),
            deep.as_str(),
        ] {
            assert!(read_user(text).is_none(), "{}", &text[..text.len().min(60)]);
        }
    }
}
