-- +goose Up
CREATE TABLE provider_entry (
  provider   text        NOT NULL,
  ref        text        NOT NULL,
  type       text        NOT NULL,
  thing      text        NOT NULL,
  key        text        NOT NULL,
  payment    text        NOT NULL,
  row_id     uuid,
  amount_fen bigint      NOT NULL,
  fee_fen    bigint      NOT NULL,
  currency   text        NOT NULL,
  at         timestamptz NOT NULL,
  CONSTRAINT provider_entry_pkey PRIMARY KEY (provider, ref)
);
CREATE INDEX provider_entry_at ON provider_entry (at);
CREATE INDEX provider_entry_key ON provider_entry (thing, key);
COMMENT ON TABLE provider_entry IS 'home: shared. What moved our balance at the provider, as it says; key is its name of the payment, refund, transfer, … that thing says it is.';
CREATE TRIGGER provider_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON provider_entry FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE provider_entry ENABLE ALWAYS TRIGGER provider_entry_append_only;

CREATE TABLE reconciliation (
  day        date        NOT NULL,
  ran_at     timestamptz NOT NULL,
  entries    bigint      NOT NULL,
  amount_fen bigint      NOT NULL,
  fee_fen    bigint      NOT NULL,
  open       bigint      NOT NULL,
  CONSTRAINT reconciliation_pkey PRIMARY KEY (day)
);
COMMENT ON TABLE reconciliation IS 'home: shared. The last comparison of a day (Asia/Shanghai) with the provider: its entries, their sums, and the breaks of the day that are open.';

CREATE TABLE recon_break (
  id           uuid        NOT NULL,
  day          date        NOT NULL,
  kind         text        NOT NULL,
  object       text        NOT NULL,
  expected_li  bigint      NOT NULL,
  found_li     bigint      NOT NULL,
  state        text        NOT NULL,
  owner_id     uuid,
  resolution   text        NOT NULL DEFAULT '',
  resolved_by  uuid,
  found_at     timestamptz NOT NULL,
  resolved_at  timestamptz,
  CONSTRAINT recon_break_pkey PRIMARY KEY (id),
  CONSTRAINT recon_break_once UNIQUE (kind, object),
  CONSTRAINT recon_break_state_known CHECK (state IN ('open', 'resolved')),
  CONSTRAINT recon_break_resolved CHECK ((state = 'resolved') = (resolved_at IS NOT NULL) AND (state = 'open' OR length(resolution) BETWEEN 1 AND 500))
);
CREATE INDEX recon_break_by_state ON recon_break (state, id);
COMMENT ON TABLE recon_break IS 'home: shared. A difference between the provider, our records and the book, who answers for it, and how it was resolved.';
CREATE TRIGGER recon_break_state_moves BEFORE UPDATE OF state ON recon_break FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION state_moves('open>resolved', 'resolved>open');
CREATE TRIGGER recon_break_state_begins BEFORE INSERT ON recon_break FOR EACH ROW WHEN (NEW.state <> 'open') EXECUTE FUNCTION state_begins();
ALTER TABLE recon_break ENABLE ALWAYS TRIGGER recon_break_state_moves, ENABLE ALWAYS TRIGGER recon_break_state_begins;

GRANT SELECT, INSERT ON provider_entry, reconciliation, recon_break TO shiyi_app;
GRANT UPDATE (ran_at, entries, amount_fen, fee_fen, open) ON reconciliation TO shiyi_app;
GRANT UPDATE (state, owner_id, resolution, resolved_by, resolved_at, found_at, expected_li, found_li) ON recon_break TO shiyi_app;
