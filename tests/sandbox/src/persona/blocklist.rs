//! Attribute blocklists, as set on API keys and webhooks.

use serde_json::{Map, Value, json};

/// Cuts from an object's attributes what `patterns` name. Ids, types and relationships stay.
///
/// A pattern is a name with `*` for any run of characters (`name-*`), or a path from the root
/// (`/data/attributes/fields/*-number`); `?type=inquiry` limits it to one type of object, and a `!`
/// in front takes names out again.
pub(super) fn cut(patterns: &[String], object: &mut Value) {
    let kind = object
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let rules: Vec<Rule<'_>> = patterns
        .iter()
        .map(|pattern| Rule::parse(pattern))
        .filter(|rule| rule.about(&kind))
        .collect();
    if rules.is_empty() {
        return;
    }
    if let Some(Value::Object(attributes)) = object.get_mut("attributes") {
        walk(&rules, "/data/attributes", attributes);
    }
}

fn walk(rules: &[Rule<'_>], path: &str, object: &mut Map<String, Value>) {
    object.retain(|name, value| {
        let at = format!("{path}/{name}");
        let hit = |exempt: bool| {
            rules
                .iter()
                .any(|rule| rule.exempt == exempt && rule.hits(&at, name))
        };
        if hit(true) {
            return true;
        }
        if hit(false) {
            // The map of fields is emptied, not removed.
            if name == "fields" {
                *value = json!({});
            }
            return name == "fields";
        }
        match value {
            Value::Object(inner) => walk(rules, &at, inner),
            Value::Array(items) => {
                for item in items.iter_mut().filter_map(Value::as_object_mut) {
                    walk(rules, &at, item);
                }
            }
            _ => {}
        }
        true
    });
}

struct Rule<'a> {
    exempt: bool,
    glob: &'a str,
    kind: Option<&'a str>,
}

impl<'a> Rule<'a> {
    fn parse(pattern: &'a str) -> Self {
        let (exempt, rest) = match pattern.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, pattern),
        };
        let (glob, kind) = match rest.split_once("?type=") {
            Some((glob, kind)) => (glob, Some(kind)),
            None => (rest, None),
        };
        let glob = if glob.is_empty() { "*" } else { glob };
        Self { exempt, glob, kind }
    }

    fn about(&self, kind: &str) -> bool {
        self.kind
            .is_none_or(|wanted| kind == wanted || kind.split('/').next() == Some(wanted))
    }

    fn hits(&self, path: &str, name: &str) -> bool {
        let text = if self.glob.starts_with('/') {
            path
        } else {
            name
        };
        glob(self.glob, text)
    }
}

/// Whether `text` fits `pattern`, in which `*` stands for any run of characters.
fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => text.strip_prefix(head).is_some_and(|rest| {
            let ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
            ends.into_iter()
                .any(|at| rest.get(at..).is_some_and(|rest| glob(tail, rest)))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object() -> Value {
        json!({"type": "inquiry", "id": "inq_1", "attributes": {
            "status": "approved", "name-first": "Z", "checks": [{"name": "a", "status": "passed"}],
            "fields": {"name-first": {"value": "Z"}, "card-number": {"value": "1"}},
        }, "relationships": {"reports": {"data": []}}})
    }

    fn after(patterns: &[&str]) -> Value {
        let mut object = object();
        let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        cut(&patterns, &mut object);
        object["attributes"].clone()
    }

    #[test]
    fn a_name_is_cut_wherever_it_stands() {
        let left = after(&["name-*"]);

        assert_eq!(left["fields"], json!({"card-number": {"value": "1"}}));
        assert_eq!(left.get("name-first"), None);
    }

    #[test]
    fn a_path_cuts_only_there() {
        let left = after(&["/data/attributes/fields/*-number"]);

        assert_eq!(left["fields"], json!({"name-first": {"value": "Z"}}));
        assert_eq!(left["name-first"], "Z");
    }

    #[test]
    fn blocked_fields_are_an_empty_map() {
        assert_eq!(after(&["fields"])["fields"], json!({}));
    }

    #[test]
    fn exemptions_make_it_a_list_of_what_may_pass() {
        let left = after(&["*", "!status", "!checks"]);

        let passed = json!({"status": "approved", "checks": [{"name": "a", "status": "passed"}], "fields": {}});
        assert_eq!(left, passed);
    }

    #[test]
    fn a_rule_for_another_type_cuts_nothing() {
        assert_eq!(after(&["*?type=verification"]), object()["attributes"]);
    }
}
