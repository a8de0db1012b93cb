-- Who looked at a member's page in the console. The member sees it; gone after 400 days.
CREATE TABLE member_look (
    member    BLOB    NOT NULL REFERENCES member (id) ON DELETE CASCADE, -- at whom
    looker    BLOB    NOT NULL REFERENCES member (id) ON DELETE CASCADE, -- who looked
    role      TEXT    NOT NULL CHECK (role IN ('admin', 'officer', 'auditor')), -- as what
    looked_at INTEGER NOT NULL, -- milliseconds since 1970
    PRIMARY KEY (member, looker, looked_at)
) STRICT;

-- What one administrator proposes and another must agree to. Gone when settled or lapsed.
CREATE TABLE proposal (
    member      BLOB    NOT NULL PRIMARY KEY REFERENCES member (id) ON DELETE CASCADE, -- about whom
    what        TEXT    NOT NULL CHECK (what IN ('reinstate', 'erase')), -- what is to be done
    reason      TEXT    NOT NULL, -- why: a code
    proposer    BLOB    NOT NULL REFERENCES member (id) ON DELETE CASCADE, -- who proposes it, and may not agree to it
    proposed_at INTEGER NOT NULL, -- milliseconds since 1970
    expires_at  INTEGER NOT NULL -- milliseconds since 1970 when it lapses
) STRICT;

-- What members object to: choices from a list, never prose. Gone 400 days after the answer.
CREATE TABLE appeal (
    member      BLOB    NOT NULL PRIMARY KEY REFERENCES member (id) ON DELETE CASCADE, -- who objects
    about       TEXT    NOT NULL CHECK (about IN ('declined', 'closed', 'record')), -- to what, as one of three choices
    ground      TEXT    NOT NULL CHECK (ground IN ('mistaken', 'changed', 'person')), -- why, as one of three choices
    made_at     INTEGER NOT NULL, -- milliseconds since 1970
    reply       TEXT    CHECK (reply IN ('again', 'meet', 'stands')), -- what was answered
    answered_at INTEGER -- milliseconds since 1970
) STRICT;
