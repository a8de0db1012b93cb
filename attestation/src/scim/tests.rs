//! The directory interface as a directory sees it, and what it does to members.

use axum::{body::Body, http::Request};
use serde_json::{Value, json};

use super::bearer::MOST_BEARERS;
use crate::{
    attest::tag::Subject,
    config::{DeviceFlow, Settings},
    issue::world::{Ada, Reply, World, encode, name},
    log::TYPES,
    ports::{
        Lookup, MemberId, Rights, UserId,
        directory::Claimed,
        people::{People, SignIn, SignedInAs},
    },
};

/// A plane with a directory that has its bearer.
struct Office {
    world: World,
    bearer: String,
}

impl Office {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let world = World::with(DeviceFlow::On, change).await;
        let bearer = world.plane.make_bearer(30).await.unwrap().unwrap();
        let bearer = bearer.secret.reveal().to_owned();
        Self { world, bearer }
    }

    async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.send(method, path, body, &[]).await
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Reply {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/scim/v2{path}"))
            .header("authorization", format!("Bearer {}", self.bearer));
        if body.is_some() {
            request = request.header("content-type", "application/scim+json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map_or_else(Body::empty, |body| body.to_string().into());
        self.world.send(request.body(body).unwrap()).await
    }

    /// Lists somebody under this identifier.
    async fn lists(&self, who: &str) -> String {
        let body = json!({ "userName": who, "externalId": who, "active": true });
        let reply = self.call("POST", "/Users", Some(&body)).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        text(&reply.json()["id"])
    }

    async fn patch(&self, path: &str, operations: Value) -> Reply {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": operations,
        });
        self.call("PATCH", path, Some(&body)).await
    }

    async fn active(&self, id: &str) -> bool {
        let reply = self.call("GET", &format!("/Users/{id}"), None).await;
        reply.json()["active"].as_bool().unwrap()
    }

    /// What a sign-in under this identifier is found by.
    async fn subject(&self, who: &str) -> Lookup {
        let plane = &self.world.plane;
        let subject = Subject::new(&plane.settings.sso.issuer, who).unwrap();
        let hard = subject.harden(&plane.salt, &plane.hashing).await.unwrap();
        hard.join(&plane.keys)
    }

    /// Somebody who is verified signs in under this identifier.
    async fn comes(&self, who: &str) -> Ada {
        let ada = self.world.ada().await;
        assert_eq!(self.comes_back(&ada, who).await, SignedInAs::Written);
        ada
    }

    /// The same member signs in, in the same browser.
    async fn comes_back(&self, ada: &Ada, who: &str) -> SignedInAs {
        let plane = &self.world.plane;
        let row = plane.store.member(ada.id).await.unwrap().unwrap();
        let now = plane.clock.now();
        let session = Lookup(*ada.cookie.hash(plane.keys.secrets()).as_bytes());
        let entry = SignIn {
            tag: row.tag,
            new: false,
            join: Some(self.subject(who).await),
            rights: Rights {
                scopes: [name("frontier"), name("quiet")].into(),
                ..Rights::default()
            },
            claimed: Claimed {
                rules: plane.group_rules.clone(),
                groups: [plane.group_name("engineering")].into(),
                listed_only: false,
            },
            session,
            idp_session: None,
            subject: row.subject,
            replaces: Some(session),
            now,
            expires_at: now.plus_seconds(43_200),
            events: Vec::new(),
        };
        self.world.store.sign_in(&entry).await.unwrap()
    }

    async fn is_in(&self, ada: &Ada) -> bool {
        self.world.get("/privacy", Some(ada)).await.status == 200
    }

    async fn grants(&self, member: MemberId) -> usize {
        self.world.plane.grants(member).await.unwrap().len()
    }

    async fn told(&self) -> usize {
        let told = self.world.plane.store.notices(0, 100).await.unwrap();
        told.notices.len()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn kind(reply: &Reply) -> (u16, String) {
    let kind = reply.json()["scimType"].as_str().unwrap_or("").to_owned();
    (reply.status.as_u16(), kind)
}

#[tokio::test]
async fn inc_26_an_outer_id_is_never_taken_for_one_of_ours() {
    let office = Office::new().await;
    let (ada, bob) = (office.lists("1").await, office.lists("2").await);
    let body = json!({ "userName": bob, "externalId": bob, "id": ada, "active": true });
    let twin = office.call("POST", "/Users", Some(&body)).await;
    let twin = text(&twin.json()["id"]);

    let by_outer = office.call("GET", "/Users/1", None).await;
    let deleted = office.call("DELETE", &format!("/Users/{twin}"), None).await;

    assert_eq!(by_outer.status, 404);
    assert_ne!(twin, ada, "the id in a body is not taken");
    assert_eq!(deleted.status, 204);
    for id in [&ada, &bob] {
        assert!(UserId::parse(id).is_some());
        assert!(office.active(id).await, "only the one that was named went");
    }
}

#[tokio::test]
async fn scm_01_the_address_of_another_tenant_is_no_address() {
    let office = Office::new().await;
    for path in [
        "/scim/tenant-b/Users",
        "/scim/v2/tenant-b/Users",
        "/scim/v1/Users",
        "/scim",
    ] {
        let request = Request::get(path)
            .header("authorization", format!("Bearer {}", office.bearer))
            .body(Body::empty());
        let reply = office.world.send(request.unwrap()).await;
        assert_eq!(reply.status, 404, "{path}");
        assert_eq!(reply.headers["content-type"], "application/scim+json");
        let request = Request::get(path).body(Body::empty());
        let reply = office.world.send(request.unwrap()).await;
        assert_eq!(reply.status, 401, "{path} tells strangers what there is");
    }
    let body = json!({
        "userName": "a", "externalId": "a", "tenant": "b", "tenant_id": "b",
        "meta": { "location": "https://evil.example/Users/1", "version": "W/\"99\"" },
    });

    let made = office.call("POST", "/Users", Some(&body)).await.json();

    assert_eq!(made["meta"]["version"], "W/\"1\"");
    assert!(
        text(&made["meta"]["location"]).starts_with("https://ai.example.com/scim/v2/Users/usr_")
    );
    assert!(!made.to_string().contains("tenant"));
}

#[tokio::test]
async fn scm_02_a_search_finds_what_was_meant_and_nothing_else() {
    let office = Office::new().await;
    let ada = office.lists("ada").await;
    office.lists("bob").await;
    let find = async |filter: &str| {
        let query = encode(&[("filter", filter)]);
        office.call("GET", &format!("/Users?{query}"), None).await
    };

    for (filter, wanted) in [
        ("userName eq \"ada\"", 1),
        ("userName eq \"ADA\"", 1),
        ("externalId eq \"ada\"", 1),
        ("externalId eq \"ADA\"", 0),
        ("userName eq \"nobody\"", 0),
        ("active eq true", 2),
        ("active eq false", 0),
        ("not (userName eq \"ada\")", 1),
        ("userName eq \"ada\" or userName eq \"bob\"", 2),
        ("userName eq \"ada\" and active eq false", 0),
        ("externalId pr and id sw \"usr_\"", 2),
        ("groups pr", 0),
    ] {
        let found = find(filter).await.json();
        assert_eq!(found["totalResults"], wanted, "{filter}");
    }
    let by_id = find(&format!("id eq \"{ada}\"")).await.json();
    assert_eq!(by_id["Resources"][0]["id"], json!(ada));
    for filter in [
        "userName eq \"x\" or 1 eq 1",
        "password eq \"x\"",
        "userName co \"a\"",
        "externalId sw \"a\"",
        "active gt true",
        &vec!["active eq true"; 100].join(" or "),
        "displayName eq \"Ada\"",
    ] {
        let refused = find(filter).await;
        assert_eq!(
            kind(&refused),
            (400, "invalidFilter".to_owned()),
            "{}",
            refused.body
        );
        assert!(
            !refused.body.contains("password"),
            "the filter is shown back"
        );
    }
    let nine: Vec<_> = (0..9).map(|n| format!("userName eq \"{n}\"")).collect();
    assert_eq!(kind(&find(&nine.join(" or ")).await).1, "tooMany");
}

#[tokio::test]
async fn a_list_has_parts_that_begin_with_one() {
    let office = Office::new().await;
    for n in 0..5 {
        office.lists(&format!("u{n}")).await;
    }
    let list = async |query: &str| {
        let found = office
            .call("GET", &format!("/Users?{query}"), None)
            .await
            .json();
        let shown = found["Resources"].as_array().unwrap().len();
        (found["totalResults"].as_u64().unwrap(), shown)
    };

    for (query, wanted) in [
        ("", (5, 5)),
        ("startIndex=2&count=2", (5, 2)),
        ("startIndex=5&count=9", (5, 1)),
        ("startIndex=6", (5, 0)),
        ("startIndex=0&count=1", (5, 1)),
        ("startIndex=-3&count=-1", (5, 0)),
        ("count=0", (5, 0)),
        ("filter=active+eq+true&startIndex=4&count=3", (5, 2)),
    ] {
        assert_eq!(list(query).await, wanted, "{query}");
    }
    for bad in [
        "count=x",
        "startIndex=1.5",
        "count=1&count=2",
        "count=1&COUNT=2",
    ] {
        let refused = office.call("GET", &format!("/Users?{bad}"), None).await;
        assert_eq!(kind(&refused), (400, "invalidValue".to_owned()), "{bad}");
    }
}

#[tokio::test]
async fn scm_04_a_word_that_is_neither_yes_nor_no_changes_nothing() {
    let office = Office::new().await;
    let id = office.lists("ada").await;
    let path = format!("/Users/{id}");
    for value in [
        json!(0),
        json!(1),
        json!(null),
        json!(""),
        json!("no"),
        json!([]),
        json!({}),
    ] {
        for operation in [
            json!({ "op": "replace", "path": "active", "value": value }),
            json!({ "op": "replace", "value": { "active": value } }),
        ] {
            let refused = office.patch(&path, json!([operation])).await;
            assert_eq!(refused.status, 400, "{operation}");
        }
        let body = json!({ "userName": "ada", "externalId": "ada", "active": value });
        assert_eq!(office.call("PUT", &path, Some(&body)).await.status, 400);
    }
    assert!(office.active(&id).await);

    let off = json!([{ "op": "Replace", "path": "active", "value": "False" }]);
    let reply = office.patch(&path, off).await;

    assert_eq!(
        (reply.status.as_u16(), &reply.json()["active"]),
        (200, &json!(false))
    );
    for value in [json!(0), json!(null), json!("yes")] {
        let on = json!([{ "op": "replace", "path": "active", "value": value }]);
        assert_eq!(office.patch(&path, on).await.status, 400);
        assert!(!office.active(&id).await, "{value} brought a leaver back");
    }
    let on = json!([{ "op": "Replace", "path": "active", "value": "True" }]);
    office.patch(&path, on).await;
    assert!(office.active(&id).await);
}

#[tokio::test]
async fn every_form_in_which_a_directory_says_it_deactivates() {
    let office = Office::new().await;
    let user = "urn:ietf:params:scim:schemas:core:2.0:User";
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    for (n, operation) in [
        json!({ "op": "Replace", "path": "active", "value": "False" }),
        json!({ "op": "replace", "path": "active", "value": false }),
        json!({ "op": "replace", "value": { "active": false } }),
        json!({ "op": "add", "path": format!("{user}:active"), "value": false }),
        json!({ "OP": "REPLACE", "PATH": "ACTIVE", "VALUE": false }),
        json!({ "op": "replace", "value": {
            "active": false, "name.givenName": "A", format!("{enterprise}:employeeNumber"): "1",
        } }),
    ]
    .into_iter()
    .enumerate()
    {
        let id = office.lists(&format!("u{n}")).await;
        let reply = office
            .patch(&format!("/Users/{id}"), json!([operation]))
            .await;
        assert_eq!(reply.status, 200, "{operation}: {}", reply.body);
        assert!(!office.active(&id).await, "{operation}");
    }
    let id = office.lists("whole").await;
    let body = json!({ "userName": "whole", "externalId": "whole", "active": false });
    office
        .call("PUT", &format!("/Users/{id}"), Some(&body))
        .await;
    assert!(!office.active(&id).await);
}

#[tokio::test]
async fn what_is_not_kept_is_taken_and_what_makes_no_sense_is_not() {
    let office = Office::new().await;
    let id = office.lists("ada").await;
    let path = format!("/Users/{id}");
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    for operation in [
        json!({ "op": "Replace", "path": "emails[type eq \"work\"].value", "value": "a@b" }),
        json!({ "op": "Replace", "path": format!("{enterprise}:employeeNumber"), "value": "1" }),
        json!({ "op": "Add", "path": "name.familyName", "value": "L" }),
        json!({ "op": "remove", "path": "displayName" }),
    ] {
        assert_eq!(
            office.patch(&path, json!([operation])).await.status,
            200,
            "{operation}"
        );
    }
    for (operation, wanted) in [
        (json!({ "op": "remove" }), "noTarget"),
        (json!({ "op": "remove", "path": "active" }), "mutability"),
        (json!({ "op": "remove", "path": "userName" }), "mutability"),
        (
            json!({ "op": "remove", "path": "externalId" }),
            "mutability",
        ),
        (
            json!({ "op": "replace", "path": "id", "value": "x" }),
            "mutability",
        ),
        (
            json!({ "op": "add", "path": "groups", "value": [] }),
            "mutability",
        ),
        (
            json!({ "op": "replace", "path": "a b", "value": 1 }),
            "invalidPath",
        ),
        (
            json!({ "op": "replace", "path": "active.x", "value": true }),
            "invalidPath",
        ),
        (
            json!({ "op": "replace", "path": "active" }),
            "invalidSyntax",
        ),
        (
            json!({ "op": "move", "path": "active", "value": true }),
            "invalidSyntax",
        ),
        (
            json!({ "op": "replace", "path": "userName", "value": "a@corp.example" }),
            "invalidValue",
        ),
        (
            json!({ "op": "replace", "path": "userName", "value": "  " }),
            "invalidValue",
        ),
    ] {
        let refused = office.patch(&path, json!([operation])).await;
        assert_eq!(kind(&refused), (400, wanted.to_owned()), "{operation}");
    }
    let whole = office.call("GET", &path, None).await.json();
    assert_eq!(
        whole["meta"]["version"], "W/\"1\"",
        "nothing of it was a change"
    );
}

#[tokio::test]
async fn scm_05_a_leaver_has_nothing_left_and_may_come_back_to_nothing() {
    let office = Office::new().await;
    let id = office.lists("ada").await;
    let (ada, bob) = (office.comes("ada").await, office.comes("bob").await);
    let token = office.world.login(&ada).await;
    office.world.login(&bob).await;
    let before = office.told().await;

    let off = json!([{ "op": "replace", "path": "active", "value": false }]);
    let first = office.patch(&format!("/Users/{id}"), off.clone()).await;
    let told = office.told().await;
    let again = office.patch(&format!("/Users/{id}"), off).await;

    assert_eq!((first.status.as_u16(), again.status.as_u16()), (200, 200));
    assert_eq!(
        (told - before, office.told().await - told),
        (1, 0),
        "told once"
    );
    assert!(!office.is_in(&ada).await && office.is_in(&bob).await);
    assert_eq!(
        (office.grants(ada.id).await, office.grants(bob.id).await),
        (0, 1)
    );
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token["refresh_token"].as_str().unwrap()),
    ];
    let refused = office.world.client("/oauth/token", &form).await;
    assert_eq!(
        (refused.status.as_u16(), refused.error()),
        (401, "invalid_grant".into())
    );
    assert_eq!(office.comes_back(&ada, "ada").await, SignedInAs::Left);
    let qualified = office.world.plane.qualify(ada.id, &name("frontier")).await;
    assert!(qualified.is_err(), "nothing is issued to a leaver");

    let on = json!([{ "op": "replace", "path": "active", "value": true }]);
    office.patch(&format!("/Users/{id}"), on).await;

    assert!(!office.is_in(&ada).await, "no session begins by itself");
    assert_eq!(office.grants(ada.id).await, 0);
    assert_eq!(office.comes_back(&ada, "ada").await, SignedInAs::Written);
    assert!(office.is_in(&ada).await);
    office.world.login(&ada).await;
    let events = office.world.store.events().join("\n");
    for kind in [
        "member.left",
        "member.returned",
        "directory.user",
        "directory.bearer",
    ] {
        assert!(events.contains(&format!("\"type\":\"{kind}\"")), "{kind}");
        assert!(TYPES.contains(&kind));
    }
}

#[tokio::test]
async fn a_suspension_is_not_lifted_by_the_directory() {
    let office = Office::new().await;
    let id = office.lists("ada").await;
    let ada = office.comes("ada").await;
    let plane = &office.world.plane;
    assert!(plane.suspend(ada.id, None, "case").await.unwrap());

    for value in [false, true] {
        let word = json!([{ "op": "replace", "path": "active", "value": value }]);
        office.patch(&format!("/Users/{id}"), word).await;
    }

    assert_eq!(office.comes_back(&ada, "ada").await, SignedInAs::Suspended);
    assert!(plane.reinstate(ada.id, None).await.unwrap());
    assert_eq!(office.comes_back(&ada, "ada").await, SignedInAs::Written);
}

#[tokio::test]
async fn scm_07_a_replacement_without_active_brings_nobody_back() {
    let office = Office::new().await;
    let id = office.lists("ada").await;
    let path = format!("/Users/{id}");
    office
        .patch(
            &path,
            json!([{ "op": "replace", "value": { "active": false } }]),
        )
        .await;

    let body = json!({ "userName": "ada", "externalId": "ada", "name": { "givenName": "A" } });
    let put = office.call("PUT", &path, Some(&body)).await;
    let other = json!([{ "op": "replace", "path": "userName", "value": "ada2" }]);
    office.patch(&path, other).await;

    assert_eq!(
        (put.status.as_u16(), &put.json()["active"]),
        (200, &json!(false))
    );
    assert!(!office.active(&id).await);
    let gone = office.call("DELETE", &path, None).await;
    let again = office.call("DELETE", &path, None).await;
    assert_eq!((gone.status.as_u16(), again.status.as_u16()), (204, 404));
    let anew = office.call("POST", "/Users", Some(&body)).await;
    assert_eq!(anew.json()["active"], json!(false), "{}", anew.body);
}

#[tokio::test]
async fn scm_09_no_push_makes_an_administrator() {
    let office = Office::with(|settings| {
        settings.sso.roles.admin = vec!["ai-platform".to_owned()];
    })
    .await;
    let id = office.lists("ada").await;
    let ada = office.comes("ada").await;
    let club = json!({ "displayName": "cooking", "members": [{ "value": id }] });
    let club = office.call("POST", "/Groups", Some(&club)).await.json();
    let path = format!("/Groups/{}", text(&club["id"]));
    for operation in [
        json!({ "op": "replace", "path": "displayName", "value": "ai-platform" }),
        json!({ "op": "add", "path": "roles", "value": ["admin"] }),
        json!({ "op": "add", "value": { "role": "admin", "is_admin": true } }),
        json!({ "op": "replace", "path": "members", "value": [{ "value": id, "type": "admin" }] }),
    ] {
        assert_eq!(
            office.patch(&path, json!([operation])).await.status,
            200,
            "{operation}"
        );
    }

    let roles = async || {
        let row = office.world.plane.store.member(ada.id).await.unwrap();
        row.unwrap().rights.roles
    };

    assert!(roles().await.is_empty());
    assert_eq!(office.comes_back(&ada, "ada").await, SignedInAs::Written);
    assert!(roles().await.is_empty(), "its sign-in names no such group");
}

#[tokio::test]
async fn a_mover_loses_what_the_group_opened_and_goes_on_with_the_rest() {
    let office = Office::with(|settings| {
        let quiet = settings
            .scopes
            .iter_mut()
            .find(|it| it.name == name("quiet"));
        quiet.unwrap().groups = vec!["writers".to_owned()];
    })
    .await;
    let (a, b) = (office.lists("ada").await, office.lists("bob").await);
    let (ada, bob) = (office.comes("ada").await, office.comes("bob").await);
    let push = |members: Value| json!({ "displayName": "engineering", "members": members });
    let both = json!([{ "value": a }, { "value": b }]);
    let made = office.call("POST", "/Groups", Some(&push(both))).await;
    let path = format!("/Groups/{}", text(&made.json()["id"]));
    for who in [&ada, &bob] {
        office.world.login(who).await;
    }

    let gone = json!([{ "op": "Remove", "path": "members", "value": [{ "value": a }] }]);
    let reply = office.patch(&path, gone).await;

    assert_eq!(
        reply.json()["members"].as_array().unwrap().len(),
        1,
        "only the listed went"
    );
    assert_eq!(
        (office.grants(ada.id).await, office.grants(bob.id).await),
        (0, 1)
    );
    assert!(office.is_in(&ada).await, "a mover is no leaver");
    let plane = &office.world.plane;
    assert!(plane.qualify(ada.id, &name("frontier")).await.is_err());
    assert_eq!(office.comes_back(&ada, "ada").await, SignedInAs::Written);
    assert!(
        plane.qualify(ada.id, &name("frontier")).await.is_err(),
        "the push decides"
    );

    let back = json!([{ "op": "add", "path": "members", "value": [{ "value": a }] }]);
    office.patch(&path, back).await;
    assert!(plane.qualify(ada.id, &name("frontier")).await.is_ok());
    office.call("PUT", &path, Some(&push(json!([])))).await;
    assert_eq!(office.grants(bob.id).await, 0);
}

#[tokio::test]
async fn the_forms_in_which_directories_change_members() {
    let office = Office::new().await;
    let mut ids = Vec::new();
    for n in 0..4 {
        ids.push(office.lists(&format!("u{n}")).await);
    }
    let made = json!({ "displayName": "g", "externalId": "e" });
    let made = office.call("POST", "/Groups", Some(&made)).await.json();
    let id = text(&made["id"]);
    let path = format!("/Groups/{id}");
    let after = async |operations: Value| {
        let reply = office.patch(&path, operations).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let members = reply.json()["members"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        members
            .iter()
            .map(|it| text(&it["value"]))
            .collect::<Vec<_>>()
    };
    let entry = |n: usize| json!({ "value": ids[n], "display": "Ada L" });
    let sorted = |of: &[usize]| {
        let mut of: Vec<_> = of.iter().map(|n| ids[*n].clone()).collect();
        of.sort();
        of
    };

    let add = json!([{ "op": "Add", "path": "members", "value": [entry(0), entry(1), entry(2)] }]);
    assert_eq!(after(add).await, sorted(&[0, 1, 2]));
    let by_filter = format!("members[value eq \"{}\"]", ids[1]);
    let remove = json!([{ "op": "remove", "path": by_filter }]);
    assert_eq!(after(remove).await, sorted(&[0, 2]));
    let whole = json!([{ "op": "replace", "value": { "id": id, "members": [entry(3)] } }]);
    assert_eq!(after(whole).await, sorted(&[3]));
    let all = json!([
        { "op": "remove", "path": "members" },
        { "op": "add", "path": "members", "value": [entry(0)] },
    ]);
    assert_eq!(after(all).await, sorted(&[0]));
    let stranger = json!([{ "op": "add", "path": "members", "value": [{ "value": "1" }] }]);
    assert_eq!(
        kind(&office.patch(&path, stranger).await),
        (400, "invalidValue".to_owned())
    );
    let find = async |filter: &str| {
        let query = encode(&[("filter", filter), ("excludedAttributes", "members")]);
        let found = office.call("GET", &format!("/Groups?{query}"), None).await;
        assert!(!found.body.contains("members"), "{}", found.body);
        found.json()["totalResults"].as_u64().unwrap()
    };
    assert_eq!(find("displayName eq \"g\"").await, 1);
    assert_eq!(find("externalId eq \"e\"").await, 1);
    let with = |n: usize| format!("id eq \"{id}\" and members eq \"{}\"", ids[n]);
    assert_eq!((find(&with(0)).await, find(&with(1)).await), (1, 0));
    let user = office
        .call("GET", &format!("/Users/{}", ids[0]), None)
        .await
        .json();
    assert_eq!(user["groups"][0]["value"], json!(id));
}

#[tokio::test]
async fn scm_11_a_stale_version_overwrites_nothing() {
    let office = Office::new().await;
    let id = office.lists("ada").await;
    let path = format!("/Users/{id}");
    let first = office.call("GET", &path, None).await;
    let tag = first.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(first.json()["meta"]["version"], json!(tag));
    let known = office
        .send("GET", &path, None, &[("if-none-match", &tag)])
        .await;
    assert_eq!((known.status.as_u16(), known.body.as_str()), (304, ""));
    let body = json!({ "userName": "ada", "externalId": "ada", "active": false });
    let with = [("if-match", tag.as_str())];

    let fresh = office.send("PUT", &path, Some(&body), &with).await;
    let stale = office.send("PUT", &path, Some(&body), &with).await;
    let back = json!({ "Operations": [{ "op": "replace", "value": { "active": true } }] });
    let patched = office.send("PATCH", &path, Some(&back), &with).await;
    let deleted = office.send("DELETE", &path, None, &with).await;

    assert_eq!(fresh.status, 200);
    for reply in [stale, patched, deleted] {
        assert_eq!(reply.status, 412, "{}", reply.body);
    }
    assert!(!office.active(&id).await);
    let any = office
        .send("DELETE", &path, None, &[("if-match", "\"0\", *")])
        .await;
    assert_eq!(any.status, 204);
    let group = json!({ "displayName": "g" });
    let group = office.call("POST", "/Groups", Some(&group)).await;
    let place = format!("/Groups/{}", text(&group.json()["id"]));
    let stale = office
        .send("DELETE", &place, None, &[("if-match", "W/\"9\"")])
        .await;
    assert_eq!(stale.status, 412);
}

#[tokio::test]
async fn scm_12_only_the_bearer_in_its_header_opens() {
    let office = Office::new().await;
    let good = office.bearer.clone();
    let open = async |header: Option<&str>, path: &str| {
        let mut request = Request::get(path);
        if let Some(header) = header {
            request = request.header("authorization", header);
        }
        let request = request.body(Body::empty()).unwrap();
        office.world.send(request).await
    };
    let ada = office.world.ada().await;
    let access = text(&office.world.login(&ada).await["access_token"]);
    let mut mistyped = good.clone();
    mistyped.pop();

    for (header, path) in [
        (None, "/scim/v2/Users".to_owned()),
        (None, format!("/scim/v2/Users?access_token={good}")),
        (None, "/scim/v2/Schemas".to_owned()),
        (Some(format!("Basic {good}")), "/scim/v2/Users".to_owned()),
        (Some(good.clone()), "/scim/v2/Users".to_owned()),
        (
            Some(format!("Bearer {mistyped}")),
            "/scim/v2/Users".to_owned(),
        ),
        (
            Some(format!("Bearer {access}")),
            "/scim/v2/Users".to_owned(),
        ),
        (Some("Bearer ".to_owned()), "/scim/v2/Users".to_owned()),
    ] {
        let refused = open(header.as_deref(), &path).await;
        assert_eq!(refused.status, 401, "{header:?} {path}");
        assert_eq!(refused.headers["www-authenticate"], "Bearer");
        assert_eq!(refused.headers["content-type"], "application/scim+json");
    }
    let right = format!("Bearer {good}");
    assert_eq!(open(Some(&right), "/scim/v2/Users").await.status, 200);
    for _ in 0..40 {
        open(Some(&format!("Bearer {access}")), "/scim/v2/Users").await;
    }
    let shut = open(Some(&format!("Bearer {access}")), "/scim/v2/Users").await;
    assert_eq!(
        (shut.status.as_u16(), &shut.headers["retry-after"]),
        (429, &"60".parse().unwrap())
    );
    assert_eq!(
        open(Some(&right), "/scim/v2/Users").await.status,
        200,
        "it was good just now"
    );
    office.world.later(31 * 86_400).await;
    assert_eq!(
        open(Some(&right), "/scim/v2/Users").await.status,
        401,
        "expired"
    );
}

#[tokio::test]
async fn a_bearer_follows_another_and_each_can_be_ended() {
    let office = Office::new().await;
    let plane = &office.world.plane;

    let second = plane.make_bearer(30).await.unwrap().unwrap();
    let third = plane.make_bearer(30).await.unwrap();

    assert_eq!(MOST_BEARERS, 2);
    assert!(third.is_none());
    assert!(plane.end_bearer(1).await.unwrap() && !plane.end_bearer(1).await.unwrap());
    assert_eq!(office.call("GET", "/Users", None).await.status, 401);
    let office = Office {
        bearer: second.secret.reveal().to_owned(),
        ..office
    };
    assert_eq!(office.call("GET", "/Users", None).await.status, 200);
    let kept = format!("{:?}", office.world.store.dump());
    assert!(!kept.contains(&office.bearer), "a bearer is kept");
}

#[tokio::test]
async fn two_people_have_no_name_in_common() {
    let office = Office::new().await;
    office.lists("ada").await;
    for body in [
        json!({ "userName": "ADA", "externalId": "other" }),
        json!({ "userName": "other", "externalId": "ada" }),
    ] {
        let refused = office.call("POST", "/Users", Some(&body)).await;
        assert_eq!(kind(&refused), (409, "uniqueness".to_owned()), "{body}");
    }
    for body in [
        json!({ "externalId": "x" }),
        json!({ "userName": "x" }),
        json!({}),
    ] {
        let refused = office.call("POST", "/Users", Some(&body)).await;
        assert_eq!(kind(&refused), (400, "invalidValue".to_owned()), "{body}");
    }
}

const PERSONAL: [&str; 5] = [
    "canary-given-9a1",
    "canary-mail-7c2@corp.example",
    "canary-hash-pbkdf2-55",
    "canary-display-0e4",
    "canary-group-b1d",
];

async fn sends_everything(office: &Office, id: &str) -> Reply {
    let [given, mail, password, display, group] = PERSONAL;
    let body = json!({
        "userName": id, "externalId": id, "active": true, "displayName": display,
        "password": password, "name": { "givenName": given, "formatted": given },
        "emails": [{ "value": mail, "primary": true }],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": { "manager": { "displayName": given } },
    });
    let made = office.call("POST", "/Users", Some(&body)).await;
    let member = text(&made.json()["id"]);
    let path = format!("/Users/{member}");
    office.call("PUT", &path, Some(&body)).await;
    let operation = json!({ "op": "replace", "path": format!("emails[value eq \"{mail}\"].value"), "value": mail });
    office.patch(&path, json!([operation])).await;
    let body =
        json!({ "displayName": group, "members": [{ "value": member, "display": display }] });
    office.call("POST", "/Groups", Some(&body)).await;
    let query = encode(&[("filter", &format!("userName eq \"{mail}\""))]);
    office.call("GET", &format!("/Users?{query}"), None).await;
    office.call("GET", &path, None).await
}

#[tokio::test]
async fn prv_01_whatever_a_directory_sends_nothing_that_names_anybody_is_kept_or_shown() {
    let office = Office::new().await;

    let shown = sends_everything(&office, "00u1canaryid").await;

    let kept = office.world.store.dump();
    for canary in PERSONAL.iter().chain(&["00u1canaryid"]) {
        assert!(!kept.contains(canary), "{canary} is kept");
        assert!(!shown.body.contains(canary), "{canary} is shown");
    }
}

#[tokio::test]
async fn an_address_is_refused_unless_it_is_asked_for_and_then_it_is_sealed_and_shown() {
    const MAIL: &str = "ada.canary@corp.example";
    let strict = Office::new().await;
    for (user_name, external) in [(MAIL, "00u1"), ("00u1", MAIL)] {
        let body = json!({ "userName": user_name, "externalId": external });
        let refused = strict.call("POST", "/Users", Some(&body)).await;
        assert_eq!(kind(&refused), (400, "invalidValue".to_owned()));
        assert!(refused.body.contains("accept_email") && !refused.body.contains(MAIL));
    }
    let office = Office::with(|settings| settings.scim.accept_email = true).await;

    let shown = sends_everything(&office, MAIL).await.json();
    let ada = office.comes(MAIL).await;
    let page = office.world.get("/privacy", Some(&ada)).await.body;

    assert_eq!(
        (&shown["userName"], &shown["externalId"]),
        (&json!(MAIL), &json!(MAIL))
    );
    assert!(page.contains(MAIL), "the member does not see what is kept");
    let kept = office.world.store.dump();
    for canary in PERSONAL.iter().chain(&[MAIL]) {
        assert!(!kept.contains(canary), "{canary} is kept as it is");
    }
    let find = async |filter: &str| {
        let query = encode(&[("filter", filter)]);
        let found = office
            .call("GET", &format!("/Users?{query}"), None)
            .await
            .json();
        found["totalResults"].as_u64().unwrap()
    };
    assert_eq!(
        find("userName co \"CANARY\" and userName sw \"ada\"").await,
        1
    );
    assert_eq!(find("externalId ew \"@elsewhere.example\"").await, 0);
}

#[tokio::test]
async fn names_that_were_kept_go_when_the_setting_goes() {
    let office = Office::with(|settings| settings.scim.accept_email = true).await;
    let id = office.lists("ada@corp.example").await;
    let plane = &office.world.plane;
    let names = async || {
        let row = plane.store.user(UserId::parse(&id).unwrap()).await.unwrap();
        row.unwrap().names
    };
    assert!(names().await.is_some());
    plane.tend().await.unwrap();
    assert!(names().await.is_some(), "they are asked for");

    plane
        .store
        .forget_directory(true, plane.clock.now())
        .await
        .unwrap();

    assert!(names().await.is_none());
    assert_eq!(
        office
            .call("GET", &format!("/Users/{id}"), None)
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn what_it_says_of_itself_is_what_it_does() {
    let office = Office::new().await;
    let config = office
        .call("GET", "/ServiceProviderConfig", None)
        .await
        .json();
    for (ability, has) in [
        ("patch", true),
        ("etag", true),
        ("filter", true),
        ("bulk", false),
        ("sort", false),
    ] {
        assert_eq!(config[ability]["supported"], json!(has), "{ability}");
    }
    let schemas = office.call("GET", "/Schemas", None).await.json();
    let attributes = |n: usize| {
        let all = schemas["Resources"][n]["attributes"].as_array().unwrap();
        all.iter().map(|it| text(&it["name"])).collect::<Vec<_>>()
    };
    assert_eq!(
        attributes(0),
        ["userName", "externalId", "active", "groups"]
    );
    assert_eq!(attributes(1), ["displayName", "externalId", "members"]);
    let user = "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User";
    let one = office.call("GET", user, None).await.json();
    assert_eq!(one["attributes"][0]["mutability"], "writeOnly");
    assert_eq!(one["attributes"][0]["returned"], "never");
    assert_eq!(office.call("GET", "/Schemas/x", None).await.status, 404);
    for path in ["/ServiceProviderConfig", "/Schemas", "/ResourceTypes"] {
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let refused = office.call(method, path, None).await;
            assert_eq!(refused.status, 405, "{method} {path}");
            assert_eq!(refused.json()["status"], "405");
        }
    }
    assert_eq!(
        office.call("GET", "/nothing", None).await.json()["status"],
        "404"
    );
}

#[tokio::test]
async fn a_body_that_is_too_long_or_no_json_is_refused() {
    let office = Office::new().await;
    let bearer = format!("Bearer {}", office.bearer);
    let send = async |headers: &[(&str, &str)], body: String| {
        let mut request = Request::post("/scim/v2/Users").header("authorization", &bearer);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        office
            .world
            .send(request.body(body.into()).unwrap())
            .await
            .status
            .as_u16()
    };
    let good = json!({ "userName": "a", "externalId": "a" }).to_string();

    assert_eq!(
        send(&[("content-type", "text/plain")], good.clone()).await,
        415
    );
    assert_eq!(
        send(&[("content-encoding", "gzip")], good.clone()).await,
        415
    );
    assert_eq!(send(&[], "x".repeat((1 << 20) + 1)).await, 413);
    assert_eq!(send(&[], "{".to_owned()).await, 400);
    assert_eq!(send(&[], String::new()).await, 400);
    let json = [("content-type", "application/json; charset=utf-8")];
    assert_eq!(send(&json, good).await, 201);
}

#[tokio::test]
async fn storage_that_is_down_is_said_and_nothing_is_promised() {
    let office = Office::new().await;
    let id = office.lists("ada").await;
    office.world.store.go_down(true);

    let off = json!([{ "op": "replace", "path": "active", "value": false }]);
    let reply = office.patch(&format!("/Users/{id}"), off).await;

    assert_eq!(
        (reply.status.as_u16(), &reply.headers["retry-after"]),
        (503, &"5".parse().unwrap())
    );
    office.world.store.go_down(false);
    assert!(office.active(&id).await);
}
