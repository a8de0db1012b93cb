use std::{
    fs,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
};

use super::*;
use crate::cli::init::{KEYS, TEMPLATE, new_key, private_folder};

/// A configuration that is good but for a provider that nobody runs, and its folder.
fn home(change: impl FnOnce(String) -> String) -> (tempfile::TempDir, Config) {
    let folder = tempfile::tempdir().unwrap();
    private_folder(&folder.path().join("keys")).unwrap();
    private_folder(&folder.path().join("data")).unwrap();
    for key in KEYS {
        new_key(&folder.path().join("keys").join(key)).unwrap();
    }
    for (name, secret) in [
        ("BAUTA_SSO_SECRET", "a-secret-of-the-provider"),
        ("PERSONA_API_KEY", "persona_production_x"),
        ("PERSONA_WEBHOOK_SECRET", "wbhsec_0123456789abcdef"),
        ("ANTHROPIC_API_KEY", "sk-a"),
        ("OPENAI_API_KEY", "sk-o"),
    ] {
        secret_file(folder.path(), name, secret);
    }
    let mut text = TEMPLATE.replace("https://idp.example.com", "http://127.0.0.1:1");
    for name in [
        "BAUTA_SSO_SECRET",
        "PERSONA_API_KEY",
        "PERSONA_WEBHOOK_SECRET",
        "ANTHROPIC_API_KEY",
        "OPENAI_API_KEY",
    ] {
        let from = format!("{{ env = \"{name}\" }}");
        text = text.replace(&from, &format!("{{ file = \"keys/{name}\" }}"));
    }
    let config = Config::parse(&change(text), std::iter::empty()).unwrap();
    (folder, config)
}

fn secret_file(folder: &Path, name: &str, secret: &str) {
    let path = folder.join("keys").join(name);
    let mut options = fs::OpenOptions::new();
    let file = options.create(true).truncate(true).write(true).mode(0o600);
    std::io::Write::write_all(&mut file.open(path).unwrap(), secret.as_bytes()).unwrap();
}

async fn rows(home: &(tempfile::TempDir, Config)) -> Vec<String> {
    bauta_token::jws::install();
    drop(rustls::crypto::ring::default_provider().install_default());
    let found = findings(&home.1, home.0.path(), Role::All).await;
    let style = Style::of_stdout();
    found.iter().map(|finding| finding.row(style)).collect()
}

/// What must be mended, but for the provider that nobody runs.
async fn mends(home: &(tempfile::TempDir, Config)) -> Vec<String> {
    let rows = rows(home).await;
    let bad = rows.into_iter().filter(|row| row.contains("MEND"));
    bad.filter(|row| !row.contains("the identity provider"))
        .collect()
}

#[tokio::test]
async fn a_good_configuration_has_nothing_to_mend_but_what_is_away() {
    let home = home(|text| text);

    let mends = mends(&home).await;

    assert!(mends.is_empty(), "{mends:?}");
    let rows = rows(&home).await;
    let away = rows.iter().find(|row| row.contains("identity provider"));
    assert!(away.unwrap().contains("is sso.issuer right"), "{rows:?}");
    assert!(!home.0.path().join("data/identity.db").exists());
}

#[tokio::test]
async fn what_serve_refuses_of_a_verifier_is_found() {
    let home = home(|text| text);
    for (name, secret, told) in [
        ("PERSONA_API_KEY", "persona_sandbox_x", "no production key"),
        ("PERSONA_API_KEY", "persona_production_x", ""),
        ("PERSONA_WEBHOOK_SECRET", "short", "too short"),
    ] {
        secret_file(home.0.path(), name, secret);

        let mends = mends(&home).await;

        assert_eq!(mends.is_empty(), told.is_empty(), "{mends:?}");
        assert!(mends.iter().all(|row| row.contains(told)), "{mends:?}");
    }
}

#[tokio::test]
async fn a_database_is_opened_and_not_believed() {
    let dead = home(|text| {
        text.replace(
            "sqlite://data/identity.db",
            "postgres://u:p4ss@127.0.0.1:1/y",
        )
    });
    let torn = home(|text| text);
    let file = torn.0.path().join("data/gateway.db");
    fs::write(&file, "no database at all, but a letter to a friend").unwrap();

    let (dead, torn) = (mends(&dead).await, mends(&torn).await);

    assert_eq!(dead.len(), 1, "{dead:?}");
    assert!(dead[0].contains("storage.identity"), "{dead:?}");
    assert!(dead[0].contains("refused"), "{dead:?}");
    assert!(!dead[0].contains("p4ss"), "{dead:?}");
    assert_eq!(torn.len(), 1, "{torn:?}");
    assert!(torn[0].contains("not a database"), "{torn:?}");
}

#[tokio::test]
async fn the_planes_databases_are_not_taken_for_one_another() {
    let home = home(|text| text);
    let data = home.0.path().join("data");
    let url = "sqlite://data/gateway.db";
    drop(bauta_storage::identity(url, home.0.path()).await.unwrap());

    let mends = mends(&home).await;

    assert_eq!(mends.len(), 1, "{mends:?}");
    assert!(mends[0].contains("the other plane's"), "{mends:?}");
    assert!(!data.join("identity.db").exists());
}

#[tokio::test]
async fn a_note_stays_a_note_beside_a_fault() {
    let home = home(|text| text.replacen("upstream = \"openai\"", "upstream = \"opanai\"", 1));

    let rows = rows(&home).await;

    let fallback = rows.iter().find(|row| row.contains("no fallback speaks"));
    assert!(fallback.unwrap().contains("note"), "{rows:?}");
    let fault = rows.iter().find(|row| row.contains("opanai"));
    assert!(fault.unwrap().contains("MEND"), "{rows:?}");
}

#[tokio::test]
async fn an_open_address_without_tls_gets_a_note() {
    let home = home(|text| text.replace("\"127.0.0.1:8080\"", "\"0.0.0.0:8080\""));

    let rows = rows(&home).await;

    let told = rows
        .iter()
        .find(|row| row.contains("0.0.0.0:8080"))
        .unwrap();
    assert!(told.contains("note") && told.contains("TLS"), "{told}");
}

#[tokio::test]
async fn each_secret_is_called_by_its_name() {
    let home = home(|text| text);
    for name in ["PERSONA_API_KEY", "PERSONA_WEBHOOK_SECRET"] {
        fs::remove_file(home.0.path().join("keys").join(name)).unwrap();
    }
    let loose = home.0.path().join("keys/ANTHROPIC_API_KEY");
    fs::set_permissions(&loose, fs::Permissions::from_mode(0o644)).unwrap();

    let mends = mends(&home).await;

    for name in [
        "the api_key of verifier persona",
        "the webhook_secret of verifier persona",
        "the credential of upstream anthropic",
    ] {
        let said = mends.iter().filter(|row| row.contains(name));
        assert_eq!(said.count(), 1, "{name}: {mends:?}");
    }
}

/// The template with a build in it.
fn with_workload(text: &str, more: &str) -> String {
    format!(
        "{text}\n[[workload]]\naudience = \"bauta\"\nscope = \"frontier\"\n\
         sponsor = \"mbr_aaaaaaaaaaaaaaaaaaaaaaaaaa\"\n{more}\n"
    )
}

#[tokio::test]
async fn a_workload_that_lets_everybody_in_is_found_with_its_mend() {
    let home = home(|text| {
        let more = "issuer = \"https://token.actions.githubusercontent.com\"\n\
                    claims = { environment = \"ci\" }";
        with_workload(&text, more)
    });

    let mends = mends(&home).await;

    assert_eq!(mends.len(), 1, "{mends:?}");
    for told in ["workload 1", "everybody", "repository_owner_id"] {
        assert!(mends[0].contains(told), "{told}: {mends:?}");
    }
}

#[tokio::test]
async fn a_workload_whose_keys_or_sponsor_are_not_there_is_found() {
    let more = "issuer = \"http://127.0.0.1:2\"\nclaims = { sub = \"x\" }";
    let away = home(|text| with_workload(&text, more));
    let home = home(|text| with_workload(&text, &format!("{more}\nkeys_file = \"jwks.json\"")));
    let file = home.0.path().join("jwks.json");

    let absent = mends(&home).await;
    fs::write(&file, r#"{"keys":[{"kty":"oct"}]}"#).unwrap();
    let none = mends(&home).await;
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let set = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}]}}"#);
    fs::write(&file, set).unwrap();
    let unknown = mends(&home).await;
    let url = "sqlite://data/identity.db";
    drop(bauta_storage::identity(url, home.0.path()).await.unwrap());
    let known = mends(&home).await;
    let away = mends(&away).await;

    assert!(absent[0].contains("jwks.json cannot be read"), "{absent:?}");
    assert!(none[0].contains("no key that can be used"), "{none:?}");
    assert!(
        unknown.is_empty(),
        "nobody knows yet who is a member: {unknown:?}"
    );
    assert_eq!(known.len(), 1, "{known:?}");
    assert!(known[0].contains("there is no such member"), "{known:?}");
    assert_eq!(away.len(), 1, "{away:?}");
    assert!(away[0].contains("the keys of workload 1"), "{away:?}");
    assert!(away[0].contains("keys_file"), "{away:?}");
}

#[tokio::test]
async fn every_rule_that_the_page_on_builds_shows_is_taken() {
    let page = include_str!("../../../../docs/WORKLOADS.md");
    let rules: Vec<_> = page
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split_once("```").unwrap().0)
        .collect();
    assert_eq!(rules.len(), 3);

    for rule in rules {
        let home = home(|text| format!("{text}\n{rule}"));
        let start = Start::new(&home.1, home.0.path());
        let examined = examine_identity(&start, None).await;
        assert!(examined.is_ok(), "{rule}: {:?}", examined.err());
    }
}

#[tokio::test]
async fn what_a_collector_is_shown_is_a_secret_that_stands_in_a_header() {
    let home = home(|text| {
        let shown = "authorization = { file = \"keys/OTLP\" }";
        format!("{text}\n[telemetry]\notlp = \"https://otlp.example.com\"\n{shown}\n")
    });
    let absent = mends(&home).await;
    secret_file(home.0.path(), "OTLP", "Bearer two\nlines");
    let lines = mends(&home).await;
    secret_file(home.0.path(), "OTLP", "Bearer canary");
    let good = rows(&home).await;

    for (mends, why) in [(absent, "not there"), (lines, "cannot stand in a header")] {
        assert_eq!(mends.len(), 1, "{mends:?}");
        assert!(mends[0].contains("telemetry.authorization"), "{mends:?}");
        assert!(mends[0].contains(why), "{mends:?}");
    }
    let row = good.iter().find(|row| row.contains("telemetry"));
    assert!(row.unwrap().contains("ok"), "{good:?}");
    assert!(!format!("{good:?}").contains("canary"));
}

#[test]
fn what_a_collector_is_shown_is_never_written_into_the_configuration() {
    let inline = "[telemetry]\notlp = \"https://o.example\"\nauthorization = \"Bearer canary\"\n";
    let text = format!("{TEMPLATE}\n{inline}");

    let refused = Config::parse(&text, std::iter::empty()).err().unwrap();

    assert!(!refused.to_string().contains("canary"), "{refused}");
}
