CREATE TABLE leaf (
    idx   BIGINT  NOT NULL PRIMARY KEY,                  -- place in the log, from 0
    hash  BYTEA   NOT NULL,                              -- 32 bytes: SHA-256(0x00, salt, event)
    salt  BYTEA,                                          -- 32 bytes; null for public events and after erasure
    event TEXT                                           -- canonical JSON; null after erasure
);

CREATE TABLE tree_node (
    level BIGINT  NOT NULL,                              -- 1 to 63: a complete subtree of 2^level leaves
    idx   BIGINT  NOT NULL,                              -- place in the level, from 0
    hash  BYTEA   NOT NULL,                              -- 32 bytes of SHA-256
    PRIMARY KEY (level, idx)
);

CREATE TABLE checkpoint (
    size      BIGINT  NOT NULL PRIMARY KEY,              -- leaves covered
    root      BYTEA   NOT NULL,                          -- 32 bytes: the tree's head over them
    note      TEXT    NOT NULL,                          -- the signed note
    signed_at BIGINT  NOT NULL                           -- milliseconds since 1970
);
