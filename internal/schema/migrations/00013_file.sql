-- +goose Up
CREATE TABLE file (
  id         uuid        NOT NULL,
  owner_id   uuid        NOT NULL,
  name       text        NOT NULL,
  media_type text        NOT NULL,
  size       bigint      NOT NULL,
  sha256     bytea       NOT NULL,
  width      integer     NOT NULL,
  height     integer     NOT NULL,
  private    boolean     NOT NULL,
  created_at timestamptz NOT NULL,
  CONSTRAINT file_pkey PRIMARY KEY (id),
  CONSTRAINT file_name_length CHECK (length(name) BETWEEN 1 AND 200),
  CONSTRAINT file_size_positive CHECK (size > 0),
  CONSTRAINT file_sha256_length CHECK (length(sha256) = 32),
  CONSTRAINT file_dimensions CHECK (width >= 0 AND height >= 0 AND (width = 0) = (height = 0))
);
CREATE TRIGGER file_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON file FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE file ENABLE ALWAYS TRIGGER file_append_only;
COMMENT ON TABLE file IS 'home: shared. What was uploaded: its bytes lie in the store under its id, this says what they are. width and height are pixels, 0 for what is no picture.';
GRANT SELECT, INSERT ON file TO shiyi_app;
