-- +goose Up
CREATE TABLE request (
  caller     uuid        NOT NULL,
  operation  text        NOT NULL,
  key        text        NOT NULL,
  hash       bytea       NOT NULL,
  claimed_at timestamptz NOT NULL,
  status     integer,
  body       bytea,
  CONSTRAINT request_pkey PRIMARY KEY (caller, operation, key),
  CONSTRAINT request_key_length CHECK (length(key) BETWEEN 1 AND 255),
  CONSTRAINT request_hash_is_sha256 CHECK (length(hash) = 32),
  CONSTRAINT request_answer_is_whole CHECK ((status IS NULL) = (body IS NULL))
);
CREATE INDEX request_claimed_at ON request (claimed_at);
COMMENT ON TABLE request IS 'home: buyer. What was answered to a request with an Idempotency-Key; kept 30 days.';
GRANT SELECT, INSERT, UPDATE, DELETE ON request TO shiyi_app;
