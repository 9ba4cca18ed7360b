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
CREATE INDEX fulfilment_due ON fulfilment (closes_at, merchant_id, order_id) WHERE received_at IS NOT NULL AND closed_at IS NULL;
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
  returned    bigint  NOT NULL,
  cold_chain  text    NOT NULL,
  voucher     boolean NOT NULL,
  ship_by     timestamptz,
  CONSTRAINT fulfilment_line_pkey PRIMARY KEY (merchant_id, order_id, n),
  CONSTRAINT fulfilment_line_fulfilment_fkey FOREIGN KEY (merchant_id, order_id) REFERENCES fulfilment (merchant_id, order_id),
  CONSTRAINT fulfilment_line_line_fkey FOREIGN KEY (merchant_id, order_id, n) REFERENCES order_line (merchant_id, order_id, n),
  CONSTRAINT fulfilment_line_shipped_within CHECK (shipped BETWEEN 0 AND quantity),
  CONSTRAINT fulfilment_line_returned_within CHECK (returned BETWEEN 0 AND shipped),
  CONSTRAINT fulfilment_line_vouchers_do_not_ship CHECK (NOT voucher OR shipped = 0),
  CONSTRAINT fulfilment_line_ships_by CHECK (voucher = (ship_by IS NULL))
);
COMMENT ON COLUMN fulfilment_line.returned IS 'of the pieces that were shipped, how many were refunded as such: they keep no other piece of the line from being shipped.';
COMMENT ON TABLE fulfilment_line IS 'home: merchant. How many pieces of an order''s line have left, and what the line needs to leave, as it was when the order was first touched: a later edit of the listing moves no promise.';

-- What a line of an order needs to leave, whether anything has happened to it or not. Ordinary goods leave within 48 hours of
-- the payment; those that were ordered ahead, by the end of the last day of the window in which they were ordered. What
-- may ship is what was bought, less what was shipped, less what was refunded without having been shipped; a reduction of the
-- price is no piece. A line whose every fen was given back ships no more, whatever number of pieces that was for.
CREATE VIEW line_course AS
SELECT t.*, CASE WHEN t.voucher OR t.refunded_fen = t.total_fen THEN 0 ELSE greatest(0, t.quantity - t.shipped - (t.refunded_quantity - t.returned)) END AS unshipped
FROM (
  SELECT l.merchant_id, l.order_id, l.n, l.sku_id, l.code, l.name, l.spec, l.unit, l.quantity, l.total_fen, l.refunded_quantity, l.refunded_fen,
    coalesce(f.shipped, 0) AS shipped, coalesce(f.returned, 0) AS returned, coalesce(f.cold_chain, p.cold_chain) AS cold_chain, coalesce(f.voucher, p.voucher) AS voucher,
    CASE WHEN f.n IS NOT NULL THEN f.ship_by WHEN NOT p.voucher THEN greatest(o.paid_at + interval '48 hours', CASE WHEN p.presale THEN (
      SELECT (max(w->>'until')::date + 1)::timestamp AT TIME ZONE 'Asia/Shanghai' FROM jsonb_array_elements(p.label->'presale_windows') w
      WHERE (o.placed_at AT TIME ZONE 'Asia/Shanghai')::date BETWEEN (w->>'from')::date AND (w->>'until')::date) END) END AS ship_by
  FROM orders o
  JOIN order_line l ON l.merchant_id = o.merchant_id AND l.order_id = o.id
  JOIN product p ON p.merchant_id = l.merchant_id AND p.id = l.product_id
  LEFT JOIN fulfilment_line f ON f.merchant_id = l.merchant_id AND f.order_id = l.order_id AND f.n = l.n
) t;
COMMENT ON VIEW line_course IS 'home: merchant. How many pieces of each line of an order have left or are still to, and until when: as its fulfilment says, or as it would begin.';

GRANT SELECT ON line_course TO shiyi_app;
GRANT SELECT, INSERT ON fulfilment, fulfilment_line TO shiyi_app;
GRANT UPDATE (state, packed_at, shipped_at, delivered_at, goods_received_at, services_ended_at, received_at, closes_at, closed_at) ON fulfilment TO shiyi_app;
GRANT UPDATE (shipped, returned) ON fulfilment_line TO shiyi_app;

CREATE TABLE shipment (
  merchant_id  uuid        NOT NULL,
  id           uuid        NOT NULL,
  order_id     uuid        NOT NULL,
  temperature  text        NOT NULL,
  shipped_by   uuid        NOT NULL,
  shipped_at   timestamptz NOT NULL,
  delivered_at timestamptz,
  CONSTRAINT shipment_pkey PRIMARY KEY (merchant_id, id),
  CONSTRAINT shipment_fulfilment_fkey FOREIGN KEY (merchant_id, order_id) REFERENCES fulfilment (merchant_id, order_id),
  CONSTRAINT shipment_temperature_length CHECK (length(temperature) <= 60),
  CONSTRAINT shipment_delivered_later CHECK (delivered_at >= shipped_at)
);
CREATE INDEX shipment_by_id ON shipment (id);
CREATE INDEX shipment_by_order ON shipment (merchant_id, order_id, id);
COMMENT ON TABLE shipment IS 'home: merchant. One parcel of an order: who gave it away and when; temperature is with what the goods were shipped, as the enterprise notes it.';

CREATE TABLE shipment_line (
  merchant_id uuid    NOT NULL,
  shipment_id uuid    NOT NULL,
  position    integer NOT NULL,
  n           integer NOT NULL,
  quantity    bigint  NOT NULL,
  lot_code    text    NOT NULL,
  CONSTRAINT shipment_line_pkey PRIMARY KEY (merchant_id, shipment_id, position),
  CONSTRAINT shipment_line_shipment_fkey FOREIGN KEY (merchant_id, shipment_id) REFERENCES shipment (merchant_id, id),
  CONSTRAINT shipment_line_lot_once UNIQUE (merchant_id, shipment_id, n, lot_code),
  CONSTRAINT shipment_line_quantity_positive CHECK (quantity > 0 AND position > 0),
  CONSTRAINT shipment_line_lot_code_length CHECK (length(lot_code) <= 64)
);
CREATE TRIGGER shipment_line_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON shipment_line FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE shipment_line ENABLE ALWAYS TRIGGER shipment_line_append_only;
COMMENT ON TABLE shipment_line IS 'home: merchant. What a parcel holds, by line of its order (n) and lot; an empty lot_code is not said.';

CREATE TABLE shipment_tracking (
  merchant_id uuid        NOT NULL,
  shipment_id uuid        NOT NULL,
  n           integer     NOT NULL,
  carrier     text        NOT NULL,
  number      text        NOT NULL,
  reason      text        NOT NULL,
  actor_id    uuid        NOT NULL,
  at          timestamptz NOT NULL,
  CONSTRAINT shipment_tracking_pkey PRIMARY KEY (merchant_id, shipment_id, n),
  CONSTRAINT shipment_tracking_shipment_fkey FOREIGN KEY (merchant_id, shipment_id) REFERENCES shipment (merchant_id, id),
  CONSTRAINT shipment_tracking_n_counts CHECK (n > 0),
  CONSTRAINT shipment_tracking_corrected_with_a_reason CHECK ((n = 1) = (reason = '') AND length(reason) <= 200),
  CONSTRAINT shipment_tracking_number_form CHECK (number ~ '^[A-Z0-9-]{6,32}$')
);
CREATE TRIGGER shipment_tracking_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON shipment_tracking FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE shipment_tracking ENABLE ALWAYS TRIGGER shipment_tracking_append_only;
COMMENT ON TABLE shipment_tracking IS 'home: merchant. Who carries a parcel under which number: the newest counts, corrections are added with their reason.';

GRANT SELECT, INSERT ON shipment, shipment_line, shipment_tracking TO shiyi_app;
GRANT UPDATE (delivered_at) ON shipment TO shiyi_app;

CREATE TABLE shipment_batch (
  merchant_id uuid        NOT NULL,
  id          uuid        NOT NULL,
  account_id  uuid        NOT NULL,
  format      text        NOT NULL,
  state       text        NOT NULL,
  orders      integer     NOT NULL,
  done        integer     NOT NULL,
  bad_cells   integer     NOT NULL,
  created_at  timestamptz NOT NULL,
  updated_at  timestamptz NOT NULL,
  CONSTRAINT shipment_batch_pkey PRIMARY KEY (merchant_id, id),
  CONSTRAINT shipment_batch_merchant_fkey FOREIGN KEY (merchant_id) REFERENCES merchant (id),
  CONSTRAINT shipment_batch_format_known CHECK (format IN ('xlsx', 'csv')),
  CONSTRAINT shipment_batch_state_known CHECK (state IN ('checked', 'failed', 'shipping', 'shipped')),
  CONSTRAINT shipment_batch_counts CHECK (orders BETWEEN 0 AND 5000 AND done BETWEEN 0 AND orders AND bad_cells >= 0),
  CONSTRAINT shipment_batch_shipped_whole CHECK (state <> 'shipped' OR done = orders)
);
CREATE TRIGGER shipment_batch_state_begins BEFORE INSERT ON shipment_batch FOR EACH ROW WHEN (NEW.state NOT IN ('checked', 'failed')) EXECUTE FUNCTION state_begins();
CREATE TRIGGER shipment_batch_state_moves BEFORE UPDATE OF state ON shipment_batch FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION state_moves('checked>shipping', 'shipping>shipped');
ALTER TABLE shipment_batch ENABLE ALWAYS TRIGGER shipment_batch_state_begins, ENABLE ALWAYS TRIGGER shipment_batch_state_moves;
COMMENT ON TABLE shipment_batch IS 'home: merchant. Sheets of parcels that an enterprise brought: checked, then shipped order by order.';

CREATE TABLE shipment_batch_row (
  merchant_id uuid    NOT NULL,
  batch_id    uuid    NOT NULL,
  sheet_row   integer NOT NULL,
  order_id    uuid    NOT NULL,
  carrier     text    NOT NULL,
  number      text    NOT NULL,
  temperature text    NOT NULL,
  done        boolean NOT NULL,
  CONSTRAINT shipment_batch_row_pkey PRIMARY KEY (merchant_id, batch_id, sheet_row),
  CONSTRAINT shipment_batch_row_order_once UNIQUE (merchant_id, batch_id, order_id),
  CONSTRAINT shipment_batch_row_batch_fkey FOREIGN KEY (merchant_id, batch_id) REFERENCES shipment_batch (merchant_id, id)
);
COMMENT ON TABLE shipment_batch_row IS 'home: merchant. The rows of a sheet of parcels: each ships what is left of an order, once. done says that it was seen to.';

CREATE TABLE shipment_batch_bad_cell (
  merchant_id  uuid    NOT NULL,
  batch_id     uuid    NOT NULL,
  n            integer NOT NULL,
  sheet_row    integer NOT NULL,
  sheet_column integer NOT NULL,
  key          text    NOT NULL,
  code         text    NOT NULL,
  value        text    NOT NULL,
  message_zh   text    NOT NULL,
  message_en   text    NOT NULL,
  CONSTRAINT shipment_batch_bad_cell_pkey PRIMARY KEY (merchant_id, batch_id, n),
  CONSTRAINT shipment_batch_bad_cell_batch_fkey FOREIGN KEY (merchant_id, batch_id) REFERENCES shipment_batch (merchant_id, id),
  CONSTRAINT shipment_batch_bad_cell_place CHECK (n > 0 AND sheet_row > 0 AND sheet_column > 0)
);
CREATE TRIGGER shipment_batch_bad_cell_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON shipment_batch_bad_cell FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE shipment_batch_bad_cell ENABLE ALWAYS TRIGGER shipment_batch_bad_cell_append_only;
COMMENT ON TABLE shipment_batch_bad_cell IS 'home: merchant. Cells of a sheet of parcels that will not do, and rows that could not be shipped when it came to them, with the reason.';

GRANT SELECT, INSERT ON shipment_batch, shipment_batch_row, shipment_batch_bad_cell TO shiyi_app;
GRANT UPDATE (state, done, bad_cells, updated_at) ON shipment_batch TO shiyi_app;
GRANT UPDATE (done) ON shipment_batch_row TO shiyi_app;
