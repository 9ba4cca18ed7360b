-- +goose Up
-- A checkpoint names the one before it, so that none can be taken out unseen. Those that were
-- signed before name none.
ALTER TABLE log_checkpoint ADD COLUMN previous bigint;
COMMENT ON COLUMN log_checkpoint.previous IS 'the size of the checkpoint that was signed before this one';

CREATE TABLE cosignature (
  signer      text        NOT NULL,
  size        bigint      NOT NULL,
  witness     text        NOT NULL,
  line        text        NOT NULL,
  cosigned_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL,
  CONSTRAINT cosignature_pkey PRIMARY KEY (signer, size, witness),
  CONSTRAINT cosignature_checkpoint_fkey FOREIGN KEY (signer, size) REFERENCES log_checkpoint (signer, size),
  CONSTRAINT cosignature_is_one_line CHECK (line ~ '^— [^ ]+ [A-Za-z0-9+/=]+$' AND length(line) <= 1000)
);
CREATE INDEX cosignature_by_witness ON cosignature (witness, signer, size DESC);
COMMENT ON TABLE cosignature IS 'home: shared. What witnesses have said of our checkpoints, c2sp.org/tlog-cosignature: one signature line each.';
COMMENT ON COLUMN cosignature.cosigned_at IS 'by the clock of the witness';
CREATE TRIGGER cosignature_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON cosignature FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE cosignature ENABLE ALWAYS TRIGGER cosignature_append_only;
GRANT SELECT, INSERT ON cosignature TO shiyi_app;
