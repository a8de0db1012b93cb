-- Members. No name, no address, nothing a directory could be searched by without the pepper.
CREATE TABLE member (
    id          BLOB    NOT NULL PRIMARY KEY,            -- 16 bytes: random
    tag         BLOB    NOT NULL UNIQUE,                 -- 32 bytes: HMAC under the pepper of Argon2id of the sign-in; the pepper is not in the database
    pepper_from INTEGER NOT NULL,                        -- number of the pepper the tag was first made with
    pepper_to   INTEGER NOT NULL,                        -- number of the pepper it was last wrapped with
    subject     BLOB    NOT NULL,                        -- 32 bytes: keyed hash of Argon2id of the subject that logout tokens name
    join_hash   BLOB,                                    -- 32 bytes: keyed hash of Argon2id of the directory's id, by which a leaver is found
    state       TEXT    NOT NULL CHECK (state IN ('active', 'suspended')), -- whether the member may go on
    reason      TEXT,                                    -- why not: a code
    rights      TEXT    NOT NULL,                        -- JSON: roles and scopes that the groups opened at the last sign-in; the groups are not kept
    joined_on   INTEGER NOT NULL,                        -- day since 1970 of the first sign-in
    signed_in_on INTEGER NOT NULL                        -- day since 1970 of the last sign-in
) STRICT;
CREATE INDEX member_join ON member (join_hash);
CREATE INDEX member_subject ON member (subject);

-- Sign-ins under way. Gone after ten minutes or when they come back.
CREATE TABLE login_attempt (
    state      BLOB    NOT NULL PRIMARY KEY,             -- 32 bytes: keyed hash of the state parameter
    browser    BLOB    NOT NULL,                         -- 32 bytes: keyed hash of the browser's login cookie
    return_to  TEXT    NOT NULL,                         -- local path to go to afterwards
    expires_at INTEGER NOT NULL                          -- milliseconds since 1970
) STRICT;

-- Browsers that are signed in.
CREATE TABLE session (
    id           BLOB    NOT NULL PRIMARY KEY,           -- 32 bytes: keyed hash of the cookie
    member       BLOB    NOT NULL REFERENCES member (id) ON DELETE CASCADE, -- whose
    idp_session  BLOB,                                   -- 32 bytes: keyed hash of the identity provider's session id, for back-channel logout
    signed_in_at INTEGER NOT NULL,                       -- milliseconds since 1970
    used_at      INTEGER NOT NULL,                       -- milliseconds since 1970, to the minute: an idle session ends
    expires_at   INTEGER NOT NULL                        -- milliseconds since 1970
) STRICT;
CREATE INDEX session_member ON session (member);
CREATE INDEX session_idp_session ON session (idp_session);

-- Logout tokens that were used. Gone when they would be too old anyway.
CREATE TABLE logout_token (
    jti   BLOB    NOT NULL PRIMARY KEY,                  -- 32 bytes: keyed hash of the token's id
    until INTEGER NOT NULL                               -- milliseconds since 1970 after which it may be forgotten
) STRICT;

-- Attempts to verify. What the vendor holds is found through them until it is redacted.
CREATE TABLE verification (
    id             BLOB    NOT NULL PRIMARY KEY,         -- 16 bytes: random
    member         BLOB    NOT NULL REFERENCES member (id) ON DELETE CASCADE, -- whose
    vendor         TEXT    NOT NULL,                     -- kind of the verifier
    state          TEXT    NOT NULL CHECK (state IN ('started', 'submitted', 'review', 'approved', 'declined', 'expired')), -- how far it came
    lookup         BLOB    NOT NULL UNIQUE,              -- 32 bytes: keyed hash of the vendor's session id
    reference      BLOB    NOT NULL UNIQUE,              -- 32 bytes: keyed hash of the random reference given to the vendor
    vendor_session BLOB,                                 -- the vendor's session id, encrypted under the KEK and bound to this row; null once redaction is confirmed
    notice_version TEXT    NOT NULL,                     -- which privacy notice the member agreed to
    last_event     INTEGER NOT NULL,                     -- milliseconds since 1970 by the vendor's clock: events are never taken backwards
    began_at       INTEGER NOT NULL,                     -- milliseconds since 1970; attempts of a day are counted
    attestation    BLOB,                                 -- 16 bytes: what it led to
    redaction      TEXT    NOT NULL CHECK (redaction IN ('due', 'requested', 'confirmed')), -- where redaction at the vendor stands
    redaction_at   INTEGER NOT NULL,                     -- milliseconds since 1970: when it is due, or was requested or confirmed
    look_at        INTEGER                               -- milliseconds since 1970 when redaction is looked at next; null when there is nothing to do
) STRICT;
CREATE INDEX verification_member ON verification (member);
CREATE INDEX verification_look ON verification (look_at);

-- Vendor sessions of members that were erased: still to be redacted, no longer anybody's.
CREATE TABLE orphan_session (
    id             BLOB    NOT NULL PRIMARY KEY,         -- 16 bytes: the attempt's random id
    vendor         TEXT    NOT NULL,                     -- kind of the verifier
    vendor_session BLOB    NOT NULL,                     -- the vendor's session id, encrypted under the KEK and bound to the attempt
    requested      INTEGER NOT NULL CHECK (requested IN (0, 1)), -- whether redaction was asked for
    look_at        INTEGER NOT NULL                      -- milliseconds since 1970 when it is looked at next
) STRICT;

-- Vendor events that were taken, so that a repeated one has one effect. Gone after eight days.
CREATE TABLE vendor_event (
    id      BLOB    NOT NULL PRIMARY KEY,                -- 32 bytes: keyed hash of vendor and event id
    seen_at INTEGER NOT NULL                             -- milliseconds since 1970
) STRICT;

-- What is attested. Results only.
CREATE TABLE attestation (
    id          BLOB    NOT NULL PRIMARY KEY,            -- 16 bytes: random
    member      BLOB    NOT NULL REFERENCES member (id) ON DELETE CASCADE, -- about whom
    state       TEXT    NOT NULL CHECK (state IN ('valid', 'revoked', 'replaced', 'expired')), -- whether it counts
    verified_on INTEGER NOT NULL,                        -- day since 1970: the first of the month of the check
    expires_on  INTEGER NOT NULL,                        -- day since 1970: the last of a month, never after the document's own expiry
    record      TEXT    NOT NULL,                        -- canonical JSON: vendor, method, predicates, results per policy version, commitment; no subject
    signature   BLOB    NOT NULL                         -- 64 bytes: Ed25519 over the member id and the record
) STRICT;
CREATE INDEX attestation_member ON attestation (member);

-- Nonces of evidence commitments, kept apart: deleting one makes its commitment noise.
CREATE TABLE evidence_nonce (
    attestation BLOB    NOT NULL PRIMARY KEY REFERENCES attestation (id) ON DELETE CASCADE, -- whose
    nonce       BLOB    NOT NULL                         -- 32 bytes: random
) STRICT;

-- Officers who vouched for a member in person and wait for a second one.
CREATE TABLE vouching (
    member     BLOB    NOT NULL REFERENCES member (id) ON DELETE CASCADE, -- about whom
    officer    BLOB    NOT NULL REFERENCES member (id) ON DELETE CASCADE, -- by whom
    vouched_at INTEGER NOT NULL,                         -- milliseconds since 1970
    PRIMARY KEY (member, officer)
) STRICT;

-- Versions of policies that were announced. Public.
CREATE TABLE policy_version (
    policy         TEXT    NOT NULL,                     -- its name
    version        TEXT    NOT NULL,                     -- its version
    hash           BLOB    NOT NULL,                     -- 32 bytes: SHA-256 of the canonical rule
    body           TEXT    NOT NULL,                     -- the canonical rule: an older one stays in force until a newer one takes effect
    effective_from INTEGER NOT NULL,                     -- milliseconds since 1970
    adopted_at     INTEGER NOT NULL,                     -- milliseconds since 1970
    PRIMARY KEY (policy, version)
) STRICT;

-- Keys that sign tokens.
CREATE TABLE signing_key (
    kid         BLOB    NOT NULL PRIMARY KEY,            -- 32 bytes: SHA-256 of the public half
    sealed      BLOB    NOT NULL,                        -- the 32-byte seed, encrypted under the KEK and bound to this row
    not_before  INTEGER NOT NULL,                        -- milliseconds since 1970: signs from here on
    signs_until INTEGER NOT NULL,                        -- milliseconds since 1970: signs no more
    not_after   INTEGER NOT NULL                         -- milliseconds since 1970: its last token has expired; the row goes
) STRICT;

-- What each key outside the database looks like, so that a wrong file is found at start.
CREATE TABLE fingerprint (
    name  TEXT    NOT NULL PRIMARY KEY,                  -- which key
    value BLOB    NOT NULL                               -- 32 bytes: keyed hash of nothing, or the organisation's salt for tags
) STRICT;

-- Events on their way into the log, written with their effect.
CREATE TABLE pending_event (
    seq   INTEGER NOT NULL PRIMARY KEY,                  -- order of arrival
    salt  BLOB,                                          -- 32 bytes; null for public events
    event TEXT    NOT NULL                               -- canonical JSON
) STRICT;

-- Erased members whose last events were still on their way into the log.
CREATE TABLE erasure (
    member    TEXT    NOT NULL PRIMARY KEY,              -- the random id, as events write it; goes when the log is scrubbed
    erased_at INTEGER NOT NULL                           -- milliseconds since 1970
) STRICT;
