//! What is a leaf of the identity log.
//!
//! An [`Event`] is canonical JSON with at least `type` and `at`. It is made by a typed constructor
//! whose parameters are all it can ever say, and it is queued in the transaction of its effect;
//! [`crate::Plane::seal`] moves the queue into the tree. Events about a member, a grant or a
//! request carry a salt of their own, so that a leaf's hash tells nothing after erasure.

use bauta_audit::{canonical, export::Disclosure};
use bauta_token::{
    ambient::{Randomness, bytes},
    scope::{Gate, Name},
    units::UnixMillis,
};
use serde_json::{Map, Value, json};

use crate::ports::{
    AttestationId, GroupId, MemberId, Role, UserId, VerificationId,
    office::{Ground, Objection, Reply, Undoing},
};

/// One event on its way into the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    salt: Option<[u8; 32]>,
    text: String,
}

impl Event {
    /// What is hashed before the text; `None` for a public event.
    #[must_use]
    pub const fn salt(&self) -> Option<&[u8; 32]> {
        self.salt.as_ref()
    }

    /// The canonical JSON.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// An event about a member, a grant or a request: salted.
    ///
    /// `fields` may hold ids, codes, dates and integers. Never a name, an address or what a vendor
    /// said: those have no type that turns into a [`Value`].
    pub(crate) fn private(
        kind: &'static str,
        at: UnixMillis,
        fields: Value,
        randomness: &dyn Randomness,
    ) -> Self {
        Self {
            salt: Some(bytes(randomness)),
            text: spell(kind, at, fields),
        }
    }

    /// An event that everybody may read: a manifest, a key, a policy.
    pub(crate) fn public(kind: &'static str, at: UnixMillis, fields: Value) -> Self {
        Self {
            salt: None,
            text: spell(kind, at, fields),
        }
    }
}

/// The log is about to be exported.
#[must_use]
pub fn exported(told: &Disclosure, at: UnixMillis, randomness: &dyn Randomness) -> Event {
    let fields = Value::Object(told.fields().clone());
    Event::private("audit.exported", at, fields, randomness)
}

fn spell(kind: &'static str, at: UnixMillis, fields: Value) -> String {
    let mut event = match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    event.insert("type".to_owned(), kind.into());
    event.insert("at".to_owned(), at.to_string().into());
    let value = Value::Object(event);
    // Fields are strings, integers, flags and short lists of them: always canonical. Were one not,
    // the record would still say what happened and when.
    canonical::to_string(&value).unwrap_or_else(|_| {
        format!("{{\"at\":\"{at}\",\"fields\":\"unprintable\",\"type\":\"{kind}\"}}")
    })
}

/// Makes the events of one instant.
#[derive(Clone, Copy)]
pub(crate) struct Scribe<'a> {
    pub(crate) at: UnixMillis,
    pub(crate) randomness: &'a dyn Randomness,
}

impl Scribe<'_> {
    fn about(self, kind: &'static str, fields: Value) -> Event {
        Event::private(kind, self.at, fields, self.randomness)
    }

    /// A member signed in. `joined` says that it was the first time.
    pub(crate) fn sso_login(self, member: MemberId, roles: &[Role], joined: bool) -> Event {
        let roles: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
        self.about(
            "sso.login",
            json!({ "member": member, "roles": roles, "joined": joined }),
        )
    }

    /// A sign-in was refused, for a reason of ours and not of the identity provider's.
    pub(crate) fn sso_refused(self, member: Option<MemberId>, reason: &'static str) -> Event {
        self.about("sso.refused", json!({ "member": member, "reason": reason }))
    }

    /// A session ended. `by` is `member`, `idp` or `admin`.
    pub(crate) fn logout(self, member: MemberId, by: &'static str) -> Event {
        self.about("sso.logout", json!({ "member": member, "by": by }))
    }

    /// A member was sent to a vendor, or to two officers.
    pub(crate) fn verification_started(
        self,
        member: MemberId,
        verification: VerificationId,
        vendor: &str,
        notice_version: &str,
    ) -> Event {
        self.about(
            "verification.started",
            json!({
                "member": member, "verification": verification, "vendor": vendor,
                "notice_version": notice_version,
            }),
        )
    }

    /// A vendor decided, or moved on without deciding.
    pub(crate) fn verification_decided(
        self,
        member: MemberId,
        verification: VerificationId,
        vendor: &str,
        outcome: &'static str,
    ) -> Event {
        self.about(
            "verification.decided",
            json!({
                "member": member, "verification": verification, "vendor": vendor,
                "outcome": outcome,
            }),
        )
    }

    /// An officer vouched. `approvals` counts this one.
    pub(crate) fn officer_vouched(self, member: MemberId, officer: MemberId) -> Event {
        self.about(
            "verification.vouched",
            json!({ "member": member, "officer": officer }),
        )
    }

    /// A webhook was taken and led to nothing: an event we do not know, or about nobody of ours.
    pub(crate) fn webhook_ignored(self, vendor: &str, reason: &'static str) -> Event {
        self.about(
            "webhook.ignored",
            json!({ "vendor": vendor, "reason": reason }),
        )
    }

    /// An attestation was made; `record` is the signed minimal record.
    pub(crate) fn attestation_created(
        self,
        member: MemberId,
        attestation: AttestationId,
        record: &Value,
    ) -> Event {
        self.about(
            "attestation.created",
            json!({ "member": member, "attestation": attestation, "record": record }),
        )
    }

    /// An attestation ended: `revoked`, `expired` or `replaced`.
    pub(crate) fn attestation_ended(
        self,
        member: MemberId,
        attestation: Option<AttestationId>,
        why: &'static str,
    ) -> Event {
        self.about(
            "attestation.ended",
            json!({ "member": member, "attestation": attestation, "why": why }),
        )
    }

    /// What a policy said about a member. A result, never an input.
    pub(crate) fn eligibility_decided(
        self,
        member: MemberId,
        gate: &Gate,
        result: &'static str,
    ) -> Event {
        self.about(
            "eligibility.decided",
            json!({
                "member": member, "policy": gate.policy(), "version": gate.version(),
                "result": result,
            }),
        )
    }

    /// The vendor was asked to redact.
    pub(crate) fn redaction_requested(self, member: MemberId, id: VerificationId) -> Event {
        self.about(
            "redaction.requested",
            json!({ "member": member, "verification": id }),
        )
    }

    /// The vendor's answers showed that the evidence is gone.
    pub(crate) fn redaction_confirmed(self, member: MemberId, id: VerificationId) -> Event {
        self.about(
            "redaction.confirmed",
            json!({ "member": member, "verification": id }),
        )
    }

    /// A member may not go on. `by` is an admin, or `None` for a rule.
    pub(crate) fn member_suspended(
        self,
        member: MemberId,
        by: Option<MemberId>,
        reason: &str,
    ) -> Event {
        self.about(
            "member.suspended",
            json!({ "member": member, "by": by, "reason": reason }),
        )
    }

    /// A member may go on again.
    pub(crate) fn member_reinstated(
        self,
        member: MemberId,
        by: Option<MemberId>,
        reason: Option<&str>,
    ) -> Event {
        self.about(
            "member.reinstated",
            with_reason(json!({ "member": member, "by": by }), reason),
        )
    }

    /// The directory took a member away. `why` is a code.
    pub(crate) fn member_left(self, member: MemberId, why: &'static str) -> Event {
        self.about("member.left", json!({ "member": member, "why": why }))
    }

    /// The directory gave a member back; it may sign in again.
    pub(crate) fn member_returned(self, member: MemberId) -> Event {
        self.about("member.returned", json!({ "member": member }))
    }

    /// The directory said something about somebody it lists.
    pub(crate) fn directory_user(self, user: UserId, act: &'static str) -> Event {
        self.about("directory.user", json!({ "user": user, "act": act }))
    }

    /// The directory said something about a group.
    pub(crate) fn directory_group(self, group: GroupId, act: &'static str) -> Event {
        self.about("directory.group", json!({ "group": group, "act": act }))
    }

    /// A bearer of the directory was made.
    pub(crate) fn bearer_made(self, expires: UnixMillis) -> Event {
        let fields = json!({ "act": "made", "expires": expires.to_string() });
        self.about("directory.bearer", fields)
    }

    /// A bearer of the directory was ended.
    pub(crate) fn bearer_ended(self, number: i64) -> Event {
        let fields = json!({ "act": "ended", "number": number });
        self.about("directory.bearer", fields)
    }

    /// A member was erased. The one event about it that stays readable: it names nobody any more.
    pub(crate) fn member_erased(
        self,
        member: MemberId,
        by: Option<MemberId>,
        reason: Option<&str>,
    ) -> Event {
        self.about(
            "member.erased",
            with_reason(json!({ "member": member, "by": by }), reason),
        )
    }

    /// Somebody opened a member's page in the console.
    pub(crate) fn member_viewed(self, member: MemberId, by: MemberId, role: Role) -> Event {
        self.about(
            "member.viewed",
            json!({ "member": member, "by": by, "role": role.as_str() }),
        )
    }

    /// A member took everything held about it along.
    pub(crate) fn member_exported(self, member: MemberId) -> Event {
        self.about("member.exported", json!({ "member": member }))
    }

    /// An administrator proposed what another must agree to.
    pub(crate) fn proposal_made(
        self,
        member: MemberId,
        by: MemberId,
        what: Undoing,
        reason: &str,
    ) -> Event {
        self.about(
            "proposal.made",
            json!({ "member": member, "by": by, "what": what.as_str(), "reason": reason }),
        )
    }

    /// A proposal was agreed to, or dropped.
    pub(crate) fn proposal_settled(
        self,
        member: MemberId,
        by: MemberId,
        verdict: &'static str,
    ) -> Event {
        self.about(
            "proposal.settled",
            json!({ "member": member, "by": by, "verdict": verdict }),
        )
    }

    /// A member objects to something.
    pub(crate) fn appeal_made(self, member: MemberId, about: Objection, ground: Ground) -> Event {
        self.about(
            "appeal.made",
            json!({ "member": member, "about": about.as_str(), "ground": ground.as_str() }),
        )
    }

    /// An appeal was answered.
    pub(crate) fn appeal_answered(self, member: MemberId, by: MemberId, reply: Reply) -> Event {
        self.about(
            "appeal.answered",
            json!({ "member": member, "by": by, "reply": reply.as_str() }),
        )
    }

    /// Somebody tried what a policy would do. `shown` is `counts` or `members`.
    pub(crate) fn policy_tried(self, by: MemberId, policy: &Name, shown: &'static str) -> Event {
        self.about(
            "policy.tried",
            json!({ "by": by, "policy": policy, "shown": shown }),
        )
    }

    /// Somebody searched the log. `asked` holds what of it was asked for.
    pub(crate) fn audit_searched(self, by: MemberId, asked: &Value) -> Event {
        self.about("audit.searched", json!({ "by": by, "asked": asked }))
    }

    /// A version of a policy was announced. Public.
    pub(crate) fn policy_adopted(
        self,
        policy: &Name,
        version: &Name,
        hash: &str,
        effective_from: UnixMillis,
    ) -> Event {
        Event::public(
            "policy.adopted",
            self.at,
            json!({
                "policy": policy, "version": version, "policy_hash": hash,
                "effective_from": effective_from.to_string(),
            }),
        )
    }

    /// A token-signing key was made. Public.
    pub(crate) fn key_created(self, kid: &str, not_before: UnixMillis, until: UnixMillis) -> Event {
        Event::public(
            "key.created",
            self.at,
            json!({
                "kid": kid, "purpose": "token",
                "not_before": not_before.to_string(), "signs_until": until.to_string(),
            }),
        )
    }
}

/// A code where one was given; whoever has the server's files gives none.
fn with_reason(mut fields: Value, reason: Option<&str>) -> Value {
    if let (Some(fields), Some(reason)) = (fields.as_object_mut(), reason) {
        fields.insert("reason".to_owned(), reason.into());
    }
    fields
}

/// Every type of event that this plane's log holds, in the order of the alphabet.
pub const TYPES: [&str; 35] = [
    "appeal.answered",
    "appeal.made",
    "attestation.created",
    "attestation.ended",
    "audit.exported",
    "audit.searched",
    "directory.bearer",
    "directory.group",
    "directory.user",
    "eligibility.decided",
    "grant.ended",
    "grants.ended",
    "key.created",
    "manifest",
    "member.erased",
    "member.exported",
    "member.left",
    "member.reinstated",
    "member.returned",
    "member.suspended",
    "member.viewed",
    "policy.adopted",
    "policy.tried",
    "proposal.made",
    "proposal.settled",
    "redaction.confirmed",
    "redaction.requested",
    "sso.login",
    "sso.logout",
    "sso.refused",
    "token.issued",
    "verification.decided",
    "verification.started",
    "verification.vouched",
    "webhook.ignored",
];

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;
    impl Randomness for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    #[test]
    fn an_event_is_canonical_and_says_what_and_when() {
        let scribe = Scribe {
            at: UnixMillis(1_763_632_800_123),
            randomness: &Fixed,
        };

        let event = scribe.logout(MemberId([0; 16]), "member");

        assert_eq!(
            event.text(),
            r#"{"at":"2025-11-20T10:00:00.123Z","by":"member","member":"mbr_aaaaaaaaaaaaaaaaaaaaaaaaaa","type":"sso.logout"}"#
        );
        assert_eq!(event.salt(), Some(&[7; 32]));
    }

    #[test]
    fn a_public_event_has_no_salt() {
        let event = Event::public("policy.adopted", UnixMillis(0), json!({}));

        assert_eq!(event.salt(), None);
    }
}
