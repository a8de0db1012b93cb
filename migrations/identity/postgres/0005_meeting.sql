-- Codes that members show to officers in person: half an hour, one for each member.
CREATE TABLE meeting_code (
    member     BYTEA NOT NULL PRIMARY KEY REFERENCES member (id) ON DELETE CASCADE, -- who shows it
    code       BYTEA NOT NULL UNIQUE, -- 32 bytes: keyed hash of the code
    expires_at BIGINT NOT NULL -- milliseconds since 1970
);

-- Wrong codes that officers typed: ten in ten minutes, then a pause.
CREATE TABLE meeting_miss (
    officer BYTEA NOT NULL REFERENCES member (id) ON DELETE CASCADE, -- who typed it
    at      BIGINT NOT NULL -- milliseconds since 1970
);
CREATE INDEX meeting_miss_officer ON meeting_miss (officer, at);
