-- What the directory says of the people it listed (SCIM): may go on, or not. Also of those it deleted,
-- so that a leaver does not come back by being forgotten.
CREATE TABLE directory_word (
    subject BYTEA   NOT NULL PRIMARY KEY, -- 32 bytes: keyed hash of Argon2id of the directory's id, as join_hash of member
    active  BOOLEAN NOT NULL              -- whether the person may go on; false also after the directory deleted it
);

-- People that the directory lists. No name, no address, no time.
CREATE TABLE directory_user (
    id        BYTEA   NOT NULL PRIMARY KEY, -- 16 bytes: random; what the directory calls it by here
    subject   BYTEA   NOT NULL UNIQUE REFERENCES directory_word (subject), -- 32 bytes: keyed hash of Argon2id of the attribute that sso.scim_subject names
    user_name BYTEA   NOT NULL UNIQUE, -- 32 bytes: keyed hash of Argon2id of the userName, by which the directory looks it up
    external  BYTEA,                   -- 32 bytes: keyed hash of Argon2id of the externalId, by which the directory looks it up
    names     BYTEA,                   -- userName and externalId, encrypted under a key of their own and bound to this row; only with scim.accept_email, else null
    version   BIGINT  NOT NULL         -- counts changes, for the directory's ETags
);
CREATE INDEX directory_user_external ON directory_user (external);

-- Groups that the directory pushes.
CREATE TABLE directory_group (
    id       BYTEA   NOT NULL PRIMARY KEY, -- 16 bytes: random; what the directory calls it by here
    name     BYTEA   NOT NULL UNIQUE, -- 32 bytes: keyed hash of the displayName; compared with the names in the configuration
    external BYTEA,                   -- 32 bytes: keyed hash of the externalId, by which the directory looks it up
    names    BYTEA,                   -- displayName and externalId, encrypted under a key of their own and bound to this row; only with scim.accept_email, else null
    version  BIGINT  NOT NULL         -- counts changes, for the directory's ETags
);
CREATE INDEX directory_group_external ON directory_group (external);

-- Who is in which.
CREATE TABLE directory_membership (
    group_id BYTEA   NOT NULL REFERENCES directory_group (id) ON DELETE CASCADE, -- 16 bytes: which group
    user_id  BYTEA   NOT NULL REFERENCES directory_user (id) ON DELETE CASCADE, -- 16 bytes: who
    PRIMARY KEY (group_id, user_id)
);
CREATE INDEX directory_membership_user ON directory_membership (user_id);

-- Bearers that the directory shows. Two at most, so that one can follow the other.
CREATE TABLE directory_bearer (
    number     BIGINT  NOT NULL PRIMARY KEY, -- what an administrator calls it by
    hash       BYTEA   NOT NULL UNIQUE, -- 32 bytes: keyed hash of the token
    made_on    BIGINT  NOT NULL, -- day since 1970
    expires_at BIGINT  NOT NULL, -- milliseconds since 1970
    used_on    BIGINT            -- day since 1970 of its last use; null before the first
);

ALTER TABLE member ADD COLUMN left_on BIGINT; -- day since 1970 on which the directory took the member away; null while it has not
