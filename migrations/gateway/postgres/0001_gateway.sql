-- One row a request: the intent before a byte leaves, the outcome when it is over.
CREATE TABLE journal (
    id             BYTEA   NOT NULL PRIMARY KEY,         -- 16 bytes: the ULID the caller gets in bauta-request
    replica        BYTEA   NOT NULL,                     -- 16 random bytes: the process that answers for it
    grant_sub      TEXT    NOT NULL,                     -- the grant's random pseudonym; never derived from a member
    scope          TEXT    NOT NULL,                     -- scope name
    dialect        TEXT    NOT NULL,                     -- anthropic, openai or gemini
    route          TEXT    NOT NULL,                     -- which of our routes was asked; never the path as sent
    model          TEXT    NOT NULL,                     -- the model asked for, as configuration names it; empty when refused before it was known
    gate           TEXT,                                 -- policy@version that opened the model; null when it is not gated
    targets        TEXT    NOT NULL,                     -- upstream/model in the order tried, separated by blanks
    started_at     BIGINT  NOT NULL,                     -- milliseconds since 1970
    window_start   BIGINT,                               -- milliseconds since 1970: the budget window that holds; null without a budget
    held           BIGINT  NOT NULL,                     -- micro-dollars set aside: an upper bound of the cost
    outcome        TEXT,                                 -- how it ended; null while it runs
    reason         TEXT,                                 -- stable code of a refusal; null otherwise
    status         BIGINT,                               -- HTTP status sent to the caller
    upstream       TEXT,                                 -- who answered
    served_model   TEXT,                                 -- the model that answered, as the upstream names it
    input_tokens   BIGINT,                               -- tokens read, without cached ones
    output_tokens  BIGINT,                               -- tokens written
    cache_read     BIGINT,                               -- tokens read from the provider's cache
    cache_write    BIGINT,                               -- tokens written to the provider's cache
    charged        BIGINT,                               -- micro-dollars
    ended_at       BIGINT,                               -- milliseconds since 1970
    intent_logged  BOOLEAN NOT NULL,                      -- whether the intent is a leaf of the log
    outcome_logged BOOLEAN NOT NULL                      -- whether the outcome is
);

CREATE INDEX journal_grant ON journal (grant_sub, started_at);
CREATE INDEX journal_open ON journal (replica) WHERE outcome IS NULL;
CREATE INDEX journal_intent ON journal (id) WHERE NOT intent_logged;
CREATE INDEX journal_outcome ON journal (id) WHERE NOT outcome_logged AND outcome IS NOT NULL;

-- What a grant has spent and set aside in one window of its budget.
CREATE TABLE spending (
    grant_sub    TEXT    NOT NULL,                       -- the grant's random pseudonym
    window_start BIGINT  NOT NULL,                       -- milliseconds since 1970
    held         BIGINT  NOT NULL,                       -- micro-dollars set aside by requests that still run
    spent        BIGINT  NOT NULL,                       -- micro-dollars charged
    PRIMARY KEY (grant_sub, window_start)
);

-- Processes that answer for open rows of the journal.
CREATE TABLE replica (
    id          BYTEA   NOT NULL PRIMARY KEY,            -- 16 random bytes, new at each start
    lease_until BIGINT  NOT NULL                         -- milliseconds since 1970; past it the open rows are closed as unknown
);

-- Requests refused before a token was known, counted and not listed: a flood must not fill the disk.
CREATE TABLE turned_away (
    minute BIGINT  NOT NULL,                             -- milliseconds since 1970, rounded down to a minute
    reason TEXT    NOT NULL,                             -- stable code
    n      BIGINT  NOT NULL,                             -- how many
    logged BIGINT  NOT NULL,                             -- how many of them a leaf of the log counts
    PRIMARY KEY (minute, reason)
);

-- What the identity plane broadcast, until it is of no use.
CREATE TABLE heard (
    seq          BIGINT  NOT NULL PRIMARY KEY,           -- number in the feed, from 1 without a gap
    notice       TEXT    NOT NULL,                       -- JSON as broadcast: token ids, pseudonyms, gate versions
    forget_after BIGINT                                  -- milliseconds since 1970; null: until a later notice replaces it
);

-- How far the feed was followed: one row.
CREATE TABLE feed (
    id       BIGINT  NOT NULL PRIMARY KEY CHECK (id = 1), -- always 1
    seq      BIGINT  NOT NULL,                           -- number of the last notice applied
    page_at  BIGINT  NOT NULL,                           -- milliseconds since 1970: when the newest page was signed, by the identity plane's clock
    manifest TEXT                                        -- the manifest in force, with its proof
);
