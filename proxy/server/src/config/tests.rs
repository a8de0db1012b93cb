use super::*;

const GOOD: &str = r#"
[server]
public_url = "https://ai.example.com"
gateway_url = "https://ai-gw.example.com"
listen = "127.0.0.1:8080"

[storage]
identity = "sqlite://data/identity.db"
gateway = "sqlite://data/gateway.db"

[policy.frontier-gate]
version = "2026-11-01"
requires = ["person_verified"]

[[upstream]]
name = "anthropic"
dialect = "anthropic"
base_url = "https://api.anthropic.com"

[[model]]
name = "claude-opus"
gated_by = "frontier-gate"
targets = [ { upstream = "anthropic", model = "claude-opus-4-7" } ]
price = { input = "5.00", output = "25.00" }

[[scope]]
name = "frontier"
models = ["claude-opus"]
"#;

#[test]
fn a_page_of_settings_is_read() {
    let config = Config::parse(GOOD, std::iter::empty()).unwrap();

    assert_eq!(config.server.listen.port(), 8080);
    assert_eq!(config.storage.audit_durability, AuditDurability::Fsync);
    assert_eq!(config.model.len(), 1);
}

#[test]
fn sto_19_an_unknown_key_names_its_nearest() {
    let error = refused(&GOOD.replace("listen =", "lisen ="));

    assert!(
        error.contains("lisen") && error.contains("\"listen\""),
        "{error}"
    );
}

/// There is no switch for an emergency: what is forwarded is on record, whatever is written here.
#[test]
fn adm_06_no_key_of_the_configuration_turns_the_record_off() {
    for (from, to) in [
        ("[storage]", "[audit]\nenabled = false\n[storage]"),
        ("[storage]", "[storage]\naudit = false"),
        ("[storage]", "[storage]\naudit_durability = \"off\""),
        ("[storage]", "[storage]\naudit_durability = \"none\""),
        ("[server]", "[admin]\naudit = false\n[server]"),
        ("[server]", "[server]\nbreak_glass = true"),
    ] {
        refused(&GOOD.replacen(from, to, 1));
    }
    for (name, value) in [
        ("BAUTA__AUDIT__ENABLED", "false"),
        ("BAUTA__STORAGE__AUDIT", "off"),
        ("BAUTA__STORAGE__AUDIT_DURABILITY", "off"),
    ] {
        let one = std::iter::once((name.to_owned(), value.to_owned()));
        assert!(Config::parse(GOOD, one).is_err(), "{name}");
    }
}

#[test]
fn sto_19_what_cannot_be_is_refused_with_the_key() {
    let cases = [
        (
            "sqlite://data/gateway.db",
            "sqlite://data/identity.db",
            "the same database",
        ),
        (
            "https://ai.example.com",
            "http://ai.example.com",
            "public_url",
        ),
        (
            "https://ai.example.com",
            "https://ai.example.com/",
            "public_url",
        ),
        (
            "gated_by = \"frontier-gate\"",
            "gated_by = \"none\"",
            "policy.none",
        ),
        (
            "models = [\"claude-opus\"]",
            "models = [\"other\"]",
            "other",
        ),
        (
            "[[scope]]",
            "[[scope]]\nname = \"frontier\"\nmodels = []\n[[scope]]",
            "twice",
        ),
        ("[storage]", "[server]\n[storage]", "duplicate"),
        (
            "sqlite://data/identity.db",
            "mysql://x:secret@host/y",
            "storage.identity names no database",
        ),
        (
            "[[scope]]",
            "[[scope]]\nprivacy = \"anonymous\"",
            "does not serve",
        ),
    ];
    for (from, to, told) in cases {
        let error = refused(&GOOD.replace(from, to));
        assert!(error.contains(told), "{to}: {error}");
    }
}

#[test]
fn quotes_that_are_left_out_are_asked_for() {
    let bare = refused(&GOOD.replace("\"127.0.0.1:8080\"", "127.0.0.1:8080"));
    let number = refused(&GOOD.replace("input = \"5.00\"", "input = 5.00"));

    assert!(bare.contains("listen = \"127.0.0.1:8080\""), "{bare}");
    assert!(number.contains("quotes, such as \"5.00\""), "{number}");
    assert!(number.contains("price"), "{number}");
}

#[test]
fn an_inline_secret_is_refused_without_a_word_of_it() {
    let sso =
        "[sso]\nissuer = \"https://i.example\"\nclient_id = \"b\"\nclient_secret = \"hunter2\"\n";
    let upstream = "credential = \"hunter2\"\nbase_url =";
    let inline = [
        (
            GOOD.replace("[[upstream]]", &format!("{sso}[[upstream]]")),
            "client_secret",
        ),
        (GOOD.replace("base_url =", upstream), "credential"),
    ];
    for (text, key) in inline {
        let error = refused(&text);

        assert!(error.contains("a secret is never inline"), "{error}");
        assert!(error.contains(key), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn the_environment_overrides_one_key_at_a_time() {
    let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let overrides = [
        set("BAUTA__SERVER__LISTEN", "127.0.0.1:9999"),
        set("BAUTA__STORAGE__AUDIT_DURABILITY", "os"),
    ];

    let config = Config::parse(GOOD, overrides.into_iter()).unwrap();

    assert_eq!(config.server.listen.port(), 9999);
    assert_eq!(config.storage.audit_durability, AuditDurability::Os);
    let unknown = [set("BAUTA__SERVER__NOPE", "1")];
    assert!(Config::parse(GOOD, unknown.into_iter()).is_err());
}

fn refused(text: &str) -> String {
    match Config::parse(text, std::iter::empty()) {
        Ok(_) => panic!("accepted"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_table_to_copy_is_understood_in_the_configuration_that_is_shipped() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy");
    let shipped = fs::read_to_string(format!("{folder}/bauta.toml")).unwrap();
    let mut tried = 0;
    for entry in fs::read_dir(format!("{folder}/upstreams")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|it| it != "toml") {
            continue;
        }
        let tables = fs::read_to_string(&path).unwrap();

        let config = Config::parse(&format!("{shipped}\n{tables}"), std::iter::empty()).unwrap();

        let loaded = bauta_proxy::route::Models::load(&config.model, &config.upstream);
        assert!(loaded.is_ok(), "{}: {loaded:?}", path.display());
        tried += 1;
    }
    assert_eq!(tried, 7);
}
