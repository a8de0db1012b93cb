-- One row a request: the intent before a byte leaves, the outcome when it is over.
CREATE TABLE journal (
    id             BLOB    NOT NULL PRIMARY KEY,         -- 16 bytes: the ULID the caller gets in bauta-request
    replica        BLOB    NOT NULL,                     -- 16 random bytes: the process that answers for it
    grant_sub      TEXT    NOT NULL,                     -- the grant's random pseudonym; never derived from a member
    scope          TEXT    NOT NULL,                     -- scope name
    dialect        TEXT    NOT NULL,                     -- anthropic, openai or gemini
    route          TEXT    NOT NULL,                     -- which of our routes was asked; never the path as sent
    model          TEXT    NOT NULL,                     -- the model asked for, as configuration names it; empty when refused before it was known
    gate           TEXT,                                 -- policy@version that opened the model; null when it is not gated
    targets        TEXT    NOT NULL,                     -- upstream/model in the order tried, separated by blanks
    started_at     INTEGER NOT NULL,                     -- milliseconds since 1970
    window_start   INTEGER,                              -- milliseconds since 1970: the budget window that holds; null without a budget
    held           INTEGER NOT NULL,                     -- micro-dollars set aside: an upper bound of the cost
    outcome        TEXT,                                 -- how it ended; null while it runs
    reason         TEXT,                                 -- stable code of a refusal; null otherwise
    status         INTEGER,                              -- HTTP status sent to the caller
    upstream       TEXT,                                 -- who answered
    served_model   TEXT,                                 -- the model that answered, as the upstream names it
    input_tokens   INTEGER,                              -- tokens read, without cached ones
    output_tokens  INTEGER,                              -- tokens written
    cache_read     INTEGER,                              -- tokens read from the provider's cache
    cache_write    INTEGER,                              -- tokens written to the provider's cache
    charged        INTEGER,                              -- micro-dollars
    ended_at       INTEGER,                              -- milliseconds since 1970
    intent_logged  INTEGER NOT NULL CHECK (intent_logged IN (0, 1)),  -- whether the intent is a leaf of the log
    outcome_logged INTEGER NOT NULL CHECK (outcome_logged IN (0, 1)) -- whether the outcome is
) STRICT, WITHOUT ROWID;

CREATE INDEX journal_grant ON journal (grant_sub, started_at);
CREATE INDEX journal_open ON journal (replica) WHERE outcome IS NULL;
CREATE INDEX journal_intent ON journal (id) WHERE NOT intent_logged;
CREATE INDEX journal_outcome ON journal (id) WHERE NOT outcome_logged AND outcome IS NOT NULL;

-- What a grant has spent and set aside in one window of its budget.
CREATE TABLE spending (
    grant_sub    TEXT    NOT NULL,                       -- the grant's random pseudonym
    window_start INTEGER NOT NULL,                       -- milliseconds since 1970
    held         INTEGER NOT NULL,                       -- micro-dollars set aside by requests that still run
    spent        INTEGER NOT NULL,                       -- micro-dollars charged
    PRIMARY KEY (grant_sub, window_start)
) STRICT, WITHOUT ROWID;

-- Processes that answer for open rows of the journal.
CREATE TABLE replica (
    id          BLOB    NOT NULL PRIMARY KEY,            -- 16 random bytes, new at each start
    lease_until INTEGER NOT NULL                         -- milliseconds since 1970; past it the open rows are closed as unknown
) STRICT;

-- Requests refused before a token was known, counted and not listed: a flood must not fill the disk.
CREATE TABLE turned_away (
    minute INTEGER NOT NULL,                             -- milliseconds since 1970, rounded down to a minute
    reason TEXT    NOT NULL,                             -- stable code
    n      INTEGER NOT NULL,                             -- how many
    logged INTEGER NOT NULL,                             -- how many of them a leaf of the log counts
    PRIMARY KEY (minute, reason)
) STRICT, WITHOUT ROWID;

-- What the identity plane broadcast, until it is of no use.
CREATE TABLE heard (
    seq          INTEGER NOT NULL PRIMARY KEY,           -- number in the feed, from 1 without a gap
    notice       TEXT    NOT NULL,                       -- JSON as broadcast: token ids, pseudonyms, gate versions
    forget_after INTEGER                                 -- milliseconds since 1970; null: until a later notice replaces it
) STRICT;

-- How far the feed was followed: one row.
CREATE TABLE feed (
    id       INTEGER NOT NULL PRIMARY KEY CHECK (id = 1), -- always 1
    seq      INTEGER NOT NULL,                           -- number of the last notice applied
    page_at  INTEGER NOT NULL,                           -- milliseconds since 1970: when the newest page was signed, by the identity plane's clock
    manifest TEXT                                        -- the manifest in force, with its proof
) STRICT;
