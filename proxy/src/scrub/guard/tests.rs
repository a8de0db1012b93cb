use serde_json::{Value, json};

use super::*;

#[test]
fn jsn_12_a_git_name_that_claude_code_adds_is_taken_out() {
    for (name, rest) in [
        ("Ada Canary", "\n\nStatus:\n(clean)"),
        ("Ada Canary", ""),
        ("Zoë Canäry", "\nRecent commits:"),
        ("canary", "\r\nx"),
    ] {
        let text = format!("Main branch: main\n\nGit user: {name}{rest}");
        let sent = redacted(&json!({ "system": [{ "type": "text", "text": text }] }));

        let expected = format!("Main branch: main\n\nGit user: member{rest}");
        assert_eq!(sent["system"][0]["text"], expected);
    }
}

#[test]
fn jsn_12_a_name_that_is_written_in_escapes_is_taken_out_whole() {
    let body = r#"{"s":"Git user: Zo\u00eb Can\u00e4ry\nStatus","t":"Git user: a\\nb"}"#;

    let sent = text(body, all(Action::Redact));

    assert_eq!(
        sent,
        r#"{"s":"Git user: member\nStatus","t":"Git user: member\\nb"}"#
    );
}

#[test]
fn jsn_12_the_address_of_an_account_is_taken_out_where_claude_code_tells_it() {
    for told in [
        "# userEmail\nThe user's email address is ada.canary@corp.example.\n# currentDate",
        "# userEmail\nThe user's email address is ada.canary@corp.example.",
        "# userEmail\nada.canary@corp.example",
        "# userEmail\n\tada.canary@corp.example, and so on",
    ] {
        let sent = redacted(&json!({ "messages": [{ "content": told }] }));

        let sent = sent["messages"][0]["content"].as_str().unwrap();
        assert_eq!(
            sent,
            told.replace("ada.canary@corp.example", "member@example.com")
        );
    }
    let escaped = r##"{"s":"# userEmail\n\u00e4da@corp.example\n"}"##;
    let sent = text(escaped, all(Action::Redact));
    assert_eq!(sent, r##"{"s":"# userEmail\nmember@example.com\n"}"##);
}

#[test]
fn jsn_12_a_home_that_a_client_tells_is_taken_out_wherever_it_stands() {
    let told = [
        "Primary working directory: /home/ada/project",
        "You have a persistent file-based memory at `/home/ada/.claude/x`",
        "<environment_context>\n  <cwd>/home/ada/project</cwd>",
        "<workspace_roots><root>/mnt/home/ada</root>",
        "The project's temporary directory is: /home/ada/.gemini/tmp/work",
        "- **Workspace Directories:**\n  - /home/ada/work",
        "Primary working directory: /Users/ada/project",
        "Primary working directory: C:\\Users\\ada\\project",
    ];
    let elsewhere = "open /home/ada/a, /Users/ada/b, C:\\Users\\ada\\c, \
                     ~/.claude/projects/-home-ada-project/memory and /home/ada";
    for told in told {
        let sent = redacted(&json!({ "system": told, "messages": [elsewhere] }));

        let sent = sent.to_string();
        assert!(!sent.contains("ada"), "{sent}");
        assert!(sent.contains("/home/member/a, /Users/member/b"), "{sent}");
        assert!(sent.contains("-home-member-project"), "{sent}");
    }
}

#[test]
fn what_is_told_by_no_client_is_a_text_like_any_other() {
    for plain in [
        "get(\"/home/dashboard\")",
        "see https://example.com/home/ada and /home/ada",
        "the git user: ada",
        "mail ada@corp.example",
        "Primary working directory: /srv/ada",
        "Primary working directory: /home/runner/work",
        "Primary working directory: /home/",
    ] {
        let body = json!({ "text": plain }).to_string();

        let (edits, found) = Guard::new(all(Action::Redact))
            .look(body.as_bytes())
            .unwrap();

        assert!(edits.is_empty(), "{plain}");
        assert_eq!(found.told(), None, "{plain}");
    }
}

#[test]
fn two_homes_do_not_become_one_and_a_longer_name_is_another() {
    let body = json!({
        "a": "Primary working directory: /home/ada/x",
        "b": "<cwd>/home/adam/y</cwd>",
        "c": "/home/ada /home/adam /home/adamant",
    });

    let sent = redacted(&body);

    assert_eq!(sent["c"], "/home/member /home/member2 /home/adamant");
}

#[test]
fn every_other_byte_stays_where_it_is_and_what_is_sent_is_json() {
    let body = "{ \"a\" : [1.50,\"\\u00e4\\/\"],\t\"s\":\"Git user: Ada\\n\\\"x\\\"\" ,\"z\":null}";

    let sent = text(body, all(Action::Redact));

    assert_eq!(sent, body.replace("Ada", "member"));
    assert!(serde_json::from_str::<Value>(&sent).is_ok());
}

#[test]
fn a_body_that_ends_anywhere_in_what_is_told_breaks_nothing() {
    let whole = r##"{"a":"Git user: Z\u00eb","b":"# userEmail\n\u00e4d@c.d.","c":"<cwd>C:\\Users\\ada b\\c</cwd>"}"##;
    for end in 0..=whole.len() {
        let guard = Guard::new(all(Action::Redact));
        let (edits, _) = guard.look(&whole.as_bytes()[..end]).unwrap();
        for edit in edits {
            assert!(edit.span().1 <= end.max(edit.span().0), "{end}");
        }
    }
}

#[test]
fn policy_says_what_becomes_of_each_kind() {
    let body = json!({
        "a": "Git user: Ada\n",
        "b": "# userEmail\nada@corp.example\n",
        "c": "<cwd>/home/ada</cwd>",
    });
    let body = body.to_string();
    let look = |config| Guard::new(config).look(body.as_bytes());

    let (edits, found) = look(GuardConfig::default()).unwrap();
    assert_eq!(edits.len(), 2);
    let told = "git_user=redacted, email=redacted, home=flagged";
    assert_eq!(found.told().unwrap(), told);

    let (edits, found) = look(all(Action::Off)).unwrap();
    assert!(edits.is_empty() && found.told().is_none());

    for kind in ["git_user", "email", "home"] {
        let mut config = all(Action::Flag);
        match kind {
            "git_user" => config.git_user = Action::Block,
            "email" => config.email = Action::Block,
            _ => config.home = Action::Block,
        }
        let refused = look(config).err().unwrap();
        assert_eq!(refused, ScrubError::Identity(kind));
        assert_eq!(refused.public().1, "identity_in_prompt");
    }
}

fn redacted(body: &Value) -> Value {
    serde_json::from_str(&text(&body.to_string(), all(Action::Redact))).unwrap()
}

fn text(body: &str, config: GuardConfig) -> String {
    let (mut edits, _) = Guard::new(config).look(body.as_bytes()).unwrap();
    edits.sort_by_key(Edit::span);
    let mut sent = String::new();
    let mut at = 0;
    for edit in edits {
        let (start, end) = edit.span();
        sent.push_str(&body[at..start]);
        sent.push_str(&edit.written());
        at = end;
    }
    sent + &body[at..]
}

fn all(action: Action) -> GuardConfig {
    GuardConfig {
        git_user: action,
        email: action,
        home: action,
    }
}
