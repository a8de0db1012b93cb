//! The console as its users meet it: through the routes of the plane.

use std::collections::BTreeSet;

use axum::http::{Request, StatusCode};
use bauta_audit::export::{Options, verify};
use bauta_token::notice::Notice;

use crate::{
    attest::Predicate,
    config::{DeviceFlow, PolicyConfig},
    issue::world::{Ada, Reply, World, name},
    ports::{
        MemberId, Role,
        grants::Grants,
        people::{MemberState, People},
    },
};

mod pages;
mod second;

/// A house with one rule, which asks for what Ada shows.
async fn house() -> World {
    World::with(DeviceFlow::On, |settings| {
        settings
            .policies
            .insert(name("gate"), rule(&[Predicate::PersonVerified]));
    })
    .await
}

fn rule(requires: &[Predicate]) -> PolicyConfig {
    PolicyConfig {
        version: name("v1"),
        requires: requires.to_vec(),
        effective_from: None,
        nationality: None,
    }
}

fn at(member: MemberId) -> String {
    format!("/admin/members/{member}")
}

async fn change(world: &World, who: &Ada, whom: MemberId, what: &str, reason: &str) -> Reply {
    let member = whom.to_string();
    let form = [
        ("member", member.as_str()),
        ("what", what),
        ("reason", reason),
        ("sure", "yes"),
    ];
    world.post("/admin/change", Some(who), &form).await
}

async fn state(world: &World, member: MemberId) -> Option<MemberState> {
    let row = world.store.member(member).await.unwrap();
    row.map(|row| row.state)
}

#[tokio::test]
async fn each_role_enters_what_it_may_and_nothing_else() {
    let world = house().await;
    let ada = world.ada().await;
    let member = at(ada.id);
    let places: [(&str, &[Role]); 7] = [
        ("/admin", &[Role::Admin]),
        ("/admin/members", &[Role::Admin, Role::Officer]),
        (member.as_str(), &[Role::Admin, Role::Officer]),
        ("/admin/alerts", &[Role::Admin, Role::Officer]),
        (
            "/admin/policies",
            &[Role::Admin, Role::Officer, Role::Auditor],
        ),
        (
            "/admin/policies/try?policy=gate",
            &[Role::Admin, Role::Officer],
        ),
        ("/audit", &[Role::Admin, Role::Officer, Role::Auditor]),
    ];
    for role in [
        None,
        Some(Role::Admin),
        Some(Role::Officer),
        Some(Role::Auditor),
    ] {
        let who = world.browser(role.as_slice()).await;
        for (place, roles) in &places {
            let may = role.is_some_and(|role| roles.contains(&role));
            let expected = if may {
                StatusCode::OK
            } else {
                StatusCode::FORBIDDEN
            };

            let page = world.get(place, Some(&who)).await;

            assert_eq!(page.status, expected, "{role:?} at {place}");
        }
        let suspended = change(&world, &who, ada.id, "suspend", "other").await;
        let may = role == Some(Role::Admin);
        assert_eq!(suspended.status == StatusCode::OK, may, "{role:?}");
        world.plane.reinstate(ada.id, None).await.unwrap();
    }
    assert_eq!(
        world.get("/admin", None).await.status,
        StatusCode::SEE_OTHER,
        "a browser is sent to sign in"
    );
}

/// Roles come with the sign-in, and no form brings one.
#[tokio::test]
async fn ten_06_no_form_gives_a_role_or_takes_a_field_twice() {
    let world = house().await;
    let (ada, eve) = (world.ada().await, world.stranger().await);
    let member = ada.id.to_string();
    let smuggled = [
        ("member", member.as_str()),
        ("what", "suspend"),
        ("reason", "other"),
        ("role", "admin"),
        ("is_admin", "true"),
        ("by", "mbr_aaaaaaaaaaaaaaaaaaaaaaaaaa"),
    ];

    let refused = world.post("/admin/change", Some(&eve), &smuggled).await;
    let admin = world.browser(&[Role::Admin]).await;
    let twice = [
        ("member", member.as_str()),
        ("member", "mbr_aaaaaaaaaaaaaaaaaaaaaaaaaa"),
        ("what", "suspend"),
        ("reason", "other"),
    ];
    let twice = world.post("/admin/change", Some(&admin), &twice).await;
    let typed = change(&world, &admin, ada.id, "suspend", "Ada Lovelace stole it").await;

    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(twice.status, StatusCode::BAD_REQUEST);
    assert_eq!(typed.status, StatusCode::BAD_REQUEST, "a reason is a code");
    assert_eq!(state(&world, ada.id).await, Some(MemberState::Active));
    assert!(!world.store.dump().contains("Lovelace"));
    let row = world.store.member(eve.id).await.unwrap().unwrap();
    assert!(row.rights.roles.is_empty());
}

#[tokio::test]
async fn ten_01_a_number_of_nobody_and_one_that_is_none_look_the_same() {
    let world = house().await;
    let admin = world.browser(&[Role::Admin]).await;
    let nobody = MemberId([0; 16]);
    let erased = world.ada().await.id;
    world.plane.erase(erased, None).await.unwrap();

    let mut seen = BTreeSet::new();
    for place in [at(nobody), at(erased), "/admin/members/mbr_x".to_owned()] {
        let page = world.get(&place, Some(&admin)).await;
        seen.insert((page.status, page.body));
    }
    for whom in [nobody, erased] {
        let page = change(&world, &admin, whom, "suspend", "other").await;
        seen.insert((page.status, page.body));
    }

    assert_eq!(seen.len(), 1, "they differ");
    assert_eq!(seen.first().unwrap().0, StatusCode::NOT_FOUND);
    let viewed = world.store.events();
    let viewed = viewed
        .iter()
        .filter(|event| event.contains("member.viewed"));
    assert_eq!(viewed.count(), 0, "nobody was looked at");
}

#[tokio::test]
async fn adm_02_the_console_takes_no_form_of_another_site() {
    let world = house().await;
    let (ada, admin) = (world.ada().await, world.browser(&[Role::Admin]).await);
    let cookie = format!(
        "{}={}",
        crate::login::session::SESSION_COOKIE,
        admin.cookie.reveal()
    );
    for (header, value) in [
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://evil.example"),
        ("x-nothing", "at all"),
    ] {
        let body = format!("member={}&what=suspend&reason=other", ada.id);
        let request = Request::post("/admin/change")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("cookie", &cookie)
            .header(header, value)
            .body(body.into());

        let refused = world.send(request.unwrap()).await;

        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{header}");
    }
    assert_eq!(state(&world, ada.id).await, Some(MemberState::Active));
    let page = world.get("/admin", Some(&admin)).await;
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert_eq!(page.headers["x-frame-options"], "DENY");
}

#[tokio::test]
async fn a_member_sees_who_looked_and_when() {
    let world = house().await;
    let (ada, carol) = (world.ada().await, world.browser(&[Role::Officer]).await);
    let before = world.get("/privacy", Some(&ada)).await;

    let page = world.get(&at(ada.id), Some(&carol)).await;
    let after = world.get("/privacy", Some(&ada)).await;

    assert!(before.body.contains("Nobody has opened your page"));
    assert_eq!(page.status, StatusCode::OK);
    assert!(after.body.contains("an officer (mbr_"), "{}", after.body);
    assert!(!after.body.contains("Nobody has opened"));
    let events = world.store.events();
    let looked = events.iter().find(|event| event.contains("member.viewed"));
    let looked = looked.unwrap();
    assert!(looked.contains(&ada.id.to_string()) && looked.contains(&carol.id.to_string()));
    assert!(looked.contains("\"role\":\"officer\""), "{looked}");
}

#[tokio::test]
async fn an_administrator_suspends_reinstates_and_erases_with_a_reason() {
    let world = house().await;
    let (ada, admin) = (world.ada().await, world.browser(&[Role::Admin]).await);
    let token = world.login(&ada).await["refresh_token"]
        .as_str()
        .unwrap()
        .to_owned();

    let suspended = change(&world, &admin, ada.id, "suspend", "lost-device").await;
    let listed = world
        .get("/admin/members?state=suspended", Some(&admin))
        .await;
    let held = change(&world, &admin, ada.id, "erase", "asked-for-it").await;
    let refreshed = world
        .client(
            "/oauth/token",
            &[
                ("grant_type", "refresh_token"),
                ("refresh_token", &token),
                ("client_id", "bauta-cli"),
            ],
        )
        .await;
    let back = change(&world, &admin, ada.id, "reinstate", "mistake").await;
    let erased = change(&world, &admin, ada.id, "erase", "asked-for-it").await;

    assert_eq!(suspended.status, StatusCode::OK);
    assert!(
        listed.body.contains("Suspended: lost-device"),
        "{}",
        listed.body
    );
    assert!(!listed.body.contains(">Active<"), "only they are shown");
    assert_eq!(held.status, StatusCode::CONFLICT, "who is suspended stays");
    assert_eq!(refreshed.status, StatusCode::UNAUTHORIZED);
    assert_eq!(back.status, StatusCode::OK);
    assert_eq!(erased.status, StatusCode::OK, "{}", erased.body);
    assert_eq!(state(&world, ada.id).await, None);
    let events = world.store.events().join("\n");
    assert!(events.contains(r#""reason":"asked-for-it""#), "{events}");
    assert!(events.contains(&format!(r#""by":"{}""#, admin.id)));
}

#[tokio::test]
async fn ten_04_who_is_erased_has_no_grant_left_and_the_gateway_hears_it() {
    let world = house().await;
    let (ada, admin) = (world.ada().await, world.browser(&[Role::Admin]).await);
    world.login(&ada).await;
    let before = world.store.notices(0, 100).await.unwrap().notices.len();

    let erased = change(&world, &admin, ada.id, "erase", "left-company").await;

    assert_eq!(erased.status, StatusCode::OK);
    assert!(world.plane.grants(ada.id).await.unwrap().is_empty());
    let told = world.store.notices(0, 100).await.unwrap().notices;
    let new: Vec<_> = told.iter().skip(before).map(|it| &it.notice).collect();
    assert!(
        new.iter().any(|it| matches!(it, Notice::Ended { .. })),
        "{new:?}"
    );
}

#[tokio::test]
async fn nobody_changes_themselves_and_no_erasure_happens_by_a_slip() {
    let world = house().await;
    let (ada, admin) = (world.ada().await, world.browser(&[Role::Admin]).await);
    let member = ada.id.to_string();

    let own = change(&world, &admin, admin.id, "suspend", "other").await;
    let slip = [
        ("member", member.as_str()),
        ("what", "erase"),
        ("reason", "other"),
    ];
    let slip = world.post("/admin/change", Some(&admin), &slip).await;
    let own_page = world.get(&at(admin.id), Some(&admin)).await;

    assert_eq!(own.status, StatusCode::FORBIDDEN);
    assert_eq!(slip.status, StatusCode::BAD_REQUEST);
    assert_eq!(state(&world, ada.id).await, Some(MemberState::Active));
    assert!(own_page.body.contains("This is you"));
    assert!(!own_page.body.contains("/admin/change"));
}

#[tokio::test]
async fn a_member_is_found_by_number_and_by_what_a_provider_reports() {
    let world = house().await;
    let (ada, admin) = (world.ada().await, world.browser(&[Role::Admin]).await);
    let epoch = crate::issue::access::epoch_at(world.plane.clock.now());
    let reported = world.plane.pseudonym(ada.id, &name("anthropic"), epoch);
    let find = async |who: &str| {
        world
            .post("/admin/members", Some(&admin), &[("who", who)])
            .await
    };

    let by_number = find(&ada.id.to_string()).await;
    let by_report = find(reported.as_str()).await;
    let nobody = find("Ada Lovelace").await;

    let place = format!("https://ai.example.com{}", at(ada.id));
    assert_eq!(by_number.location().as_str(), place);
    assert_eq!(by_report.location().as_str(), place);
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);
    assert!(
        !nobody.body.contains("Lovelace"),
        "what was typed is not shown"
    );
}

#[tokio::test]
async fn a_long_list_comes_in_pages_and_each_member_stands_on_one() {
    let world = house().await;
    let admin = world.browser(&[Role::Admin]).await;
    for _ in 0..120 {
        world.stranger().await;
    }

    let mut next = Some("/admin/members".to_owned());
    let (mut pages, mut members) = (0, BTreeSet::new());
    while let Some(place) = next {
        let page = world.get(&place, Some(&admin)).await;
        pages += 1;
        let links = page.body.split("href=\"/admin/members/").skip(1);
        let on_page: Vec<_> = links.map(|link| link[..30].to_owned()).collect();
        assert!(on_page.len() <= 50);
        for member in on_page {
            assert!(members.insert(member), "it stands twice");
        }
        next = page
            .body
            .split("href=\"")
            .find(|link| link.starts_with("/admin/members?after"))
            .and_then(|link| link.split('"').next())
            .map(str::to_owned);
    }

    assert_eq!((pages, members.len()), (3, 121));
}

#[tokio::test]
async fn aud_13_reading_the_log_is_an_entry_of_it() {
    let world = house().await;
    let auditor = world.browser(&[Role::Auditor]).await;
    let ada = world.ada().await;
    world.login(&ada).await;

    let all = world.get("/audit", Some(&auditor)).await;
    let issued = world.get("/audit?type=token.issued", Some(&auditor)).await;
    let mine = world
        .get(&format!("/audit?member={}", ada.id), Some(&auditor))
        .await;
    let wrong = world.get("/audit?type=nonsense", Some(&auditor)).await;

    assert!(all.body.contains("token.issued") && all.body.contains("audit.searched"));
    assert!(issued.body.contains(">token.issued</span>"));
    assert!(!issued.body.contains(">audit.searched</span>"));
    assert!(mine.body.contains(&ada.id.to_string()));
    assert!(
        !mine.body.contains("href=\"/admin/members"),
        "an auditor has no way there"
    );
    assert!(wrong.body.contains("There is no such type"));
    let searched = world.store.events();
    let searched: Vec<_> = searched
        .iter()
        .filter(|event| event.contains("audit.searched"))
        .collect();
    assert_eq!(searched.len(), 4);
    assert!(searched[1].contains(r#""asked":{"type":"token.issued"}"#));
    assert!(
        searched
            .iter()
            .all(|it| it.contains(&auditor.id.to_string()))
    );
}

#[tokio::test]
async fn an_export_from_the_console_verifies_and_names_who_took_it() {
    let world = house().await;
    let auditor = world.browser(&[Role::Auditor]).await;
    world.login(&world.ada().await).await;
    let take =
        async |form: &[(&str, &str)]| world.post("/audit/export", Some(&auditor), form).await;

    let whole = take(&[]).await;
    let some = take(&[
        ("type", "token.issued"),
        ("from", "2026-11-21"),
        ("to", "2026-11-21"),
    ])
    .await;
    let wrong = take(&[("from", "yesterday")]).await;
    let stranger = world.stranger().await;
    let refused = world.post("/audit/export", Some(&stranger), &[]).await;

    let key = world.plane.log_signer().unwrap().vkey();
    let options = || Options {
        key: Some(bauta_audit::note::Verifier::parse(&key).unwrap()),
        previous: None,
    };
    let report = verify(whole.body.as_bytes(), &options()).unwrap();
    assert!(report.matched > 2, "{report:?}");
    let report = verify(some.body.as_bytes(), &options()).unwrap();
    assert_eq!(report.matched, 1);
    let kept = whole.headers["content-disposition"].to_str().unwrap();
    assert_eq!(kept, "attachment; filename=\"identity-2026-11-21.jsonl\"");
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let told = world.store.events();
    let told: Vec<_> = told
        .iter()
        .filter(|event| event.contains("audit.exported"))
        .collect();
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|it| it.contains(&auditor.id.to_string())));
}

#[tokio::test]
async fn a_dry_run_counts_first_and_changes_nothing() {
    let world = house().await;
    let admin = world.browser(&[Role::Admin]).await;
    let (ada, bob) = (world.ada().await, world.ada().await);
    let form = [
        ("policy", "gate"),
        ("person_verified", "yes"),
        ("age_over_18", "yes"),
    ];
    let try_it =
        async |form: &[(&str, &str)]| world.post("/admin/policies/try", Some(&admin), form).await;

    let same = try_it(&[("policy", "gate"), ("person_verified", "yes")]).await;
    let counted = try_it(&form).await;
    let shown = try_it(&[&form[..], &[("show", "members")]].concat()).await;
    let country = try_it(&[("policy", "gate"), ("deny", "it, FR")]).await;
    let nothing = try_it(&[("policy", "gate")]).await;
    let nonsense = try_it(&[("policy", "gate"), ("deny", "Italy")]).await;
    let unknown = try_it(&[("policy", "other"), ("person_verified", "yes")]).await;

    assert!(
        same.body.contains("Nobody would lose access"),
        "{}",
        same.body
    );
    assert!(counted.body.contains("2 members would lose access"));
    assert!(counted.body.contains("Show them by number"));
    assert!(!counted.body.contains(&ada.id.to_string()), "counts first");
    for member in [ada.id, bob.id] {
        assert!(shown.body.contains(&member.to_string()));
    }
    assert!(shown.body.contains("verifying again may show it"));
    assert!(country.body.contains("2 members would lose access"));
    assert!(country.body.contains("value=\"IT FR\""));
    assert_eq!(nothing.status, StatusCode::BAD_REQUEST);
    assert_eq!(nonsense.status, StatusCode::BAD_REQUEST);
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    let qualified = world
        .plane
        .qualify(ada.id, &name("frontier"))
        .await
        .unwrap();
    assert_eq!(qualified.gates().len(), 1, "nothing changed");
    let tried = world.store.events();
    let shown = |what: &str| {
        let tried = tried.iter().filter(|it| it.contains("policy.tried"));
        tried.filter(|it| it.contains(what)).count()
    };
    assert_eq!((shown("\"counts\""), shown("\"members\"")), (3, 1));
}

#[tokio::test]
async fn the_checklist_says_what_is_wrong_and_how_it_is_mended() {
    let world = World::with(DeviceFlow::On, |settings| {
        settings.sso.issuer = "http://127.0.0.1:9/nobody".to_owned();
    })
    .await;
    let admin = world.browser(&[Role::Admin]).await;

    let page = world.get("/admin", Some(&admin)).await;

    assert_eq!(page.status, StatusCode::OK);
    for line in [
        "4 things to mend",
        "among fewer than 20 nobody is hidden",
        "Nobody can sign in",
        "Is sso.issuer right, and can this machine reach it?",
        "There is none, so nobody can be verified.",
        "None has asked for the feed since this process started",
        "this side never asks it",
        "One alone may do everything",
    ] {
        assert!(page.body.contains(line), "{line}");
    }
    world.plane.page(0).await.unwrap();
    let page = world.get("/admin", Some(&admin)).await;
    assert!(page.body.contains("3 things to mend"));
    assert!(page.body.contains("It asked for the feed moments ago"));
}

#[tokio::test]
async fn an_appeal_is_chosen_from_a_list_and_its_answer_comes_back() {
    let world = house().await;
    let (ada, carol) = (world.ada().await, world.browser(&[Role::Officer]).await);
    let object = [("about", "record"), ("ground", "person")];

    let prose = [("about", "record"), ("ground", "I am Ada Lovelace")];
    let prose = world.post("/appeal", Some(&ada), &prose).await;
    let made = world.post("/appeal", Some(&ada), &object).await;
    let again = world.post("/appeal", Some(&ada), &object).await;
    let alerts = world.get("/admin/alerts", Some(&carol)).await;
    let at = alerts.body.split("name=\"at\" value=\"").nth(1).unwrap();
    let at = at.split('"').next().unwrap();
    let member = ada.id.to_string();
    let reply = [("member", member.as_str()), ("at", at), ("reply", "meet")];
    let own = world.post("/admin/appeals", Some(&ada), &reply).await;
    let answered = world.post("/admin/appeals", Some(&carol), &reply).await;
    let twice = world.post("/admin/appeals", Some(&carol), &reply).await;
    let home = world.get("/", Some(&ada)).await;

    assert_eq!(prose.status, StatusCode::BAD_REQUEST);
    assert_eq!(made.status, StatusCode::OK);
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(alerts.body.contains("talk to them"), "{}", alerts.body);
    assert_eq!(own.status, StatusCode::FORBIDDEN);
    assert_eq!(answered.status, StatusCode::OK);
    assert_eq!(twice.status, StatusCode::CONFLICT);
    assert!(home.body.contains("go to two officers in person"));
    assert!(!world.store.dump().contains("Lovelace"));
}
