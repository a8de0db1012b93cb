use super::*;
use crate::testing::{Inbox, inbox, soon};
use crate::{Answer, Fault};
use http::StatusCode;
use tokio::task::JoinSet;

/// A sandbox with one approved inquiry and a receiver for its events.
struct Scene {
    sandbox: Sandbox,
    receiver: Simulator<Inbox>,
    inquiry: String,
    approved: String,
    _tasks: JoinSet<()>,
}

impl Scene {
    async fn new() -> Self {
        Self::with(still()).await
    }

    async fn with(options: crate::Options) -> Self {
        let sandbox = Sandbox::start(options).unwrap();
        let mut tasks = JoinSet::new();
        let receiver = inbox(&mut tasks);
        sandbox
            .persona
            .hook(Hook::new(&receiver.url(), "wbhsec_one"));
        let inquiry = created(&sandbox.persona).await;
        let events = sandbox.persona.decide(&inquiry, Decision::Approve).unwrap();
        Self {
            sandbox,
            receiver,
            inquiry,
            approved: events.last().unwrap().clone(),
            _tasks: tasks,
        }
    }

    fn refuse(&self, times: usize) {
        for _ in 0..times {
            let refusal = Answer::empty(StatusCode::SERVICE_UNAVAILABLE);
            self.receiver.next(Fault::answer(refusal));
        }
    }
}

fn right(secret: &str, request: &Request) -> bool {
    let header = request.header("persona-signature").unwrap_or_default();
    header.split(' ').any(|set| {
        set.split_once(",v1=").is_some_and(|(at, signature)| {
            let at_s: i64 = at.strip_prefix("t=").unwrap().parse().unwrap();
            let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
            let signed = [format!("{at_s}.").as_bytes(), &request.body].concat();
            let made = ring::hmac::sign(&key, &signed);
            let text = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
            let given: Option<Vec<u8>> = signature.as_bytes().chunks(2).map(text).collect();
            given.is_some_and(|given| given == made.as_ref())
        })
    })
}

#[tokio::test]
async fn events_arrive_signed_and_in_the_order_of_what_happened() {
    let scene = Scene::new().await;

    let sent = scene.sandbox.persona.deliver_due().await;

    let seen = scene.receiver.requests();
    let names: Vec<String> = seen
        .iter()
        .map(|request| {
            request.json().unwrap()["data"]["attributes"]["name"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    let times: Vec<String> = seen
        .iter()
        .map(|request| {
            request.json().unwrap()["data"]["attributes"]["created-at"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert!(sent.iter().all(Delivery::taken));
    assert!(seen.iter().all(|request| right("wbhsec_one", request)));
    assert_eq!(names[..2], ["inquiry.created", "inquiry.started"]);
    assert_eq!(
        names[names.len() - 2..],
        ["inquiry.completed", "inquiry.approved"]
    );
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    assert!(scene.sandbox.persona.pending().is_empty());
}

#[tokio::test]
async fn an_event_carries_the_inquiry_with_its_personal_fields() {
    let scene = Scene::new().await;

    scene.sandbox.persona.deliver(&scene.approved, 1).await;

    let seen = scene.receiver.requests().remove(0);
    let event = seen.json().unwrap()["data"].clone();
    let inquiry = event["attributes"]["payload"]["data"].clone();
    assert_eq!(event["id"], scene.approved);
    assert_eq!(inquiry["id"], scene.inquiry);
    assert_eq!(inquiry["attributes"]["status"], "approved");
    assert_eq!(
        inquiry["relationships"]["verifications"]["data"][0]["type"],
        "verification/government-id"
    );
    let text = String::from_utf8(seen.body.to_vec()).unwrap();
    assert!(leaks(&scene.sandbox.persona, &text).contains(&"name-first".to_owned()));
}

#[tokio::test]
async fn a_webhook_has_a_blocklist_of_its_own() {
    let scene = Scene::new().await;
    let mut hook = Hook::new(&scene.receiver.url(), "wbhsec_one");
    hook.blocklist = vec!["fields".to_owned()];
    scene.sandbox.persona.hook(hook);

    scene.sandbox.persona.deliver(&scene.approved, 1).await;

    let seen = scene.receiver.requests().remove(0);
    let text = String::from_utf8(seen.body.to_vec()).unwrap();
    assert_eq!(leaks(&scene.sandbox.persona, &text), Vec::<String>::new());
    assert!(text.contains("\"fields\":{}"));
}

#[tokio::test]
async fn a_refused_event_comes_again_seven_times_and_then_never() {
    let scene = Scene::new().await;
    scene.sandbox.persona.discard_pending();
    scene.receiver.forget_requests();
    assert!(
        scene
            .sandbox
            .persona
            .emit(&scene.inquiry, "inquiry.approved")
            .is_some()
    );
    scene.refuse(8);

    let mut waits = Vec::new();
    for wait_s in [0, 3, 64, 729, 4096, 15_625, 46_656, 117_649, 1_000_000] {
        scene.sandbox.clock.advance(Duration::from_secs(wait_s));
        let sent = scene.sandbox.persona.deliver_due().await;
        waits.push(sent.len());
    }

    let seen = scene.receiver.requests();
    let counts: Vec<(String, String)> = seen
        .iter()
        .map(|request| {
            let header = |name: &str| request.header(name).unwrap().to_owned();
            (
                header("persona-webhook-attempts-made"),
                header("persona-webhook-attempts-left"),
            )
        })
        .collect();
    assert_eq!(waits, [1, 1, 1, 1, 1, 1, 1, 1, 0]);
    assert_eq!(counts.first().unwrap(), &("1".to_owned(), "7".to_owned()));
    assert_eq!(counts.last().unwrap(), &("8".to_owned(), "0".to_owned()));
    assert!(
        seen.windows(2).all(|pair| pair[0].body == pair[1].body),
        "a retry is the same event"
    );
}

#[tokio::test]
async fn a_retry_is_not_sent_before_its_time() {
    let scene = Scene::new().await;
    scene.sandbox.persona.discard_pending();
    assert!(
        scene
            .sandbox
            .persona
            .emit(&scene.inquiry, "inquiry.approved")
            .is_some()
    );
    scene.refuse(1);
    scene.sandbox.persona.deliver_due().await;

    scene.sandbox.clock.advance(Duration::from_millis(2_999));

    assert!(scene.sandbox.persona.deliver_due().await.is_empty());
    assert_eq!(scene.sandbox.persona.pending().len(), 1);
}

#[tokio::test]
async fn a_receiver_that_sleeps_too_long_gets_it_again() {
    let mut options = still();
    options.persona.patience = Duration::from_millis(50);
    let scene = Scene::with(options).await;
    scene.sandbox.persona.discard_pending();
    assert!(
        scene
            .sandbox
            .persona
            .emit(&scene.inquiry, "inquiry.approved")
            .is_some()
    );
    scene.receiver.next(Fault::Hang);

    let slept = scene.sandbox.persona.deliver_due().await;
    scene.sandbox.clock.advance(Duration::from_secs(3));
    let again = scene.sandbox.persona.deliver_due().await;

    assert_eq!(slept[0].status, None);
    assert_eq!((again[0].attempt, again[0].status), (2, Some(200)));
}

#[tokio::test]
async fn only_four_statuses_count_as_taken() {
    let scene = Scene::new().await;

    for (status, taken) in [
        (200, true),
        (201, true),
        (202, true),
        (204, true),
        (203, false),
        (302, false),
        (404, false),
    ] {
        scene.receiver.next(Fault::answer(Answer::empty(
            StatusCode::from_u16(status).unwrap(),
        )));
        let sent = scene.sandbox.persona.deliver(&scene.approved, 1).await;

        assert_eq!(sent[0].taken(), taken, "{status}");
    }
}

#[tokio::test]
async fn an_event_can_come_twice_at_once_and_out_of_order() {
    let scene = Scene::new().await;
    let events = scene.sandbox.persona.pending();

    scene.sandbox.persona.deliver(&events[1], 1).await;
    scene.sandbox.persona.deliver(&events[0], 2).await;
    let parallel = scene
        .sandbox
        .persona
        .deliver_at_once(&scene.approved, 20)
        .await;

    let ids: Vec<Value> = scene
        .receiver
        .requests()
        .iter()
        .map(|request| request.json().unwrap()["data"]["id"].clone())
        .collect();
    assert_eq!(
        ids[..3],
        [json!(events[1]), json!(events[0]), json!(events[0])]
    );
    assert_eq!(parallel.len(), 20);
    assert!(ids[3..].iter().all(|id| *id == scene.approved));
}

#[tokio::test]
async fn a_rotation_signs_with_both_secrets_and_a_space_between() {
    let scene = Scene::new().await;
    let new = scene
        .sandbox
        .persona
        .rotate_secret(&scene.receiver.url())
        .unwrap();

    scene.sandbox.persona.deliver(&scene.approved, 1).await;
    scene
        .sandbox
        .persona
        .deliver_signed(&scene.approved, Signing::Oldest)
        .await;
    scene.sandbox.persona.retire_secrets(&scene.receiver.url());
    scene.sandbox.persona.deliver(&scene.approved, 1).await;

    let seen = scene.receiver.requests();
    let fits = |at: usize| (right(&new, &seen[at]), right("wbhsec_one", &seen[at]));
    let header = seen[0].header("persona-signature").unwrap();
    let sets: Vec<&str> = header.split(' ').collect();
    assert_eq!(sets.len(), 2, "{header}");
    assert!(
        sets.iter().all(|set| set.starts_with("t=1795168800,v1=")),
        "{header}"
    );
    assert_eq!(
        (fits(0), fits(1), fits(2)),
        ((true, true), (false, true), (true, false))
    );
}

#[tokio::test]
async fn bad_signatures_are_bad() {
    let scene = Scene::new().await;

    for signing in [
        Signing::Wrong,
        Signing::Absent,
        Signing::OtherVersion,
        Signing::Short,
        Signing::Twice,
        Signing::Restamped,
        Signing::Tampered,
        Signing::EmptySecret,
    ] {
        scene.receiver.forget_requests();
        scene
            .sandbox
            .persona
            .deliver_signed(&scene.approved, signing)
            .await;
        assert!(
            !right("wbhsec_one", &scene.receiver.requests()[0]),
            "{signing:?}"
        );
    }

    scene.receiver.forget_requests();
    for seconds in [-301, 301] {
        scene
            .sandbox
            .persona
            .deliver_signed(&scene.approved, Signing::At(seconds))
            .await;
    }
    let stamps: Vec<String> = scene
        .receiver
        .requests()
        .iter()
        .map(|request| request.header("persona-signature").unwrap()[..12].to_owned())
        .collect();
    assert_eq!(stamps, ["t=1795168499", "t=1795169101"]);
    assert!(
        scene
            .receiver
            .requests()
            .iter()
            .all(|request| right("wbhsec_one", request))
    );
}

#[tokio::test]
async fn any_body_can_be_signed() {
    let scene = Scene::new().await;
    let body = b"not json at all";

    let header = scene
        .sandbox
        .persona
        .sign(&scene.receiver.url(), body)
        .unwrap();
    call(
        "POST",
        &scene.receiver.url(),
        &[("persona-signature", &header)],
        "not json at all",
    )
    .await;

    assert!(right("wbhsec_one", &scene.receiver.requests()[0]));
}

#[tokio::test]
async fn events_nobody_knows_can_happen() {
    let scene = Scene::new().await;

    let event = scene
        .sandbox
        .persona
        .emit(&scene.inquiry, "inquiry.levitated")
        .unwrap();
    scene.sandbox.persona.deliver(&event, 1).await;

    let seen = scene.receiver.requests().remove(0).json().unwrap();
    assert_eq!(seen["data"]["attributes"]["name"], "inquiry.levitated");
}

#[tokio::test]
async fn a_decision_can_be_taken_back() {
    let scene = Scene::new().await;
    let before = children(&scene.sandbox.persona, &scene.inquiry).await;

    let events = scene
        .sandbox
        .persona
        .decide(&scene.inquiry, Decision::Decline)
        .unwrap();

    assert_eq!(events.len(), 1);
    assert_eq!(
        scene.sandbox.persona.status(&scene.inquiry).unwrap(),
        "declined"
    );
    assert_eq!(
        children(&scene.sandbox.persona, &scene.inquiry).await,
        before
    );
}

#[tokio::test]
async fn a_webhook_hears_only_its_side_and_what_it_asked_for() {
    let scene = Scene::new().await;
    let mut hook = Hook::new(&scene.receiver.url(), "wbhsec_one");
    hook.events = vec!["inquiry.declined".to_owned()];
    scene.sandbox.persona.hook(hook);
    scene.sandbox.persona.discard_pending();

    assert!(
        scene
            .sandbox
            .persona
            .decide(&scene.inquiry, Decision::Decline)
            .is_some()
    );
    assert!(
        scene
            .sandbox
            .persona
            .decide(&scene.inquiry, Decision::Approve)
            .is_some()
    );
    let real = ask_with(
        &scene.sandbox.persona,
        "POST",
        "inquiries",
        &headers(PRODUCTION_KEY),
        &wish(),
    )
    .await
    .json();
    assert!(
        scene
            .sandbox
            .persona
            .decide(real["data"]["id"].as_str().unwrap(), Decision::Decline)
            .is_some()
    );

    assert_eq!(scene.sandbox.persona.pending().len(), 1);
}

#[tokio::test]
async fn a_removed_webhook_gets_nothing_more() {
    let scene = Scene::new().await;

    scene.sandbox.persona.unhook(&scene.receiver.url());

    assert!(scene.sandbox.persona.deliver_due().await.is_empty());
    assert!(scene.receiver.requests().is_empty());
}

#[tokio::test]
async fn in_the_background_events_go_out_by_themselves() {
    let mut options = still();
    options.persona.deliveries = Deliveries::Background;
    let scene = Scene::with(options).await;
    let expected = scene.sandbox.persona.events().len();

    soon(scene.receiver.until_requests(expected)).await;

    assert!(
        scene
            .receiver
            .requests()
            .iter()
            .all(|request| right("wbhsec_one", request))
    );
}

#[tokio::test]
async fn an_event_can_be_read_again() {
    let scene = Scene::new().await;

    let shown = ask(
        &scene.sandbox.persona,
        "GET",
        &format!("events/{}", scene.approved),
        &Value::Null,
    )
    .await
    .json();

    assert_eq!(shown["data"]["attributes"]["name"], "inquiry.approved");
}
