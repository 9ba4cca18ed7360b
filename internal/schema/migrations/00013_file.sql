-- +goose Up
CREATE TABLE file (
  id          uuid        NOT NULL,
  owner_id    uuid        NOT NULL,
  name        text        NOT NULL,
  media_type  text        NOT NULL,
  size        bigint      NOT NULL,
  sha256      bytea       NOT NULL,
  from_sha256 bytea       NOT NULL,
  width       integer     NOT NULL,
  height      integer     NOT NULL,
  private     boolean     NOT NULL,
  created_at  timestamptz NOT NULL,
  CONSTRAINT file_pkey PRIMARY KEY (id),
  CONSTRAINT file_once UNIQUE (owner_id, from_sha256, private),
  CONSTRAINT file_name_length CHECK (length(name) BETWEEN 1 AND 200),
  CONSTRAINT file_media_type_known CHECK (media_type IN ('image/jpeg', 'image/png', 'application/pdf')),
  CONSTRAINT file_size_positive CHECK (size > 0),
  CONSTRAINT file_sha256_length CHECK (length(sha256) = 32 AND length(from_sha256) = 32),
  CONSTRAINT file_dimensions CHECK (width >= 0 AND height >= 0 AND (width = 0) = (height = 0))
);
CREATE INDEX file_owner ON file (owner_id, created_at);
CREATE TRIGGER file_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON file FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE file ENABLE ALWAYS TRIGGER file_append_only;
COMMENT ON TABLE file IS 'home: shared. What was uploaded: its bytes lie in the store under its id, this says what they are. width and height are pixels, 0 for what is no picture. sha256 is of the bytes as they are kept, from_sha256 as they came.';

CREATE TABLE file_link (
  token_hash bytea       NOT NULL,
  file_id    uuid        NOT NULL,
  reader_id  uuid        NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  CONSTRAINT file_link_pkey PRIMARY KEY (token_hash),
  CONSTRAINT file_link_file_fkey FOREIGN KEY (file_id) REFERENCES file (id),
  CONSTRAINT file_link_hash_length CHECK (length(token_hash) = 32),
  CONSTRAINT file_link_expires_later CHECK (expires_at > created_at)
);
CREATE INDEX file_link_expiry ON file_link (expires_at);
COMMENT ON TABLE file_link IS 'home: shared. Who may read a private file until when, by the SHA-256 of a random token. Forgotten a month after it expired.';

GRANT SELECT, INSERT ON file TO shiyi_app;
GRANT SELECT, INSERT, DELETE ON file_link TO shiyi_app;
