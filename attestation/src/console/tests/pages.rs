//! Every page of the console with text from elsewhere in each place that shows some.

use askama::Template;

use crate::{
    console::view::{
        Act, Alerts, Appeal, Audit, Check, Choice, Count, Desk, Grant, Kind, Lately, Leaf, Light,
        Loser, Member, Members, Outcome, Policies, Policy, Row, Said, Scope, Section, Setup, Tab,
        Tick, Told, Try, Version, Waiting, Way,
    },
    portal::{
        tests::{
            fields_have_labels, needs_no_script_nor_another_site, shows_no_markup_that_was_typed,
        },
        view::{Fact, Frame},
    },
};

const FRAME: Frame = Frame {
    here: "console",
    signed_in: true,
    development: true,
};

fn desk() -> Desk {
    Desk {
        frame: FRAME,
        tabs: vec![Tab {
            href: "/admin",
            label: "Setup",
            here: true,
        }],
        admin: true,
    }
}

fn render(template: &impl Template) -> String {
    template.render().unwrap()
}

fn check(text: &str, light: Light) -> Check {
    Check {
        light,
        what: text.to_owned(),
        said: text.to_owned(),
        mend: text.to_owned(),
    }
}

fn checks(text: &str) -> Vec<Check> {
    [Light::Good, Light::Note, Light::Mend]
        .map(|light| check(text, light))
        .into()
}

fn waiting(text: &str, own: bool) -> Waiting {
    Waiting {
        member: text.to_owned(),
        short: text.to_owned(),
        at: text.to_owned(),
        what: "Erase",
        line: text.to_owned(),
        own,
    }
}

fn choices() -> Vec<Choice> {
    vec![Choice {
        value: "other",
        label: "Something else",
    }]
}

fn pages(text: &str) -> Vec<(&'static str, String)> {
    let s = || text.to_owned();
    let facts = || vec![Fact::new(text, text)];
    vec![
        (
            "setup",
            render(&Setup {
                frame: FRAME,
                desk: desk(),
                heading: s(),
                lead: s(),
                green: true,
                at: s(),
                sections: vec![Section {
                    title: "Sign-in",
                    checks: checks(text),
                }],
            }),
        ),
        (
            "members",
            render(&Members {
                frame: FRAME,
                desk: desk(),
                rows: vec![Row {
                    member: s(),
                    short: s(),
                    tag: s(),
                    suspended: Some(s()),
                    verified: s(),
                    roles: s(),
                    signed_in: s(),
                }],
                suspended: true,
                first: false,
                next: Some(s()),
                problem: Some("Nobody has that number"),
            }),
        ),
        (
            "member",
            render(&Member {
                frame: FRAME,
                desk: desk(),
                id: s(),
                state: s(),
                facts: facts(),
                gates: facts(),
                grants: vec![Grant {
                    label: s(),
                    scope: s(),
                    line: s(),
                }],
                looks: vec![s()],
                acts: vec![Act {
                    what: "erase",
                    title: "Erase",
                    text: "It cannot be undone",
                    button: "Erase",
                    reasons: choices(),
                    sure: Some("I know"),
                }],
                second: true,
                waiting: Some(waiting(text, true)),
                held: Some("This is you"),
            }),
        ),
        (
            "alerts",
            render(&Alerts {
                frame: FRAME,
                desk: desk(),
                heading: "This waits",
                proposals: vec![waiting(text, false)],
                appeals: vec![Appeal {
                    member: s(),
                    short: s(),
                    at: s(),
                    line: s(),
                    said: "They want to talk",
                }],
                replies: choices(),
                checks: checks(text),
                lately: vec![Lately {
                    count: 3,
                    what: "exports",
                    href: s(),
                }],
                partly: true,
            }),
        ),
        (
            "policies",
            render(&Policies {
                frame: FRAME,
                desk: desk(),
                scopes: vec![Scope {
                    name: s(),
                    privacy: "pseudonymous",
                    facts: facts(),
                }],
                rules: vec![Policy {
                    name: s(),
                    gates: s(),
                    versions: vec![Version {
                        name: s(),
                        state: "in force",
                        in_force: true,
                        asks: s(),
                        dates: s(),
                        hash: s(),
                    }],
                    configured: true,
                }],
                may_try: true,
            }),
        ),
        (
            "try",
            render(&Try {
                frame: FRAME,
                desk: desk(),
                policy: s(),
                gates: s(),
                ticks: vec![Tick {
                    value: "age_over_18",
                    label: "18 or older",
                    on: true,
                }],
                deny: s(),
                allow: s(),
                problem: Some("Tick something"),
                outcome: Some(Outcome {
                    heading: s(),
                    counts: vec![Count {
                        count: 2,
                        what: "would lose access",
                    }],
                    unverified: s(),
                    members: Some(vec![Loser {
                        member: s(),
                        short: s(),
                        why: "does not meet it",
                    }]),
                    cut: Some(s()),
                    losers: 2,
                }),
            }),
        ),
        (
            "audit",
            render(&Audit {
                frame: FRAME,
                desk: desk(),
                kinds: vec![Kind {
                    name: "sso.login",
                    on: true,
                }],
                member: s(),
                from: s(),
                to: s(),
                problem: Some("A day is written so"),
                leaves: vec![Leaf {
                    index: 7,
                    kind: s(),
                    at: s(),
                    facts: vec![
                        Said {
                            name: s(),
                            value: s(),
                            href: Some(s()),
                        },
                        Said {
                            name: s(),
                            value: s(),
                            href: None,
                        },
                    ],
                    erased: false,
                }],
                looked: s(),
                older: Some(s()),
                narrowed: true,
                key: s(),
            }),
        ),
        (
            "told",
            render(&Told {
                frame: FRAME,
                desk: desk(),
                heading: s(),
                text: s(),
                next: vec![Way {
                    href: s(),
                    label: s(),
                }],
            }),
        ),
    ]
}

#[test]
fn adm_02_no_page_of_the_console_shows_markup() {
    shows_no_markup_that_was_typed(pages);
}

#[test]
fn no_page_of_the_console_needs_a_script_or_another_site() {
    needs_no_script_nor_another_site(&pages("plain"));
}

#[test]
fn every_field_of_the_console_has_a_label() {
    fields_have_labels(&pages("plain"));
}
