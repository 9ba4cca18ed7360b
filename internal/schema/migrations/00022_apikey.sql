-- +goose Up
CREATE VIEW seller AS
  SELECT g.account_id, g.merchant_id FROM role_grant g JOIN account a ON a.id = g.account_id
  WHERE g.role = 'merchant' AND a.state = 'active';
COMMENT ON VIEW seller IS 'Who sells for which enterprise at present: the one thing of identity that statements of others join.';

CREATE TABLE api_key (
  merchant_id  uuid        NOT NULL,
  id           uuid        NOT NULL,
  name         text        NOT NULL,
  prefix       text        NOT NULL,
  key_hash     bytea       NOT NULL,
  scopes       text[]      NOT NULL,
  made_by      uuid        NOT NULL,
  created_at   timestamptz NOT NULL,
  expires_at   timestamptz NOT NULL,
  last_used_at timestamptz,
  revoked_at   timestamptz,
  CONSTRAINT api_key_pkey PRIMARY KEY (merchant_id, id),
  CONSTRAINT api_key_hash_is_sha256 CHECK (length(key_hash) = 32),
  CONSTRAINT api_key_name_length CHECK (length(name) BETWEEN 1 AND 64),
  CONSTRAINT api_key_prefix_form CHECK (prefix ~ '^shy_live_[A-Za-z0-9_-]{8}$'),
  CONSTRAINT api_key_has_scopes CHECK (cardinality(scopes) BETWEEN 1 AND 32),
  CONSTRAINT api_key_expires_within_a_year CHECK (expires_at > created_at AND expires_at <= created_at + interval '366 days')
);
CREATE UNIQUE INDEX api_key_by_hash ON api_key (key_hash);
COMMENT ON TABLE api_key IS 'home: merchant. What an enterprise''s own systems sign in with; only the SHA-256 of a key is kept, and its beginning to know it again.';

GRANT SELECT ON seller TO shiyi_app;
GRANT SELECT, INSERT ON api_key TO shiyi_app;
GRANT UPDATE (last_used_at, revoked_at) ON api_key TO shiyi_app;
