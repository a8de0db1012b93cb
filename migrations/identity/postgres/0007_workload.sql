-- Tokens of builds' platforms that were exchanged (RFC 8693): each opens something once. Gone when neither it nor what it gave is good any more.
CREATE TABLE workload_token (
    token    BYTEA   NOT NULL PRIMARY KEY,               -- 32 bytes: keyed hash of issuer and token id
    rule     BYTEA   NOT NULL,                           -- 32 bytes: keyed hash of the rule of the configuration that it satisfied
    grant_id BYTEA   NOT NULL,                           -- 32 bytes: the grant that it gave
    until    BIGINT  NOT NULL                            -- milliseconds since 1970 after which it may be forgotten
);
