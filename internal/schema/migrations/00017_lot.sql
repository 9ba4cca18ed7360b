-- +goose Up
-- What was received is somewhere: still here, withdrawn, sold, or lost.
CREATE TABLE lot (
  merchant_id      uuid        NOT NULL,
  id               uuid        NOT NULL,
  sku_id           uuid        NOT NULL,
  code             text        NOT NULL,
  made_on          date,
  best_before      date,
  certificate_kind text        NOT NULL,
  certificate_no   text        NOT NULL,
  file_ids         uuid[]      NOT NULL,
  received         bigint      NOT NULL,
  remaining        bigint      NOT NULL,
  withdrawn        bigint      NOT NULL,
  drawn            bigint      NOT NULL,
  lost             bigint      NOT NULL,
  received_by      uuid        NOT NULL,
  received_at      timestamptz NOT NULL,
  stopped_at       timestamptz,
  CONSTRAINT lot_pkey PRIMARY KEY (merchant_id, id),
  CONSTRAINT lot_once UNIQUE (merchant_id, sku_id, code),
  CONSTRAINT lot_stock_fkey FOREIGN KEY (merchant_id, sku_id) REFERENCES stock (merchant_id, sku_id),
  CONSTRAINT lot_code_length CHECK (length(code) BETWEEN 1 AND 64),
  CONSTRAINT lot_days CHECK (made_on <= best_before),
  CONSTRAINT lot_certificate CHECK (certificate_kind IN ('', 'conformity', 'inspection', 'quarantine', 'import') AND (certificate_kind = '') = (certificate_no = '')),
  CONSTRAINT lot_certificate_length CHECK (length(certificate_no) <= 64 AND cardinality(file_ids) <= 10),
  CONSTRAINT lot_received_positive CHECK (received > 0),
  CONSTRAINT lot_not_negative CHECK (remaining >= 0 AND withdrawn >= 0 AND drawn >= 0 AND lost >= 0),
  CONSTRAINT lot_whole CHECK (received = remaining + withdrawn + drawn + lost)
);
CREATE INDEX lot_sku ON lot (merchant_id, sku_id, id);
CREATE INDEX lot_expiry ON lot (best_before) WHERE remaining > 0;
COMMENT ON TABLE lot IS 'home: merchant. A lot of one SKU as it was received, and where its pieces are: remaining counts in stock, withdrawn was recalled or has expired, drawn was sold, lost was adjusted away.';

CREATE TABLE lot_draw (
  merchant_id uuid        NOT NULL,
  order_id    uuid        NOT NULL,
  lot_id      uuid        NOT NULL,
  sku_id      uuid        NOT NULL,
  qty         bigint      NOT NULL,
  returned    bigint      NOT NULL,
  at          timestamptz NOT NULL,
  CONSTRAINT lot_draw_pkey PRIMARY KEY (merchant_id, lot_id, order_id),
  CONSTRAINT lot_draw_lot_fkey FOREIGN KEY (merchant_id, lot_id) REFERENCES lot (merchant_id, id),
  CONSTRAINT lot_draw_qty_positive CHECK (qty > 0),
  CONSTRAINT lot_draw_returned CHECK (returned BETWEEN 0 AND qty)
);
CREATE INDEX lot_draw_order ON lot_draw (merchant_id, order_id);
COMMENT ON TABLE lot_draw IS 'home: merchant. The lots that a paid order was served from, first expired first out, and what came back of them.';

GRANT SELECT, INSERT ON lot TO shiyi_app;
GRANT UPDATE (remaining, withdrawn, drawn, lost, stopped_at) ON lot TO shiyi_app;
GRANT SELECT, INSERT ON lot_draw TO shiyi_app;
GRANT UPDATE (returned) ON lot_draw TO shiyi_app;

CREATE TABLE recall (
  merchant_id uuid        NOT NULL,
  id          uuid        NOT NULL,
  lot_id      uuid        NOT NULL,
  sku_id      uuid        NOT NULL,
  lot_code    text        NOT NULL,
  level       smallint    NOT NULL,
  reason      text        NOT NULL,
  notice      text        NOT NULL,
  stopped     bigint      NOT NULL,
  state       text        NOT NULL,
  opened_by   uuid        NOT NULL,
  opened_at   timestamptz NOT NULL,
  result      text        NOT NULL,
  closed_by   uuid,
  closed_at   timestamptz,
  CONSTRAINT recall_pkey PRIMARY KEY (merchant_id, id),
  CONSTRAINT recall_once UNIQUE (merchant_id, lot_id),
  CONSTRAINT recall_lot_fkey FOREIGN KEY (merchant_id, lot_id) REFERENCES lot (merchant_id, id),
  CONSTRAINT recall_level CHECK (level BETWEEN 1 AND 3),
  CONSTRAINT recall_texts CHECK (length(reason) BETWEEN 2 AND 500 AND length(notice) BETWEEN 10 AND 2000 AND length(result) <= 2000),
  CONSTRAINT recall_stopped CHECK (stopped >= 0),
  CONSTRAINT recall_state CHECK (state IN ('open', 'closed')),
  CONSTRAINT recall_closed CHECK ((state = 'closed') = (closed_at IS NOT NULL AND closed_by IS NOT NULL AND length(result) >= 2))
);
CREATE INDEX recall_newest ON recall (id);
CREATE TRIGGER recall_state_begins BEFORE INSERT ON recall FOR EACH ROW WHEN (NEW.state <> 'open') EXECUTE FUNCTION state_begins();
CREATE TRIGGER recall_state_moves BEFORE UPDATE ON recall FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION state_moves('open>closed');
ALTER TABLE recall ENABLE ALWAYS TRIGGER recall_state_begins;
ALTER TABLE recall ENABLE ALWAYS TRIGGER recall_state_moves;
COMMENT ON TABLE recall IS 'home: merchant. A lot that is called back, with what the public is told.';
GRANT SELECT, INSERT ON recall TO shiyi_app;
GRANT UPDATE (state, result, closed_by, closed_at) ON recall TO shiyi_app;
