//! The refusals that are known, most telling first.
//!
//! Sources, as of 2026-12-01: the error types of the official SDKs and the providers' own pages for
//! codes; for sentences, public reports by people who met them (anthropics/claude-code #88505,
//! microsoft/vscode #260670, continuedev/continue #9779, danny-avila/LibreChat #7323). Providers
//! reword sentences at any time; a code is the stable part.

use super::{Explanation, Reach};
use crate::dialect::Dialect;

/// One way to know a refusal.
pub(super) struct Row {
    pub(super) dialect: Dialect,
    pub(super) sign: Sign,
    pub(super) explanation: Explanation,
}

/// Where a refusal says what it is.
pub(super) enum Sign {
    /// `error.details.error_code`.
    Detail(&'static str),
    /// `error.code`.
    Code(&'static str),
    /// `error.param`.
    Param(&'static str),
    /// `reason` of the first of `error.details` that has one.
    Reason(&'static str),
    /// `error.type`, and the whole of `error.message`.
    Sentence {
        kind: &'static str,
        whole: &'static str,
    },
    /// `error.status`, and the whole of `error.message`.
    Status {
        status: &'static str,
        sentences: &'static [&'static str],
    },
    /// How `error.message` begins. Shuts no upstream.
    Start(&'static str),
    /// What stands somewhere in `error.message`. Shuts no upstream.
    Words(&'static [&'static str]),
}

const fn row(dialect: Dialect, sign: Sign, explanation: Explanation) -> Row {
    Row {
        dialect,
        sign,
        explanation,
    }
}

const fn anthropic(detail: &'static str, explanation: Explanation) -> Row {
    row(Dialect::Anthropic, Sign::Detail(detail), explanation)
}

const VERIFICATION: Explanation = Explanation {
    code: "anthropic_verification_required",
    reach: Reach::Upstream,
    bars: true,
    cause: "Anthropic asks the holder of the account behind this key to prove who they are.",
    owner: "the holder of that Anthropic account",
    next: "Sign in to the Anthropic account that owns the key and verify there, or give the \
           upstream a key of an account that is verified. Bauta cannot do this for anybody.",
};

const SPENT: Explanation = Explanation {
    code: "anthropic_spend_limit",
    reach: Reach::Upstream,
    bars: false,
    cause: "The organisation has reached a spending limit, or its billing is unavailable.",
    owner: "whoever pays for the Anthropic organisation",
    next: "Raise the limit or mend the billing in the Anthropic console. No request is answered \
           there before that.",
};

const PROFILE: Explanation = Explanation {
    code: "anthropic_user_profile",
    reach: Reach::Request,
    bars: true,
    cause: "Anthropic asks for a profile of the end user, or knows none by the id that was sent.",
    owner: "the administrator of the gateway",
    next: "Ask Anthropic whether the organisation has to create user profiles; the gateway sends \
           none.",
};

const ORGANISATION: Explanation = Explanation {
    code: "openai_organization_verification",
    reach: Reach::Model,
    bars: true,
    cause: "OpenAI opens this model, its streams or its reasoning summaries to verified \
            organisations only, and this one is not.",
    owner: "the owner of the OpenAI organisation",
    next: "Verify the organisation in OpenAI's settings; it takes up to 15 minutes to be known. \
           The same request without `stream` or without a reasoning summary may be answered \
           meanwhile.",
};

const PLACE: Explanation = Explanation {
    code: "gemini_unsupported_location",
    reach: Reach::Upstream,
    bars: true,
    cause: "Google does not serve the place that this gateway's address is in.",
    owner: "whoever runs the gateway's network, with the legal department",
    next: "Find out whether the organisation may use the API at all. If it may, let the gateway \
           leave from a supported place or link a billing account.",
};

/// The code of [`KEY`], by which the next key is tried.
pub(super) const GEMINI_KEY: &str = "gemini_key_refused";

const KEY: Explanation = Explanation {
    code: GEMINI_KEY,
    reach: Reach::Upstream,
    bars: false,
    cause: "Google does not take the gateway's key.",
    owner: "the administrator of the gateway",
    next: "Put a valid key where the upstream's credential is read from.",
};

/// This gateway's own.
pub(super) static OWN: Explanation = Explanation {
    code: "bauta_gate",
    reach: Reach::Request,
    bars: true,
    cause: "The organisation opens this model to members who satisfy a policy, and the token's \
            owner does not satisfy it (yet), or has not signed in since.",
    owner: "the member who asked",
    next: "Open the link at the end of the message, verify once, and sign in again.",
};

/// Every refusal that is known.
pub(super) static TABLE: &[Row] = &[
    anthropic("verification_required", VERIFICATION),
    row(
        Dialect::Anthropic,
        Sign::Sentence {
            kind: "invalid_request_error",
            whole: "Identity verification is required to continue.",
        },
        VERIFICATION,
    ),
    anthropic(
        "organization_on_hold",
        Explanation {
            code: "anthropic_organization_on_hold",
            reach: Reach::Upstream,
            bars: true,
            cause: "Anthropic's trust and safety team has put the organisation on hold.",
            owner: "the owner of the Anthropic organisation",
            next: "Read the mail from Anthropic and appeal where it says; find the member by the \
                   pseudonym it names.",
        },
    ),
    row(
        Dialect::Anthropic,
        Sign::Sentence {
            kind: "forbidden",
            whole: "Request not allowed",
        },
        Explanation {
            code: "anthropic_unsupported_place",
            reach: Reach::Upstream,
            bars: true,
            cause: "Anthropic's edge refuses this gateway's address: an unsupported region, or a \
                    network that is blocked.",
            owner: "whoever runs the gateway's network, with the legal department",
            next: "Find out whether the organisation may use the API at all. If it may, let the \
                   gateway leave from a supported place.",
        },
    ),
    anthropic(
        "account_session_invalid",
        Explanation {
            code: "anthropic_session_invalid",
            reach: Reach::Upstream,
            bars: false,
            cause: "The credential belongs to a consumer's session, and that session is over.",
            owner: "the administrator of the gateway",
            next: "Give the upstream an API key of the organisation; a consumer's session is no \
                   credential for a gateway.",
        },
    ),
    anthropic(
        "claude_code_key_creator_not_member",
        Explanation {
            code: "anthropic_key_creator_left",
            reach: Reach::Upstream,
            bars: false,
            cause: "Whoever made this key is no longer a member of the organisation.",
            owner: "an administrator of the Anthropic organisation",
            next: "Make a new key and put it where the upstream's credential is read from.",
        },
    ),
    anthropic("linked_organization_spend_limit_reached", SPENT),
    anthropic("linked_organization_billing_unavailable", SPENT),
    anthropic("contract_spend_limit_reached", SPENT),
    anthropic("enforced_spend_limit_reached", SPENT),
    anthropic(
        "ramp_limit_exceeded",
        Explanation {
            code: "anthropic_ramp_limit",
            reach: Reach::Model,
            bars: false,
            cause: "The organisation's traffic grows faster than Anthropic lets it.",
            owner: "nobody: it passes",
            next: "Wait, or ask Anthropic for a higher limit.",
        },
    ),
    anthropic(
        "workspace_policy_violation",
        Explanation {
            code: "anthropic_workspace_policy",
            reach: Reach::Model,
            bars: true,
            cause: "The workspace of this key does not allow the model or the feature.",
            owner: "an administrator of the Anthropic organisation",
            next: "Allow it in the workspace, or give the upstream a key of another workspace.",
        },
    ),
    anthropic(
        "organization_not_enrolled_in_beta",
        Explanation {
            code: "anthropic_beta_not_enrolled",
            reach: Reach::Request,
            bars: false,
            cause: "The client asked for a beta that the organisation is not enrolled in.",
            owner: "an administrator of the Anthropic organisation",
            next: "Enrol, or switch the beta off in the client \
                   (CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS=1).",
        },
    ),
    anthropic(
        "claude_code_version_too_old",
        Explanation {
            code: "anthropic_client_too_old",
            reach: Reach::Request,
            bars: false,
            cause: "This version of Claude Code is no longer served.",
            owner: "the member who asked",
            next: "Update Claude Code.",
        },
    ),
    anthropic("user_profile_required", PROFILE),
    anthropic("user_profile_not_found", PROFILE),
    anthropic("user_profile_billing_not_authorized", PROFILE),
    anthropic("user_profile_not_billable", PROFILE),
    row(
        Dialect::Anthropic,
        Sign::Words(&["user_id", "email"]),
        Explanation {
            code: "anthropic_email_in_user_id",
            reach: Reach::Request,
            bars: false,
            cause: "Something that looks like an e-mail address stood in `metadata.user_id`.",
            owner: "whoever maintains the gateway",
            next: "Report it: the gateway replaces that field, so this must not happen.",
        },
    ),
    row(
        Dialect::OpenAi,
        Sign::Code("unsupported_country_region_territory"),
        Explanation {
            code: "openai_unsupported_country",
            reach: Reach::Upstream,
            bars: true,
            cause: "OpenAI does not serve the place that this gateway's address is in.",
            owner: "whoever runs the gateway's network, with the legal department",
            next: "Find out whether the organisation may use the API at all. If it may, let the \
                   gateway leave from a supported place.",
        },
    ),
    row(
        Dialect::OpenAi,
        Sign::Start("Your organization must be verified to "),
        ORGANISATION,
    ),
    row(
        Dialect::OpenAi,
        Sign::Param("access_programs.cyber"),
        Explanation {
            code: "openai_program_not_entitled",
            reach: Reach::Model,
            bars: true,
            cause: "The request needs an access programme that the organisation is not in.",
            owner: "the organisation's contact for that programme",
            next: "Apply for the programme at OpenAI; there is no second try and no appeal, so \
                   read the conditions first.",
        },
    ),
    row(
        Dialect::OpenAi,
        Sign::Code("insufficient_quota"),
        Explanation {
            code: "openai_quota",
            reach: Reach::Upstream,
            bars: false,
            cause: "The OpenAI organisation has nothing left to spend.",
            owner: "whoever pays for the OpenAI organisation",
            next: "Add credit or raise the limit in OpenAI's billing settings.",
        },
    ),
    row(
        Dialect::OpenAi,
        Sign::Code("invalid_api_key"),
        Explanation {
            code: "openai_key_refused",
            reach: Reach::Upstream,
            bars: false,
            cause: "OpenAI does not take the gateway's key.",
            owner: "the administrator of the gateway",
            next: "Put a valid key where the upstream's credential is read from.",
        },
    ),
    row(
        Dialect::Gemini,
        Sign::Status {
            status: "FAILED_PRECONDITION",
            sentences: &[
                "User location is not supported for the API use.",
                "User location is not supported for the API use without a billing account linked.",
            ],
        },
        PLACE,
    ),
    row(Dialect::Gemini, Sign::Reason("API_KEY_INVALID"), KEY),
    row(
        Dialect::Gemini,
        Sign::Status {
            status: "INVALID_ARGUMENT",
            sentences: &["API key not valid. Please pass a valid API key."],
        },
        KEY,
    ),
];
