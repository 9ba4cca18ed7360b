-- +goose Up
CREATE TABLE fulfilment (
  merchant_id       uuid        NOT NULL,
  order_id          uuid        NOT NULL,
  state             text        NOT NULL,
  packed_at         timestamptz,
  shipped_at        timestamptz,
  delivered_at      timestamptz,
  goods_received_at timestamptz,
  services_ended_at timestamptz,
  received_at       timestamptz,
  closes_at         timestamptz,
  closed_at         timestamptz,
  created_at        timestamptz NOT NULL,
  CONSTRAINT fulfilment_pkey PRIMARY KEY (merchant_id, order_id),
  CONSTRAINT fulfilment_order_fkey FOREIGN KEY (merchant_id, order_id) REFERENCES orders (merchant_id, id),
  CONSTRAINT fulfilment_state_known CHECK (state IN ('unfulfilled', 'packed', 'partly_shipped', 'shipped', 'delivered', 'received')),
  CONSTRAINT fulfilment_shipped_when_shipped CHECK (state NOT IN ('partly_shipped', 'shipped', 'delivered') OR shipped_at IS NOT NULL),
  CONSTRAINT fulfilment_received_when_received CHECK ((state = 'received') = (received_at IS NOT NULL)),
  CONSTRAINT fulfilment_window_begins_with_receipt CHECK (received_at IS NULL OR closes_at >= received_at),
  CONSTRAINT fulfilment_closed_after_its_window CHECK (closed_at IS NULL OR closed_at >= closes_at)
);
CREATE INDEX fulfilment_due ON fulfilment (closes_at) WHERE received_at IS NOT NULL AND closed_at IS NULL;
CREATE INDEX fulfilment_on_the_way ON fulfilment (shipped_at) WHERE state IN ('partly_shipped', 'shipped', 'delivered') AND goods_received_at IS NULL;
CREATE TRIGGER fulfilment_state_begins BEFORE INSERT ON fulfilment FOR EACH ROW WHEN (NEW.state <> 'unfulfilled') EXECUTE FUNCTION state_begins();
CREATE TRIGGER fulfilment_state_moves BEFORE UPDATE OF state ON fulfilment FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION state_moves('unfulfilled>packed', 'unfulfilled>partly_shipped', 'unfulfilled>shipped', 'unfulfilled>received',
    'packed>partly_shipped', 'packed>shipped', 'packed>received', 'partly_shipped>shipped', 'partly_shipped>received',
    'shipped>delivered', 'shipped>received', 'delivered>received');
ALTER TABLE fulfilment ENABLE ALWAYS TRIGGER fulfilment_state_begins, ENABLE ALWAYS TRIGGER fulfilment_state_moves;
COMMENT ON TABLE fulfilment IS 'home: merchant. How far a paid order has come to its buyer; made by the first thing that happens to it. shipped_at is when the last piece so far left.';
COMMENT ON COLUMN fulfilment.closes_at IS 'when the window of returns without reason ends (Consumer Protection Law 25); set with received_at. closed_at is set once, by settlement.';

CREATE TABLE fulfilment_line (
  merchant_id uuid    NOT NULL,
  order_id    uuid    NOT NULL,
  n           integer NOT NULL,
  quantity    bigint  NOT NULL,
  shipped     bigint  NOT NULL,
  cold_chain  text    NOT NULL,
  voucher     boolean NOT NULL,
  ship_by     timestamptz,
  CONSTRAINT fulfilment_line_pkey PRIMARY KEY (merchant_id, order_id, n),
  CONSTRAINT fulfilment_line_fulfilment_fkey FOREIGN KEY (merchant_id, order_id) REFERENCES fulfilment (merchant_id, order_id),
  CONSTRAINT fulfilment_line_line_fkey FOREIGN KEY (merchant_id, order_id, n) REFERENCES order_line (merchant_id, order_id, n),
  CONSTRAINT fulfilment_line_shipped_within CHECK (shipped BETWEEN 0 AND quantity),
  CONSTRAINT fulfilment_line_vouchers_do_not_ship CHECK (NOT voucher OR shipped = 0),
  CONSTRAINT fulfilment_line_ships_by CHECK (voucher = (ship_by IS NULL))
);
COMMENT ON TABLE fulfilment_line IS 'home: merchant. How many pieces of an order''s line have left, and what the line needs to leave, as it was when the order was first touched: a later edit of the listing moves no promise.';

GRANT SELECT, INSERT ON fulfilment, fulfilment_line TO shiyi_app;
GRANT UPDATE (state, packed_at, shipped_at, delivered_at, goods_received_at, services_ended_at, received_at, closes_at, closed_at) ON fulfilment TO shiyi_app;
GRANT UPDATE (shipped) ON fulfilment_line TO shiyi_app;
