-- Sign-ins under way are bounded by network: whoever only opens /login fills no table.
ALTER TABLE login_attempt ADD COLUMN network BYTEA; -- 32 bytes: keyed hash of the coarse network it came from, counted and never read; null when that is not known
CREATE INDEX login_attempt_network ON login_attempt (network, expires_at);
CREATE INDEX login_attempt_expires_at ON login_attempt (expires_at);
