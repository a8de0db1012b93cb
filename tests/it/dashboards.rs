//! What dashboards and alerts ask for is measured, and what is measured does not grow with what
//! callers send.

use std::{collections::BTreeSet, fs, path::Path};

use bauta_sandbox::persona::Decision;
use bauta_tests::{Backend, World, root};
use serde_json::Value;

use crate::sdk::{CHAT, MESSAGES, post, question};

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_that_a_dashboard_or_an_alert_names_is_measured() {
    let world = World::with(Backend::Sqlite, with_everything).await;
    let (plane, text) = (world.stage.running.plane.clone(), scraped(&world).await);
    plane.unwrap().tend().await.unwrap();
    let measured = names(&text);
    let mut asked = BTreeSet::new();
    for (file, least) in [
        ("deploy/grafana/bauta-gateway.json", 18),
        ("deploy/grafana/bauta-identity.json", 5),
        ("deploy/prometheus/alerts.yml", 11),
    ] {
        let found = mentioned(&fs::read_to_string(root().join(file)).unwrap());
        assert!(found.len() >= least, "{file}: {found:?}");
        asked.extend(found);
    }

    let missing: Vec<_> = asked.difference(&measured).collect();
    assert!(missing.is_empty(), "nobody measures {missing:?}\n{text}");
    // And nothing is measured that nobody looks at.
    let unseen: Vec<_> = measured
        .iter()
        .filter(|name| {
            !asked
                .iter()
                .any(|it| it.starts_with(name.trim_end_matches("_sum").trim_end_matches("_count")))
        })
        .collect();
    assert!(unseen.is_empty(), "no panel and no alert shows {unseen:?}");
    println!("{} of {} series are named", asked.len(), measured.len());
    world.end().await;
}

#[test]
fn a_dashboard_is_one_that_grafana_can_open_and_names_no_person() {
    for entry in fs::read_dir(root().join("deploy/grafana")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let board: Value = serde_json::from_str(&text).unwrap();
        let stem = Path::new(&path).file_stem().unwrap().to_str().unwrap();
        assert_eq!(board["uid"], stem);
        let panels = board["panels"].as_array().unwrap();
        let ids: BTreeSet<_> = panels.iter().map(|it| it["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.len(), panels.len(), "{stem}: an id twice");
        for panel in panels.iter().filter(|it| it["type"] != "row") {
            let targets = panel["targets"].as_array().unwrap();
            assert!(!targets.is_empty(), "{panel}");
            for target in targets {
                let expr = target["expr"].as_str().unwrap();
                balanced(expr);
                for by in expr.split("by (").skip(1) {
                    let labels = by.split(')').next().unwrap().split(',');
                    for label in labels.map(str::trim) {
                        assert!(LABELS.contains(&label), "{label} in {expr}");
                    }
                }
            }
        }
    }
}

#[test]
fn an_alert_says_what_is_wrong_and_what_to_do() {
    let text = fs::read_to_string(root().join("deploy/prometheus/alerts.yml")).unwrap();
    let alerts: Vec<&str> = text.split("- alert: ").skip(1).collect();
    assert!(alerts.len() >= 10);
    for alert in alerts {
        for part in ["expr: ", "severity: ", "summary: ", "action: "] {
            assert_eq!(alert.matches(part).count(), 1, "{part} in {alert}");
        }
        let expr = alert
            .lines()
            .find_map(|it| it.trim().strip_prefix("expr: "));
        balanced(expr.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn series_do_not_grow_with_what_callers_send() {
    let world = World::with(Backend::Sqlite, with_everything).await;
    let mut ada = world.member("Ada");
    ada.sign_in().await.unwrap();
    ada.verify(Decision::Approve).await.unwrap();
    let round = async |n: usize| {
        let token = format!("bauta_forged-{n}");
        let model = format!("model-{n}");
        for path in [MESSAGES, CHAT] {
            post(&world, &token, path, &question(path, &model, false, 9)).await;
        }
        let url = format!("{}/v1/unknown-{n}", world.stage.scene.url);
        drop(world.stage.scene.http.get(url).send().await.unwrap());
    };
    let labelled = ada.labelled_token("frontier", "one", 30).await.unwrap();
    let good = async |token: &str, n: usize| {
        let asked = question(MESSAGES, "claude-opus", false, 9);
        post(&world, token, MESSAGES, &asked).await;
        let model = format!("model-{n}");
        post(
            &world,
            token,
            MESSAGES,
            &question(MESSAGES, &model, false, 9),
        )
        .await;
    };
    round(0).await;
    good(&labelled, 0).await;
    let before = scraped(&world).await;

    for n in 1..30 {
        round(n).await;
    }
    let other = ada.labelled_token("frontier", "two", 30).await.unwrap();
    for n in 1..10 {
        good(&other, n).await;
    }

    let after = scraped(&world).await;
    let series = |text: &str| {
        let lines = text.lines().filter(|it| !it.starts_with('#'));
        let names = lines.map(|it| it.rsplit_once(' ').unwrap().0.to_owned());
        names.collect::<BTreeSet<_>>()
    };
    let (before, after) = (series(&before), series(&after));
    let new: Vec<_> = after.difference(&before).collect();
    assert!(new.is_empty(), "{new:#?}");
    println!("{} series, whoever asks", after.len());
    world.end().await;
}

/// Every label that there is.
const LABELS: [&str; 10] = [
    "action", "key", "kind", "le", "model", "outcome", "reason", "result", "state", "upstream",
];

/// With every part that measures anything.
fn with_everything(setting: &mut bauta::dev::stage::Setting) {
    setting.edit = Box::new(|text| {
        text.replacen("[storage]", "ops_listen = \"127.0.0.1:0\"\n[storage]", 1)
            + "\n[telemetry]\notlp = \"http://127.0.0.1:9\"\none_in = 1\n"
    });
}

async fn scraped(world: &World) -> String {
    let address = world.stage.running.ops().unwrap();
    let url = format!("http://{address}/metrics");
    let answer = world.stage.scene.http.get(url).send().await.unwrap();
    answer.text().await.unwrap()
}

/// Every name that a scrape would give, families without a sample too.
fn names(text: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for line in text.lines() {
        let Some(family) = line.strip_prefix("# TYPE ") else {
            continue;
        };
        let (name, kind) = family.split_once(' ').unwrap();
        if kind == "histogram" {
            all.extend(["bucket", "sum", "count"].map(|end| format!("{name}_{end}")));
        } else {
            all.insert(name.to_owned());
        }
    }
    all
}

/// Every metric of ours that a text names.
fn mentioned(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_lowercase() && c != '_' && !c.is_ascii_digit());
    let ours = words.filter(|word| word.starts_with("bauta_"));
    ours.map(ToOwned::to_owned).collect()
}

/// Brackets that close, and strings that end.
fn balanced(expr: &str) {
    for (open, close) in [('(', ')'), ('{', '}'), ('[', ']')] {
        assert_eq!(
            expr.matches(open).count(),
            expr.matches(close).count(),
            "{expr}"
        );
    }
    assert_eq!(expr.matches('"').count() % 2, 0, "{expr}");
}
