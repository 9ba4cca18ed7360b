-- +goose Up
-- The public log. A leaf waits in log_pending, in the transaction of what it
-- tells, until the one sequencer gives it the next number.
CREATE TABLE log_pending (
  home        uuid        NOT NULL,
  transfer_id uuid        NOT NULL,
  leaf        bytea       NOT NULL,
  queued_at   timestamptz NOT NULL,
  CONSTRAINT log_pending_pkey PRIMARY KEY (home, transfer_id),
  CONSTRAINT log_pending_leaf_fits CHECK (octet_length(leaf) BETWEEN 1 AND 65535)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
COMMENT ON TABLE log_pending IS 'home: merchant, or fund. Leaves that have no number yet; only the sequencer deletes.';

CREATE TABLE log_entry (
  index       bigint NOT NULL,
  home        uuid   NOT NULL,
  transfer_id uuid   NOT NULL,
  leaf        bytea  NOT NULL,
  CONSTRAINT log_entry_pkey PRIMARY KEY (index),
  CONSTRAINT log_entry_once UNIQUE (home, transfer_id),
  CONSTRAINT log_entry_index_positive CHECK (index >= 0),
  CONSTRAINT log_entry_leaf_fits CHECK (octet_length(leaf) BETWEEN 1 AND 65535)
);
COMMENT ON TABLE log_entry IS 'home: shared. The leaves of the public log, numbered from 0 without a gap.';

CREATE TABLE log_tile (
  level smallint NOT NULL,
  n     bigint   NOT NULL,
  data  bytea    NOT NULL,
  CONSTRAINT log_tile_pkey PRIMARY KEY (level, n),
  CONSTRAINT log_tile_level CHECK (level BETWEEN 0 AND 7),
  CONSTRAINT log_tile_width CHECK (octet_length(data) BETWEEN 32 AND 8192 AND octet_length(data) % 32 = 0)
);
ALTER TABLE log_tile ALTER COLUMN data SET STORAGE EXTERNAL;
COMMENT ON TABLE log_tile IS 'home: shared. Hashes of the tree, up to 256 a row as c2sp.org/tlog-tiles cuts them; a narrower tile is a prefix of the row.';

CREATE TABLE log_state (
  one  boolean NOT NULL DEFAULT true,
  size bigint  NOT NULL,
  root bytea   NOT NULL,
  CONSTRAINT log_state_pkey PRIMARY KEY (one),
  CONSTRAINT log_state_one_row CHECK (one),
  CONSTRAINT log_state_size_positive CHECK (size >= 0),
  CONSTRAINT log_state_root_is_sha256 CHECK (octet_length(root) = 32)
);
COMMENT ON TABLE log_state IS 'home: shared. Size and root of the tree; its one row is the sequencer''s lock.';
INSERT INTO log_state (size, root) VALUES (0, sha256(''));

CREATE TABLE log_checkpoint (
  signer    text        NOT NULL,
  size      bigint      NOT NULL,
  root      bytea       NOT NULL,
  note      text        NOT NULL,
  signed_at timestamptz NOT NULL,
  CONSTRAINT log_checkpoint_pkey PRIMARY KEY (signer, size),
  CONSTRAINT log_checkpoint_size_positive CHECK (size >= 0),
  CONSTRAINT log_checkpoint_root_is_sha256 CHECK (octet_length(root) = 32)
);
COMMENT ON TABLE log_checkpoint IS 'home: shared. What was signed and may have been seen by anybody: c2sp.org/tlog-checkpoint.';

-- Written history stays: entries and checkpoints are only added, a tile only
-- grows at its end, the tree only grows.
CREATE TRIGGER log_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log_entry FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER log_checkpoint_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log_checkpoint FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER log_tile_append_only BEFORE DELETE OR TRUNCATE ON log_tile FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER log_state_append_only BEFORE DELETE OR TRUNCATE ON log_state FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- +goose StatementBegin
CREATE FUNCTION log_tile_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.level <> OLD.level OR NEW.n <> OLD.n OR substr(NEW.data, 1, octet_length(OLD.data)) <> OLD.data THEN
    RAISE EXCEPTION 'tile %/% is refused: its hashes do not change', OLD.level, OLD.n
      USING ERRCODE = 'restrict_violation', CONSTRAINT = 'log_tile_grows';
  END IF;
  RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER log_tile_grows BEFORE UPDATE ON log_tile FOR EACH ROW EXECUTE FUNCTION log_tile_grows();

-- +goose StatementBegin
CREATE FUNCTION log_state_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.size <= OLD.size THEN
    RAISE EXCEPTION 'a tree of % leaves is refused: it had %', NEW.size, OLD.size
      USING ERRCODE = 'restrict_violation', CONSTRAINT = 'log_state_grows';
  END IF;
  RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER log_state_grows BEFORE UPDATE ON log_state FOR EACH ROW EXECUTE FUNCTION log_state_grows();

ALTER TABLE log_entry ENABLE ALWAYS TRIGGER log_entry_append_only;
ALTER TABLE log_checkpoint ENABLE ALWAYS TRIGGER log_checkpoint_append_only;
ALTER TABLE log_tile ENABLE ALWAYS TRIGGER log_tile_append_only, ENABLE ALWAYS TRIGGER log_tile_grows;
ALTER TABLE log_state ENABLE ALWAYS TRIGGER log_state_append_only, ENABLE ALWAYS TRIGGER log_state_grows;

GRANT SELECT, INSERT ON log_pending TO shiyi_app;
GRANT SELECT ON log_entry, log_tile, log_state, log_checkpoint TO shiyi_app;
GRANT SELECT, DELETE ON log_pending TO shiyi_sequencer;
GRANT SELECT, INSERT ON log_entry, log_checkpoint TO shiyi_sequencer;
GRANT SELECT, INSERT, UPDATE ON log_tile TO shiyi_sequencer;
GRANT SELECT, UPDATE ON log_state TO shiyi_sequencer;
