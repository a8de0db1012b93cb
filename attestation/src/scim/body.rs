//! What is read of a body. Names, addresses, pictures and passwords are passed over while the bytes
//! are read: there is no type here that could hold them.

use std::{borrow::Cow, collections::BTreeSet, fmt, marker::PhantomData};

use axum::{
    body::{Body, to_bytes},
    http::{
        HeaderMap,
        header::{CONTENT_ENCODING, CONTENT_TYPE},
    },
};
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use zeroize::{Zeroize, Zeroizing};

use super::{
    answer::{NO_JSON, SYNTAX, ScimError, TOO_LONG},
    path::{self, Attr, Kind},
};
use crate::ports::UserId;

/// A value that may say who somebody is. It cannot be printed, copied, stored or sent; it becomes a
/// keyed hash, or a sealed cell, or goes back to the directory it came from.
pub(super) struct Personal(Zeroizing<String>);

impl Personal {
    pub(super) fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The value itself, for the one place that hashes, seals or returns it.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether it looks like an e-mail address.
    pub(super) fn is_address(&self) -> bool {
        self.0.contains('@')
    }
}

impl<'de> Deserialize<'de> for Personal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text)
    }
}

struct Text;

impl Visitor<'_> for Text {
    type Value = Personal;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a short text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Personal, E> {
        if text.len() > LONGEST_VALUE {
            return Err(E::custom("too long"));
        }
        Ok(Personal::new(text))
    }
}

/// What a body says of an attribute.
#[derive(Default)]
pub(super) enum Given<T> {
    /// Nothing.
    #[default]
    Absent,
    /// That it has no value.
    Cleared,
    /// This.
    Value(T),
}

/// `active`, which one directory writes as a text. Anything but yes and no is an error: a null or a
/// zero that counted as yes would keep a leaver.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Active(pub(super) bool);

impl<'de> Deserialize<'de> for Active {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(YesOrNo)
    }
}

struct YesOrNo;

impl Visitor<'_> for YesOrNo {
    type Value = Active;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true or false")
    }

    fn visit_bool<E: Error>(self, said: bool) -> Result<Active, E> {
        Ok(Active(said))
    }

    fn visit_str<E: Error>(self, said: &str) -> Result<Active, E> {
        let is = |word: &str| said.eq_ignore_ascii_case(word);
        match (is("true"), is("false")) {
            (true, _) => Ok(Active(true)),
            (_, true) => Ok(Active(false)),
            _ => Err(E::custom("neither true nor false")),
        }
    }
}

/// What is used of somebody.
#[derive(Default)]
pub(super) struct UserFields {
    pub(super) user_name: Option<Personal>,
    pub(super) external: Given<Personal>,
    pub(super) active: Option<Active>,
}

/// What is used of a group.
#[derive(Default)]
pub(super) struct GroupFields {
    pub(super) name: Option<Personal>,
    pub(super) external: Given<Personal>,
    pub(super) members: Given<People>,
}

/// Who is in a group, by the ids that are ours.
#[derive(Default)]
pub(super) struct People {
    pub(super) listed: BTreeSet<UserId>,
    /// Whether some were no ids of ours.
    pub(super) strangers: bool,
}

/// A body whose attributes are taken one by one, each at most once.
pub(super) trait Fields: Default {
    const KIND: Kind;

    /// Takes an attribute, or says that it is of no use.
    fn take<'de, A: MapAccess<'de>>(&mut self, attr: Attr, map: &mut A) -> Result<bool, A::Error>;
}

impl Fields for UserFields {
    const KIND: Kind = Kind::User;

    fn take<'de, A: MapAccess<'de>>(&mut self, attr: Attr, map: &mut A) -> Result<bool, A::Error> {
        match attr {
            Attr::UserName => self.user_name = Some(map.next_value()?),
            Attr::ExternalId => self.external = given(map)?,
            Attr::Active => self.active = Some(map.next_value()?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Fields for GroupFields {
    const KIND: Kind = Kind::Group;

    fn take<'de, A: MapAccess<'de>>(&mut self, attr: Attr, map: &mut A) -> Result<bool, A::Error> {
        match attr {
            Attr::DisplayName => self.name = Some(map.next_value()?),
            Attr::ExternalId => self.external = given(map)?,
            Attr::Edges => self.members = given(map)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn given<'de, A: MapAccess<'de>, T: Deserialize<'de>>(map: &mut A) -> Result<Given<T>, A::Error> {
    let value: Option<T> = map.next_value()?;
    Ok(value.map_or(Given::Cleared, Given::Value))
}

/// Reads attributes of `F`; everything else is passed over.
pub(super) fn fields<F: Fields>(json: &[u8]) -> Result<F, ScimError> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let read = reader.deserialize_map(Object::<F>(PhantomData));
    let read = read.and_then(|fields| reader.end().map(|()| fields));
    // The error may hold a piece of the body.
    read.map_err(|_| SYNTAX)
}

struct Object<F>(PhantomData<F>);

impl<'de, F: Fields> Visitor<'de> for Object<F> {
    type Value = F;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<F, A::Error> {
        let mut fields = F::default();
        let mut seen = Vec::new();
        let mut names = 0_usize;
        while let Some(Key(name)) = map.next_key()? {
            names = names.saturating_add(1);
            if names > MOST_NAMES {
                return Err(A::Error::custom("too many attributes"));
            }
            // The whole resource under the name of its schema is a form that nobody sends, and what
            // it says must not be passed over.
            if name.eq_ignore_ascii_case(F::KIND.schema()) {
                return Err(A::Error::custom("an attribute is out of place"));
            }
            let path = path::read(&name, F::KIND);
            let whole = path.filter(|path| path.part.is_none() && path.filter.is_none());
            let attr = whole.map_or(Attr::Other, |path| path.attr);
            if attr != Attr::Other {
                if seen.contains(&attr) {
                    return Err(A::Error::custom("an attribute stands twice"));
                }
                seen.push(attr);
                if fields.take(attr, &mut map)? {
                    continue;
                }
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(fields)
    }
}

struct Key<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl<'de> Visitor<'de> for Name {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(name)))
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(Name)
    }
}

impl<'de> Deserialize<'de> for People {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Entries)
    }
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = People;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of members")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<People, A::Error> {
        let mut people = People::default();
        let mut entries = 0_usize;
        while let Some(Entry(id)) = list.next_element()? {
            entries = entries.saturating_add(1);
            if entries > MOST_MEMBERS {
                return Err(A::Error::custom("too many members"));
            }
            match id {
                Some(id) => drop(people.listed.insert(id)),
                None => people.strangers = true,
            }
        }
        Ok(people)
    }
}

/// One member: its `value`, if it is an id of ours. How it is called is passed over.
struct Entry(Option<UserId>);

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One;
        impl<'de> Visitor<'de> for One {
            type Value = Entry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
                let mut value: Option<Personal> = None;
                while let Some(Key(name)) = map.next_key()? {
                    if !name.eq_ignore_ascii_case("value") {
                        map.next_value::<IgnoredAny>()?;
                    } else if value.replace(map.next_value()?).is_some() {
                        return Err(A::Error::custom("a value stands twice"));
                    }
                }
                let value = value.ok_or_else(|| A::Error::custom("a member without a value"))?;
                Ok(Entry(UserId::parse(value.reveal())))
            }
        }
        deserializer.deserialize_map(One)
    }
}

/// One operation of a PATCH (RFC 7644, section 3.5.2).
pub(super) struct Operation<'a> {
    pub(super) verb: Verb,
    pub(super) path: Option<Zeroizing<String>>,
    /// As it stands in the body: what it may be depends on the path.
    pub(super) value: Option<&'a RawValue>,
}

/// What an operation does. One directory writes it in capitals.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verb {
    Add,
    Replace,
    Remove,
}

/// Reads the operations of a PATCH.
pub(super) fn operations(json: &[u8]) -> Result<Vec<Operation<'_>>, ScimError> {
    let read: Result<Patch<'_>, _> = serde_json::from_slice(json);
    read.map(|patch| patch.0).map_err(|_| SYNTAX)
}

struct Patch<'a>(Vec<Operation<'a>>);

impl<'de> Deserialize<'de> for Patch<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;
        impl<'de> Visitor<'de> for Whole {
            type Value = Patch<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a patch")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Patch<'de>, A::Error> {
                let mut found: Option<List<'de>> = None;
                while let Some(Key(name)) = map.next_key()? {
                    if !name.eq_ignore_ascii_case("Operations") {
                        map.next_value::<IgnoredAny>()?;
                    } else if found.replace(map.next_value()?).is_some() {
                        return Err(A::Error::custom("the operations stand twice"));
                    }
                }
                found
                    .map(|list| Patch(list.0))
                    .ok_or_else(|| A::Error::custom("a patch without operations"))
            }
        }
        deserializer.deserialize_map(Whole)
    }
}

struct List<'a>(Vec<Operation<'a>>);

impl<'de> Deserialize<'de> for List<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = List<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of operations")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<List<'de>, A::Error> {
                let mut all = Vec::new();
                while let Some(operation) = list.next_element()? {
                    all.push(operation);
                    if all.len() > MOST_OPERATIONS {
                        return Err(A::Error::custom("too many operations"));
                    }
                }
                Ok(List(all))
            }
        }
        deserializer.deserialize_seq(All)
    }
}

impl<'de> Deserialize<'de> for Operation<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One;
        impl<'de> Visitor<'de> for One {
            type Value = Operation<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an operation")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Operation<'de>, A::Error> {
                let (mut verb, mut path, mut value) = (None, None, None);
                while let Some(Key(name)) = map.next_key()? {
                    let twice = match name.to_ascii_lowercase().as_str() {
                        "op" => verb.replace(map.next_value::<Verb>()?).is_some(),
                        "path" => path.replace(map.next_value::<Personal>()?).is_some(),
                        "value" => value.replace(map.next_value::<&RawValue>()?).is_some(),
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            false
                        }
                    };
                    if twice {
                        return Err(A::Error::custom("a part stands twice"));
                    }
                }
                Ok(Operation {
                    verb: verb.ok_or_else(|| A::Error::custom("an operation without op"))?,
                    path: path.map(|path| path.0),
                    value,
                })
            }
        }
        deserializer.deserialize_map(One)
    }
}

impl<'de> Deserialize<'de> for Verb {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Key(word) = Key::deserialize(deserializer)?;
        match word.to_ascii_lowercase().as_str() {
            "add" => Ok(Self::Add),
            "replace" => Ok(Self::Replace),
            "remove" => Ok(Self::Remove),
            _ => Err(D::Error::custom("no such operation")),
        }
    }
}

/// One value that stands alone.
pub(super) fn value<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, ScimError> {
    serde_json::from_str(raw.get()).map_err(|_| SYNTAX)
}

/// The whole body, wiped when it is dropped.
pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Zeroizing<Vec<u8>>, ScimError> {
    if headers.contains_key(CONTENT_ENCODING) || !is_json(headers) {
        return Err(NO_JSON);
    }
    let bytes = to_bytes(body, LONGEST_BODY).await.map_err(|_| TOO_LONG)?;
    let whole = Zeroizing::new(bytes.to_vec());
    if let Ok(mut bytes) = bytes.try_into_mut() {
        bytes.as_mut().zeroize();
    }
    Ok(whole)
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(CONTENT_TYPE) else {
        return true;
    };
    let kind = kind.to_str().unwrap_or("none");
    let kind = kind.split(';').next().unwrap_or_default().trim();
    ["application/scim+json", "application/json"]
        .iter()
        .any(|known| kind.eq_ignore_ascii_case(known))
}

/// A mebibyte: twenty thousand members.
const LONGEST_BODY: usize = 1 << 20;
const LONGEST_VALUE: usize = 512;
const MOST_NAMES: usize = 500;
const MOST_MEMBERS: usize = 20_000;
const MOST_OPERATIONS: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn user(json: &str) -> Result<UserFields, ScimError> {
        fields(json.as_bytes())
    }

    #[test]
    fn of_a_person_only_what_is_used_is_read() {
        let body = r#"{
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": "00u1", "externalId": "7f4b", "active": true,
            "name": { "givenName": "Ada", "familyName": "L" }, "displayName": "Ada L",
            "emails": [{ "value": "ada@corp.example", "type": "work" }], "password": "pbkdf2:x",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": { "employeeNumber": "1" },
            "id": "usr_mine", "meta": { "version": "W/\"9\"" }, "tenant": "b"
        }"#;

        let read = user(body).unwrap();

        assert_eq!(read.user_name.unwrap().reveal(), "00u1");
        assert!(matches!(read.external, Given::Value(it) if it.reveal() == "7f4b"));
        assert_eq!(read.active, Some(Active(true)));
    }

    #[test]
    fn scm_04_active_is_yes_or_no_and_nothing_else() {
        for (text, said) in [
            ("true", true),
            ("false", false),
            ("\"True\"", true),
            ("\"False\"", false),
            ("\"false\"", false),
        ] {
            let read = user(&format!("{{\"active\":{text}}}")).unwrap();
            assert_eq!(read.active, Some(Active(said)), "{text}");
        }
        for text in [
            "0",
            "1",
            "null",
            "\"\"",
            "\"0\"",
            "\"no\"",
            "\" false\"",
            "[false]",
            "{}",
            "0.0",
        ] {
            assert!(user(&format!("{{\"active\":{text}}}")).is_err(), "{text}");
        }
    }

    #[test]
    fn a_thing_that_is_said_twice_is_refused_in_any_spelling() {
        for body in [
            r#"{"active":false,"active":true}"#,
            r#"{"active":false,"Active":true}"#,
            r#"{"active":false,"\u0061ctive":true}"#,
            r#"{"active":false,"urn:ietf:params:scim:schemas:core:2.0:User:active":true}"#,
            r#"{"userName":"a","USERNAME":"b"}"#,
            r#"{"urn:ietf:params:scim:schemas:core:2.0:User":{"active":false}}"#,
        ] {
            assert!(user(body).is_err(), "{body}");
        }
    }

    #[test]
    fn what_is_too_much_is_refused() {
        for body in [
            format!("{{\"userName\":\"{}\"}}", "a".repeat(513)),
            format!(
                "{{{}\"y\":1}}",
                (0..600)
                    .map(|n| format!("\"x{n}\":1"))
                    .collect::<Vec<_>>()
                    .join(",")
                    + ","
            ),
            "{} {}".to_owned(),
            "\u{feff}{}".to_owned(),
            "[]".to_owned(),
            String::new(),
        ] {
            assert!(user(&body).is_err(), "{}", &body[..body.len().min(40)]);
        }
        let many = r#"{"op":"add"},"#.repeat(1_001);
        let body = format!("{{\"Operations\":[{}]}}", many.trim_end_matches(','));
        assert!(operations(body.as_bytes()).is_err());
    }

    #[test]
    fn a_member_is_an_id_of_ours_and_its_name_is_passed_over() {
        let ours = UserId([7; 16]);
        let body = format!(
            r#"{{"displayName":"g","members":[{{"display":"Ada L","value":"{ours}","type":"User"}},{{"value":"1"}}]}}"#
        );

        let read: GroupFields = fields(body.as_bytes()).unwrap();

        let Given::Value(people) = read.members else {
            panic!("no members");
        };
        assert_eq!(people.listed, [ours].into());
        assert!(people.strangers);
    }

    #[test]
    fn an_operation_is_read_whatever_its_case_and_order() {
        let body =
            br#"{"schemas":[],"Operations":[{"value":"False","path":"active","op":"Replace"}]}"#;

        let read = operations(body).unwrap();

        assert_eq!(read[0].verb, Verb::Replace);
        assert_eq!(read[0].path.as_ref().unwrap().as_str(), "active");
        assert_eq!(value::<Active>(read[0].value.unwrap()), Ok(Active(false)));
    }
}
