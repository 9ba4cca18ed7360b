-- +goose Up
CREATE TABLE publication (
  id         uuid        NOT NULL,
  kind       text        NOT NULL,
  title_zh   text        NOT NULL,
  title_en   text        NOT NULL,
  media_type text        NOT NULL,
  body       bytea       NOT NULL,
  digest     bytea       NOT NULL,
  at         timestamptz NOT NULL,
  CONSTRAINT publication_pkey PRIMARY KEY (id),
  CONSTRAINT publication_kind_form CHECK (kind ~ '^[a-z][a-z_]{0,31}$'),
  CONSTRAINT publication_title_length CHECK (length(title_zh) BETWEEN 1 AND 200 AND length(title_en) BETWEEN 1 AND 200),
  CONSTRAINT publication_media_type_form CHECK (media_type ~ '^[a-z]+/[a-z0-9.+-]{1,100}$'),
  CONSTRAINT publication_body_fits CHECK (octet_length(body) BETWEEN 1 AND 16777216),
  CONSTRAINT publication_digest_is_of_the_body CHECK (digest = sha256(body))
);
CREATE INDEX publication_by_kind ON publication (kind, id);
COMMENT ON TABLE publication IS 'home: fund. What was published, byte for byte; the digest of each is a leaf of the public log.';
CREATE TRIGGER publication_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON publication FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE publication ENABLE ALWAYS TRIGGER publication_append_only;
GRANT SELECT, INSERT ON publication TO shiyi_app;
