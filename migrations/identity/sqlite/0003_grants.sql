-- What a member was given: one row for each sign-in of a tool and each labelled token.
CREATE TABLE member_grant (
    id           BLOB    NOT NULL PRIMARY KEY,           -- 32 bytes: keyed hash of the random name that its tokens and the gateway know it by
    holder       BLOB    NOT NULL,                       -- 32 bytes: keyed hash of the member id, so that all of a member's grants are found with the key
    handle       BLOB    NOT NULL,                       -- member id and name of the grant, encrypted under the KEK and bound to this row
    label        BLOB,                                   -- chosen by the member, encrypted under the KEK and bound to this row; null for a sign-in
    client       TEXT    NOT NULL,                       -- kind of client: one of a few constants
    scope        TEXT    NOT NULL,                       -- what its tokens may be used for
    made_on      INTEGER NOT NULL,                       -- day since 1970
    refreshed_on INTEGER NOT NULL,                       -- day since 1970 of its newest token
    ends_at      INTEGER NOT NULL,                       -- milliseconds since 1970: no token of it lives longer
    live_until   INTEGER NOT NULL,                       -- milliseconds since 1970: when its newest token expires
    ended_at     INTEGER                                 -- milliseconds since 1970; null while it is in force
) STRICT;
CREATE INDEX member_grant_holder ON member_grant (holder);

-- The refresh tokens of a grant, spent ones too: a spent one that comes back ends the grant.
CREATE TABLE refresh_token (
    hash     BLOB    NOT NULL PRIMARY KEY,               -- 32 bytes: keyed hash of the token
    grant_id BLOB    NOT NULL REFERENCES member_grant (id) ON DELETE CASCADE, -- its grant
    spent_at INTEGER                                     -- milliseconds since 1970; null while it may be used
) STRICT;
CREATE INDEX refresh_token_grant ON refresh_token (grant_id);

-- Device logins that wait for a person (RFC 8628). Gone after ten minutes.
CREATE TABLE device_code (
    hash       BLOB    NOT NULL PRIMARY KEY,             -- 32 bytes: keyed hash of the device code
    user_hash  BLOB    NOT NULL UNIQUE,                  -- 32 bytes: keyed hash of the code a person types
    surface    TEXT    NOT NULL,                         -- what asks, by its own account: at most 32 of a-z, 0-9 and '_'
    network    BLOB    NOT NULL,                         -- 32 bytes: keyed hash of the coarse network it came from; compared and counted, never read
    scope      TEXT,                                     -- asked for; null leaves the choice to the member
    asked_at   INTEGER NOT NULL,                         -- milliseconds since 1970
    expires_at INTEGER NOT NULL,                         -- milliseconds since 1970
    polled_at  INTEGER,                                  -- milliseconds since 1970 of the last poll
    wait_s     INTEGER NOT NULL,                         -- seconds the client must wait between polls; grows by five when it does not
    state      TEXT    NOT NULL CHECK (state IN ('waiting', 'allowed', 'denied')), -- what the person said
    holder     BLOB,                                     -- 32 bytes: keyed hash of the id of the member who allowed it
    handle     BLOB                                      -- that member id, encrypted under the KEK and bound to this row
) STRICT;
CREATE INDEX device_code_holder ON device_code (holder);

-- Codes a member typed on the device page: ten in ten minutes, then a pause.
CREATE TABLE code_attempt (
    holder BLOB    NOT NULL,                             -- 32 bytes: keyed hash of the member id
    at     INTEGER NOT NULL                              -- milliseconds since 1970
) STRICT;
CREATE INDEX code_attempt_holder ON code_attempt (holder, at);

-- Authorization codes (RFC 6749, section 4.1). Sixty seconds, used once.
CREATE TABLE auth_code (
    hash       BLOB    NOT NULL PRIMARY KEY,             -- 32 bytes: keyed hash of the code
    challenge  BLOB    NOT NULL,                         -- 32 bytes: SHA-256 of the verifier (RFC 7636)
    redirect   TEXT    NOT NULL,                         -- where it was sent: http, loopback, /callback
    client     TEXT    NOT NULL,                         -- kind of client: one of a few constants
    scope      TEXT    NOT NULL,                         -- what was consented to
    holder     BLOB    NOT NULL,                         -- 32 bytes: keyed hash of the member id
    handle     BLOB    NOT NULL,                         -- the member id, encrypted under the KEK and bound to this row
    expires_at INTEGER NOT NULL,                         -- milliseconds since 1970
    grant_id   BLOB                                      -- the grant made from it; null while unused. A second use ends that grant
) STRICT;
CREATE INDEX auth_code_holder ON auth_code (holder);

-- Members whose pseudonym does not change with the epoch, because they or their provider account are suspended.
CREATE TABLE held_pseudonym (
    holder   BLOB    NOT NULL,                           -- 32 bytes: keyed hash of the member id
    provider TEXT    NOT NULL,                           -- name of the provider
    epoch    INTEGER NOT NULL,                           -- the epoch whose pseudonym stays, by its first day since 1970
    why      TEXT    NOT NULL CHECK (why IN ('suspended', 'deactivated')), -- suspended here, or by the provider for good
    PRIMARY KEY (holder, provider)
) STRICT;

-- What the gateway was told. Names no member.
CREATE TABLE published_notice (
    seq   INTEGER NOT NULL PRIMARY KEY,                  -- from 1 on, without a gap
    body  TEXT    NOT NULL,                              -- the notice as JSON; a token or grant is blanked once its tokens have expired
    until INTEGER                                        -- milliseconds since 1970 when the token or grant in it may be blanked; null when there is none
) STRICT;

-- The manifests that were put into the log, by their place in it.
CREATE TABLE published_manifest (
    idx  INTEGER NOT NULL PRIMARY KEY,                   -- leaf index
    body TEXT    NOT NULL                                -- the canonical text: exactly the bytes of the leaf
) STRICT;
