use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use bauta_token::{ambient::Clock, scope::Privacy};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{breaker::Patience, *};
use crate::{
    config::{ModelConfig, UpstreamConfig},
    read::{self, tests::call},
};

#[test]
fn a_model_is_found_by_its_name_and_by_the_name_at_a_target() {
    let world = World::new();

    for name in ["opus", "claude-opus-4-7"] {
        let plan = world.route(&verified(), name).unwrap();
        assert_eq!(plan.model().as_str(), "opus");
        assert_eq!(
            served(&plan),
            ["a/claude-opus-4-7", "b/claude-opus-4-7", "local/qwen3"]
        );
    }
}

#[test]
fn a_model_that_is_not_in_the_scope_looks_like_none() {
    let world = World::new();

    for name in ["haiku", "claude-haiku-4-5", "nothing"] {
        let refused = world.route(&verified(), name).unwrap_err();
        assert!(matches!(refused, RouteError::NoModel(_)), "{refused:?}");
        let said = refused.told().message;
        assert!(!said.contains(name), "{said}");
    }
}

#[test]
fn who_does_not_satisfy_the_gate_gets_the_fallback_and_nothing_else() {
    let world = World::new();

    let plan = world.route(&unverified(), "opus").unwrap();

    assert_eq!(served(&plan), ["local/qwen3"]);
    assert!(plan.targets().iter().all(Door::is_fallback));
    assert_eq!(plan.gate(), None);
    assert_eq!(
        world.route(&verified(), "opus").unwrap().gate(),
        Some(&name("gate"))
    );
}

#[test]
fn bud_08_a_tier_is_reckoned_at_its_own_price_or_refused() {
    let mut models = models();
    models[0]["tiers"] = json!({ "fast": { "input": "30.00", "output": "150.00" } });
    models[0]["targets"][1]["tiers"] = json!({ "us": { "input": "5.50", "output": "27.50" } });
    // What has a price of its own has none of the model's tiers.
    models[0]["fallback"][0]["price"] = json!({ "input": "0.00", "output": "0.00" });
    let world = World::with(&models, &upstreams());
    let ask = |path, more: Value| {
        let mut body = json!({ "model": "opus" });
        let more = more.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(more);
        world.route_at(&verified(), path, &body)
    };

    let fast = ask("/v1/messages", json!({ "speed": "fast" })).unwrap();
    let us = ask("/v1/messages", json!({ "inference_geo": "us" })).unwrap();
    let plain = ask("/v1/messages", json!({ "speed": "standard" })).unwrap();
    let other = ask("/v1/messages", json!({ "service_tier": "priority" }));
    let count = ask("/v1/messages/count_tokens", json!({ "speed": "other" })).unwrap();

    assert_eq!(served(&fast), ["a/claude-opus-4-7"]);
    assert_eq!(fast.targets()[0].price().output.get(), 150_000_000);
    assert_eq!(served(&us), ["b/claude-opus-4-7"]);
    assert_eq!(us.targets()[0].price().input.get(), 5_500_000);
    assert_eq!(plain.targets()[0].price().output.get(), 25_000_000);
    assert_eq!(other.unwrap_err(), RouteError::Tier);
    assert_eq!(count.targets().len(), 3);
}

#[test]
fn a_model_costs_what_is_written_or_what_its_provider_lists_or_is_refused() {
    let mut models = models();
    models[0].as_object_mut().unwrap().remove("price");
    models[0]["fallback"][0]["price"] = json!("free");
    models[0]["targets"] = json!([{ "upstream": "a", "model": "claude-opus-4-7" }]);
    let mut official = upstreams();
    official[0]["base_url"] = json!("https://api.anthropic.com");

    let listed = World::with(&models, &official).route(&verified(), "opus");
    let elsewhere = load(&models, &upstreams()).unwrap_err();
    models[0]["targets"][0]["model"] = json!("claude-nobody-knows");
    let unknown = load(&models, &official).unwrap_err();
    models[0]["price"] = json!({ "input": "1.00", "output": "2.00" });
    let written = World::with(&models, &official).route(&verified(), "opus");

    let prices = |plan: Result<Plan, RouteError>| {
        let plan = plan.unwrap();
        let each = plan.targets().iter().map(|door| door.price().output.get());
        each.collect::<Vec<_>>()
    };
    assert_eq!(prices(listed), [25_000_000, 0]);
    assert_eq!(prices(written), [2_000_000, 0]);
    for refused in [elsewhere, unknown] {
        let errors = refused.iter().filter(|it| it.gravity == Gravity::Error);
        let told: Vec<_> = errors.map(|it| it.sentence.as_str()).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("nobody says what claude-"), "{told:?}");
        assert!(told[0].contains("price = \"free\""), "{told:?}");
    }
}

#[test]
fn a_gate_without_a_fallback_refuses_and_says_what_to_do() {
    let mut models = models();
    models[0]["fallback"] = json!([]);
    let world = World::with(&models, &upstreams());

    let refused = world.route(&unverified(), "opus").unwrap_err();

    assert_eq!(refused, RouteError::Gated(name("gate")));
    assert_eq!(refused.public().1, "verification_required");
}

#[test]
fn a_model_is_not_asked_in_another_dialect() {
    let mut upstreams = upstreams();
    for upstream in upstreams.as_array_mut().unwrap() {
        upstream["dialect"] = json!("openai");
    }
    let world = World::with(&models(), &upstreams);

    assert_eq!(
        world.route(&verified(), "opus").unwrap_err(),
        RouteError::Dialect
    );
}

#[test]
fn a_target_of_another_dialect_is_passed_over() {
    let mut upstreams = upstreams();
    upstreams[1]["dialect"] = json!("openai");
    let world = World::with(&models(), &upstreams);

    let plan = world.route(&verified(), "opus").unwrap();

    assert_eq!(served(&plan), ["a/claude-opus-4-7", "local/qwen3"]);
}

#[test]
fn nothing_is_sent_where_the_token_has_no_pseudonym() {
    let world = World::new();
    let mut bearer = verified();
    bearer.known = vec!["b"];

    assert_eq!(
        served(&world.route(&bearer, "opus").unwrap()),
        ["b/claude-opus-4-7"]
    );

    bearer.known = vec![];
    let refused = world.route(&bearer, "opus").unwrap_err();
    assert_eq!(refused, RouteError::NoPseudonym);
    assert_eq!(refused.public().0, StatusCode::UNAUTHORIZED);
}

#[test]
fn an_upstream_that_fails_is_left_out_until_it_may_be_tried() {
    let world = World::new();
    world.fail(0);

    let plan = world.route(&verified(), "opus").unwrap();
    assert_eq!(served(&plan), ["b/claude-opus-4-7", "local/qwen3"]);

    world.clock.0.store(1_000, Ordering::Relaxed);
    let plan = world.route(&verified(), "opus").unwrap();
    assert_eq!(plan.targets()[0].to_string(), "a/claude-opus-4-7");
}

#[test]
fn when_every_upstream_fails_the_caller_learns_when_to_come_back() {
    let world = World::new();
    for upstream in 0..3 {
        world.fail(upstream);
    }

    let refused = world.route(&verified(), "opus").unwrap_err();

    assert_eq!(refused, RouteError::Unavailable { wait_ms: 1_000 });
    assert_eq!(refused.retry_after_s(), Some(1));
    assert_eq!(refused.public().0, StatusCode::SERVICE_UNAVAILABLE);
}

#[test]
fn when_every_upstream_of_a_gated_model_fails_the_fallback_answers() {
    let world = World::new();
    world.fail(0);
    world.fail(1);

    let plan = world.route(&verified(), "opus").unwrap();

    assert_eq!(served(&plan), ["local/qwen3"]);
    assert!(plan.targets()[0].is_fallback());
}

#[test]
fn a_providers_own_gate_is_not_got_round_by_another_door() {
    let world = World::new();

    world.health.enter(0).unwrap().shut(true);

    // `b` has the same model: only the other model answers, and who has none is told the truth.
    let plan = world.route(&verified(), "opus").unwrap();
    assert_eq!(served(&plan), ["local/qwen3"]);
    let mut bearer = verified();
    bearer.known = vec!["a", "b"];
    let refused = world.route(&bearer, "opus").unwrap_err();
    assert_eq!(refused, RouteError::Barred);
    assert_eq!(refused.public().1, "upstream_refuses");

    world.clock.0.store(30_000, Ordering::Relaxed);
    let plan = world.route(&verified(), "opus").unwrap();
    assert_eq!(plan.targets()[0].to_string(), "a/claude-opus-4-7");
}

#[test]
fn a_second_key_of_a_provider_that_refuses_is_no_way_round() {
    let mut upstreams = upstreams();
    upstreams[2]["provider"] = json!("a");
    let world = World::with(&models(), &upstreams);

    world.health.enter(0).unwrap().shut(true);

    assert_eq!(
        world.route(&verified(), "opus").unwrap_err(),
        RouteError::Barred
    );
}

#[test]
fn what_is_lost_for_want_of_money_may_be_had_elsewhere() {
    let world = World::new();

    world.health.enter(0).unwrap().shut(false);

    let plan = world.route(&verified(), "opus").unwrap();
    assert_eq!(served(&plan), ["b/claude-opus-4-7", "local/qwen3"]);
}

#[expect(clippy::print_stdout, reason = "a promise shows its figure")]
#[test]
fn targets_with_weights_share_the_work_and_a_grant_stays_with_one() {
    let mut models = models();
    models[0]["targets"] = json!([
        { "upstream": "a", "model": "claude-opus-4-7", "weight": 3 },
        { "upstream": "b", "model": "claude-opus-4-7", "weight": 1 },
    ]);
    let world = World::with(&models, &upstreams());
    let mut firsts = [0, 0];
    for draw in 0..4_000 {
        let bearer = Member { draw, ..verified() };

        let plan = world.route(&bearer, "opus").unwrap();

        let served = served(&plan);
        assert_eq!(served, self::served(&world.route(&bearer, "opus").unwrap()));
        assert_eq!(served.len(), 3);
        assert_eq!(served[2], "local/qwen3", "a fallback is not among them");
        firsts[usize::from(served[0].starts_with("b/"))] += 1;
    }
    println!("3 : 1 became {} : {}", firsts[0], firsts[1]);
    assert!((2_850..3_150).contains(&firsts[0]), "{firsts:?}");

    world.fail(0);
    let plan = world.route(&verified(), "opus").unwrap();
    assert_eq!(served(&plan), ["b/claude-opus-4-7", "local/qwen3"]);
}

#[test]
fn targets_without_weights_keep_their_order() {
    let world = World::new();
    for draw in 0..100 {
        let bearer = Member { draw, ..verified() };
        let plan = world.route(&bearer, "opus").unwrap();
        assert_eq!(plan.targets()[0].to_string(), "a/claude-opus-4-7");
    }
    let nothing = json!({ "upstream": "a", "model": "m", "weight": 0 });
    assert!(serde_json::from_value::<crate::config::TargetConfig>(nothing).is_err());
}

#[test]
fn the_drill_tells_what_answers_without_a_provider() {
    let (models, _) = load(&models(), &upstreams()).unwrap();
    let rows = |gone: &str, down: &[usize]| {
        let rows = drill::without(&models, &name(gone), |it| !down.contains(&it));
        rows.into_iter()
            .map(|row| {
                let answer = row.answer.map_or("nothing".to_owned(), |(door, _)| door);
                format!("{} {:?}: {answer}", row.model, row.asker)
            })
            .collect::<Vec<_>>()
    };

    assert_eq!(drill::providers(&models).len(), 3);
    assert_eq!(
        rows("a", &[]),
        [
            "opus Opens: b/claude-opus-4-7",
            "opus Shut: local/qwen3",
            "haiku Opens: nothing",
        ]
    );
    assert_eq!(
        rows("local", &[]),
        [
            "opus Opens: a/claude-opus-4-7",
            "opus Shut: nothing",
            "haiku Opens: a/claude-haiku-4-5",
        ]
    );
    // What cannot be reached now does not stand in for anybody.
    assert_eq!(rows("a", &[1, 2])[0], "opus Opens: nothing");
}

#[test]
fn a_gated_model_is_behind_its_gate_at_every_door() {
    let doors = [
        "claude-opus-4-7",
        "Claude-Opus-4-7",
        "anthropic/claude-opus-4-7",
        "us.anthropic.claude-opus-4-7-v1:0",
        "claude-opus-4-7@20260101",
        "claude-opus-4-7-20260101",
        "claude-opus-4.7",
        "openrouter/anthropic/claude-opus-4.7:beta",
        "claude-opus-4-7-latest",
        "claude-opus-4-7-2026-01-15",
        "claude-opus-4-7-fast",
        "claude-opus-4-7-20260115-thinking",
        "claude-opus-4-7-0115",
        "claude-opus",
    ];
    for door in doors {
        let target = json!([{ "upstream": "b", "model": door }]);
        let mut second = models();
        second[1]["targets"] = target.clone();
        let mut lighter = second.clone();
        lighter[1]["gated_by"] = json!("other-gate");
        let mut fallback = models();
        fallback[1]["fallback"] = target.clone();
        let mut own = models();
        own[0]["fallback"] = target;

        for models in [second, lighter, fallback, own] {
            let findings = load(&models, &upstreams()).unwrap_err();
            let errors = findings.iter().filter(|it| it.gravity == Gravity::Error);
            assert!(errors.count() > 0, "{door}");
        }
    }
}

#[test]
fn two_models_behind_one_gate_may_share_a_door() {
    let mut models = models();
    models[1]["gated_by"] = json!("gate");
    models[1]["targets"] = models[0]["targets"].clone();

    assert!(load(&models, &upstreams()).is_ok());
}

#[test]
fn a_model_of_another_name_is_another_model() {
    for other in [
        "claude-opus-4-6",
        "claude-opus-4-7-mini",
        "opus",
        "gpt-4.1",
        "claude-opus-4-70",
    ] {
        let mut models = models();
        models[1]["targets"] = json!([{ "upstream": "b", "model": other }]);

        assert!(load(&models, &upstreams()).is_ok(), "{other}");
    }
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    let broken: [fn(&mut Value, &mut Value); 6] = [
        |models, _| models[0]["targets"] = json!([]),
        |models, _| models[0]["targets"][0]["upstream"] = json!("nobody"),
        |models, _| models[0]["fallback"][0]["upstream"] = json!("nobody"),
        |models, _| models[1]["name"] = json!("opus"),
        |_, upstreams| upstreams[1]["name"] = json!("a"),
        |_, upstreams| upstreams[0]["base_url"] = json!("http://example.com"),
    ];
    for breaks in broken {
        let (mut models, mut upstreams) = (models(), upstreams());
        breaks(&mut models, &mut upstreams);

        let findings = load(&models, &upstreams).unwrap_err();

        assert!(findings.iter().any(|it| it.gravity == Gravity::Error));
    }
}

#[test]
fn url_08_a_name_that_cannot_stand_in_a_path_is_no_gemini_model() {
    let google = json!([
        { "name": "g", "dialect": "gemini", "base_url": "https://g.example" },
    ]);
    let named = |name: &str, target: &str| {
        json!([{
            "name": name,
            "targets": [{ "upstream": "g", "model": target }],
            "price": { "input": "1", "output": "1" },
        }])
    };

    assert!(load(&named("gemini", "gemini-3.1-pro"), &google).is_ok());
    for (name, target) in [
        ("gemini", "models/gemini-3-pro"),
        ("gemini", "a:countTokens"),
        ("gemini", ".."),
        ("google/gemini", "gemini-3-pro"),
    ] {
        let findings = load(&named(name, target), &google).unwrap_err();

        let told = |it: &Finding| it.sentence.contains("cannot stand in a path");
        assert!(findings.iter().any(told), "{name} {target}: {findings:?}");
    }
}

#[test]
fn a_dialect_without_a_fallback_is_told() {
    let (_, findings) = load(&models(), &upstreams()).unwrap();

    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].gravity, Gravity::Warning);
    assert!(findings[0].sentence.starts_with("model haiku: no fallback"));
}

struct World {
    models: Models,
    health: Health,
    clock: Arc<Stopped>,
}

impl World {
    fn new() -> Self {
        Self::with(&models(), &upstreams())
    }

    fn with(models: &Value, upstreams: &Value) -> Self {
        let clock = Arc::new(Stopped(AtomicI64::new(0)));
        Self {
            models: load(models, upstreams).unwrap().0,
            health: Health::new(3, Patience::default(), clock.clone()),
            clock,
        }
    }

    fn route(&self, bearer: &Member, model: &str) -> Result<Plan, RouteError> {
        self.route_at(bearer, "/v1/messages", &json!({ "model": model }))
    }

    fn route_at(&self, bearer: &Member, path: &str, body: &Value) -> Result<Plan, RouteError> {
        let asked = read::read(call(path), Bytes::from(body.to_string())).unwrap();
        route(&self.models, &self.health, bearer, &asked, self.clock.now())
    }

    fn fail(&self, upstream: usize) {
        for _ in 0..5 {
            self.health.enter(upstream).unwrap().failed();
        }
    }
}

struct Stopped(AtomicI64);

impl Clock for Stopped {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::Relaxed))
    }
}

struct Member {
    terms: Terms,
    satisfies: bool,
    known: Vec<&'static str>,
    draw: u64,
}

impl Bearer for Member {
    fn scope(&self) -> &Terms {
        &self.terms
    }

    fn satisfies(&self, policy: &Name) -> bool {
        self.satisfies && policy.as_str() == "gate"
    }

    fn is_known_to(&self, provider: &Name) -> bool {
        self.known.contains(&provider.as_str())
    }

    fn draw(&self) -> u64 {
        self.draw
    }
}

fn verified() -> Member {
    Member {
        terms: Terms {
            name: name("frontier"),
            privacy: Privacy::Sealed,
            models: vec![ModelName::parse("opus").unwrap()],
            budget: None,
            rate: None,
        },
        satisfies: true,
        known: vec!["a", "b", "local"],
        draw: 7,
    }
}

fn unverified() -> Member {
    Member {
        satisfies: false,
        ..verified()
    }
}

fn load(models: &Value, upstreams: &Value) -> Result<(Models, Vec<Finding>), Vec<Finding>> {
    let models: Vec<ModelConfig> = serde_json::from_value(models.clone()).unwrap();
    let upstreams: Vec<UpstreamConfig> = serde_json::from_value(upstreams.clone()).unwrap();
    Models::load(&models, &upstreams)
}

fn models() -> Value {
    json!([
        {
            "name": "opus",
            "gated_by": "gate",
            "targets": [
                { "upstream": "a", "model": "claude-opus-4-7" },
                { "upstream": "b", "model": "claude-opus-4-7" },
            ],
            "fallback": [{ "upstream": "local", "model": "qwen3" }],
            "price": { "input": "5.00", "output": "25.00" },
        },
        {
            "name": "haiku",
            "targets": [{ "upstream": "a", "model": "claude-haiku-4-5" }],
            "price": { "input": "1.00", "output": "5.00" },
        },
    ])
}

fn upstreams() -> Value {
    json!([
        { "name": "a", "dialect": "anthropic", "base_url": "https://a.example" },
        { "name": "b", "dialect": "anthropic", "base_url": "https://b.example" },
        { "name": "local", "dialect": "anthropic", "base_url": "http://127.0.0.1:11434" },
    ])
}

fn served(plan: &Plan) -> Vec<String> {
    plan.targets().iter().map(ToString::to_string).collect()
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}
