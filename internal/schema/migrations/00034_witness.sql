-- +goose Up
-- A checkpoint names the one before it, so that none can be taken out unseen. Those that were
-- signed before name none.
ALTER TABLE log_checkpoint ADD COLUMN previous bigint;
COMMENT ON COLUMN log_checkpoint.previous IS 'the size of the checkpoint that was signed before this one';
