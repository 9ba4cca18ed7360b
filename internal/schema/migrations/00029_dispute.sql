-- +goose Up
CREATE TABLE dispute (
  id          uuid        NOT NULL,
  checkout_id uuid        NOT NULL,
  provider    text        NOT NULL,
  ref         text        NOT NULL,
  payment     text        NOT NULL,
  amount_fen  bigint      NOT NULL,
  beyond_fen  bigint      NOT NULL,
  currency    text        NOT NULL,
  reason      text        NOT NULL,
  state       text        NOT NULL,
  opened_at   timestamptz NOT NULL,
  heard_at    timestamptz NOT NULL,
  due_by      timestamptz,
  closed_at   timestamptz,
  CONSTRAINT dispute_pkey PRIMARY KEY (id),
  CONSTRAINT dispute_once UNIQUE (provider, ref),
  CONSTRAINT dispute_amount CHECK (amount_fen > 0 AND beyond_fen BETWEEN 0 AND amount_fen),
  CONSTRAINT dispute_state_known CHECK (state IN ('open', 'won', 'lost')),
  CONSTRAINT dispute_closed_when_closed CHECK ((state = 'open') = (closed_at IS NULL))
);
CREATE INDEX dispute_open ON dispute (checkout_id) WHERE state = 'open';
CREATE INDEX dispute_newest ON dispute (heard_at DESC, id DESC);
COMMENT ON TABLE dispute IS 'home: shared. A payment that a buyer''s bank has taken back, or a part of it, as the provider told of it.';

CREATE TABLE dispute_part (
  merchant_id  uuid    NOT NULL,
  id           uuid    NOT NULL,
  dispute_id   uuid    NOT NULL,
  order_id     uuid    NOT NULL,
  goods_fen    bigint  NOT NULL,
  shipping_fen bigint  NOT NULL,
  matured      boolean NOT NULL,
  CONSTRAINT dispute_part_pkey PRIMARY KEY (merchant_id, id),
  CONSTRAINT dispute_part_once UNIQUE (merchant_id, dispute_id, order_id),
  CONSTRAINT dispute_part_amounts CHECK (goods_fen >= 0 AND shipping_fen >= 0 AND goods_fen + shipping_fen > 0)
);
CREATE INDEX dispute_part_of ON dispute_part (dispute_id);
COMMENT ON TABLE dispute_part IS 'home: merchant. What is disputed of one order; matured: its tenth was free when the dispute was opened.';
CREATE TRIGGER dispute_part_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON dispute_part FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE dispute_part ENABLE ALWAYS TRIGGER dispute_part_append_only;

CREATE TRIGGER dispute_state_moves BEFORE UPDATE OF state ON dispute FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION state_moves('open>won', 'open>lost');
CREATE TRIGGER dispute_state_begins BEFORE INSERT ON dispute FOR EACH ROW WHEN (NEW.state <> 'open') EXECUTE FUNCTION state_begins();
ALTER TABLE dispute ENABLE ALWAYS TRIGGER dispute_state_moves, ENABLE ALWAYS TRIGGER dispute_state_begins;

GRANT SELECT, INSERT ON dispute, dispute_part TO shiyi_app;
GRANT UPDATE (state, closed_at) ON dispute TO shiyi_app;
