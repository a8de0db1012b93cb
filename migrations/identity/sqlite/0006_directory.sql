-- What the directory says of the people it listed (SCIM): may go on, or not. Also of those it deleted,
-- so that a leaver does not come back by being forgotten.
CREATE TABLE directory_word (
    subject BLOB   NOT NULL PRIMARY KEY, -- 32 bytes: keyed hash of Argon2id of the directory's id, as join_hash of member
    active  INTEGER NOT NULL CHECK (active IN (0, 1)) -- whether the person may go on; false also after the directory deleted it
) STRICT;

-- People that the directory lists. No name, no address, no time.
CREATE TABLE directory_user (
    id        BLOB   NOT NULL PRIMARY KEY, -- 16 bytes: random; what the directory calls it by here
    subject   BLOB   NOT NULL UNIQUE REFERENCES directory_word (subject), -- 32 bytes: keyed hash of Argon2id of the attribute that sso.scim_subject names
    user_name BLOB   NOT NULL UNIQUE, -- 32 bytes: keyed hash of Argon2id of the userName, by which the directory looks it up
    external  BLOB,                   -- 32 bytes: keyed hash of Argon2id of the externalId, by which the directory looks it up
    names     BLOB,                   -- userName and externalId, encrypted under a key of their own and bound to this row; only with scim.accept_email, else null
    version   INTEGER  NOT NULL         -- counts changes, for the directory's ETags
) STRICT;
CREATE INDEX directory_user_external ON directory_user (external);

-- Groups that the directory pushes.
CREATE TABLE directory_group (
    id       BLOB   NOT NULL PRIMARY KEY, -- 16 bytes: random; what the directory calls it by here
    name     BLOB   NOT NULL UNIQUE, -- 32 bytes: keyed hash of the displayName; compared with the names in the configuration
    external BLOB,                   -- 32 bytes: keyed hash of the externalId, by which the directory looks it up
    names    BLOB,                   -- displayName and externalId, encrypted under a key of their own and bound to this row; only with scim.accept_email, else null
    version  INTEGER  NOT NULL         -- counts changes, for the directory's ETags
) STRICT;
CREATE INDEX directory_group_external ON directory_group (external);

-- Who is in which.
CREATE TABLE directory_membership (
    group_id BLOB   NOT NULL REFERENCES directory_group (id) ON DELETE CASCADE, -- 16 bytes: which group
    user_id  BLOB   NOT NULL REFERENCES directory_user (id) ON DELETE CASCADE, -- 16 bytes: who
    PRIMARY KEY (group_id, user_id)
) STRICT;
CREATE INDEX directory_membership_user ON directory_membership (user_id);

-- Bearers that the directory shows. Two at most, so that one can follow the other.
CREATE TABLE directory_bearer (
    number     INTEGER  NOT NULL PRIMARY KEY, -- what an administrator calls it by
    hash       BLOB   NOT NULL UNIQUE, -- 32 bytes: keyed hash of the token
    made_on    INTEGER  NOT NULL, -- day since 1970
    expires_at INTEGER  NOT NULL, -- milliseconds since 1970
    used_on    INTEGER            -- day since 1970 of its last use; null before the first
) STRICT;

ALTER TABLE member ADD COLUMN left_on INTEGER; -- day since 1970 on which the directory took the member away; null while it has not
