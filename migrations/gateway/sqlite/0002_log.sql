CREATE TABLE leaf (
    idx   INTEGER NOT NULL PRIMARY KEY,                  -- place in the log, from 0
    hash  BLOB    NOT NULL,                              -- 32 bytes: SHA-256(0x00, salt, event)
    salt  BLOB,                                          -- 32 bytes; null for public events and after erasure
    event TEXT                                           -- canonical JSON; null after erasure
) STRICT;

CREATE TABLE tree_node (
    level INTEGER NOT NULL,                              -- 1 to 63: a complete subtree of 2^level leaves
    idx   INTEGER NOT NULL,                              -- place in the level, from 0
    hash  BLOB    NOT NULL,                              -- 32 bytes of SHA-256
    PRIMARY KEY (level, idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoint (
    size      INTEGER NOT NULL PRIMARY KEY,              -- leaves covered
    root      BLOB    NOT NULL,                          -- 32 bytes: the tree's head over them
    note      TEXT    NOT NULL,                          -- the signed note
    signed_at INTEGER NOT NULL                           -- milliseconds since 1970
) STRICT;
