-- +goose Up
CREATE TABLE checkout (
  buyer_id          uuid        NOT NULL,
  id                uuid        NOT NULL,
  state             text        NOT NULL,
  merchants         uuid[]      NOT NULL,
  goods_fen         bigint      NOT NULL,
  shipping_fen      bigint      NOT NULL,
  request_key       text,
  ship_to           jsonb,
  adult_declared_at timestamptz,
  waiver_at         timestamptz,
  placed_at         timestamptz NOT NULL,
  expires_at        timestamptz NOT NULL,
  paid_at           timestamptz,
  closed_at         timestamptz,
  CONSTRAINT checkout_pkey PRIMARY KEY (buyer_id, id),
  CONSTRAINT checkout_once UNIQUE (buyer_id, request_key),
  CONSTRAINT checkout_state_known CHECK (state IN ('placed', 'paid', 'expired', 'canceled')),
  CONSTRAINT checkout_amounts CHECK (goods_fen > 0 AND shipping_fen >= 0),
  CONSTRAINT checkout_has_merchants CHECK (cardinality(merchants) > 0),
  CONSTRAINT checkout_paid_when_paid CHECK ((state = 'paid') = (paid_at IS NOT NULL)),
  CONSTRAINT checkout_closed_when_closed CHECK ((state IN ('expired', 'canceled')) = (closed_at IS NOT NULL))
);
CREATE UNIQUE INDEX checkout_by_id ON checkout (id);
CREATE INDEX checkout_due ON checkout (expires_at) WHERE state = 'placed';
COMMENT ON TABLE checkout IS 'home: buyer. What a buyer places and pays at once: one order for each merchant. Its payment intent has the same id.';

CREATE TABLE orders (
  merchant_id  uuid        NOT NULL,
  id           uuid        NOT NULL,
  checkout_id  uuid        NOT NULL,
  buyer_id     uuid        NOT NULL,
  merchant     text        NOT NULL,
  state        text        NOT NULL,
  goods_fen    bigint      NOT NULL,
  shipping_fen bigint      NOT NULL,
  placed_at    timestamptz NOT NULL,
  paid_at      timestamptz,
  shipping_refunded_fen bigint NOT NULL DEFAULT 0,
  CONSTRAINT orders_pkey PRIMARY KEY (merchant_id, id),
  CONSTRAINT orders_one_a_checkout UNIQUE (merchant_id, checkout_id),
  CONSTRAINT orders_state_known CHECK (state IN ('placed', 'paid', 'refunded', 'expired', 'canceled')),
  CONSTRAINT orders_amounts CHECK (goods_fen > 0 AND shipping_fen >= 0),
  CONSTRAINT orders_shipping_refund_within CHECK (shipping_refunded_fen BETWEEN 0 AND shipping_fen),
  CONSTRAINT orders_paid_when_paid CHECK ((state IN ('paid', 'refunded')) = (paid_at IS NOT NULL))
);
CREATE INDEX orders_by_id ON orders (id);
CREATE INDEX orders_by_buyer ON orders (buyer_id, id);
CREATE INDEX orders_by_checkout ON orders (checkout_id);
COMMENT ON TABLE orders IS 'home: merchant. What one merchant sells in one checkout.';

CREATE TABLE order_line (
  merchant_id  uuid    NOT NULL,
  order_id     uuid    NOT NULL,
  n            integer NOT NULL,
  sku_id       uuid    NOT NULL,
  product_id   uuid    NOT NULL,
  code         text    NOT NULL,
  name         text    NOT NULL,
  spec         text    NOT NULL,
  unit         text    NOT NULL,
  return_rule  text    NOT NULL,
  quantity     bigint  NOT NULL,
  price_fen    bigint  NOT NULL,
  total_fen    bigint  NOT NULL,
  refunded_quantity bigint NOT NULL DEFAULT 0,
  refunded_fen bigint  NOT NULL DEFAULT 0,
  CONSTRAINT order_line_pkey PRIMARY KEY (merchant_id, order_id, n),
  CONSTRAINT order_line_order_fkey FOREIGN KEY (merchant_id, order_id) REFERENCES orders (merchant_id, id),
  CONSTRAINT order_line_sku_once UNIQUE (merchant_id, order_id, sku_id),
  CONSTRAINT order_line_total CHECK (quantity > 0 AND price_fen > 0 AND total_fen = quantity * price_fen),
  CONSTRAINT order_line_refund_within CHECK (refunded_fen BETWEEN 0 AND total_fen AND refunded_quantity BETWEEN 0 AND quantity)
);
COMMENT ON TABLE order_line IS 'home: merchant. What was sold, as it was described and priced at that moment; only the refunded sums move (trade records are kept at least three years, E-Commerce Law 31).';

CREATE TABLE order_refund (
  merchant_id  uuid        NOT NULL,
  id           uuid        NOT NULL,
  order_id     uuid        NOT NULL,
  goods_fen    bigint      NOT NULL,
  shipping_fen bigint      NOT NULL,
  reason       text        NOT NULL,
  actor_id     uuid        NOT NULL,
  at           timestamptz NOT NULL,
  lines        jsonb       NOT NULL,
  CONSTRAINT order_refund_pkey PRIMARY KEY (merchant_id, id),
  CONSTRAINT order_refund_order_fkey FOREIGN KEY (merchant_id, order_id) REFERENCES orders (merchant_id, id),
  CONSTRAINT order_refund_amounts CHECK (goods_fen >= 0 AND shipping_fen >= 0 AND goods_fen + shipping_fen > 0),
  CONSTRAINT order_refund_reason CHECK (length(reason) BETWEEN 1 AND 500)
);
CREATE INDEX order_refund_by_order ON order_refund (merchant_id, order_id, id);
CREATE INDEX order_refund_by_id ON order_refund (id);
COMMENT ON TABLE order_refund IS 'home: merchant. What was given back of an order, and why; added, never changed.';
CREATE TRIGGER order_refund_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON order_refund FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE order_refund ENABLE ALWAYS TRIGGER order_refund_append_only;

-- What a state may become is the database's business, too: nothing leaves an
-- end, and what was sold is not rewritten.
CREATE TRIGGER checkout_state_moves BEFORE UPDATE OF state ON checkout FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION state_moves('placed>paid', 'placed>expired', 'placed>canceled');
CREATE TRIGGER orders_state_moves BEFORE UPDATE OF state ON orders FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION state_moves('placed>paid', 'placed>expired', 'placed>canceled', 'paid>refunded');
CREATE TRIGGER checkout_state_begins BEFORE INSERT ON checkout FOR EACH ROW WHEN (NEW.state <> 'placed') EXECUTE FUNCTION state_begins();
CREATE TRIGGER orders_state_begins BEFORE INSERT ON orders FOR EACH ROW WHEN (NEW.state <> 'placed') EXECUTE FUNCTION state_begins();
ALTER TABLE checkout ENABLE ALWAYS TRIGGER checkout_state_moves, ENABLE ALWAYS TRIGGER checkout_state_begins;
ALTER TABLE orders ENABLE ALWAYS TRIGGER orders_state_moves, ENABLE ALWAYS TRIGGER orders_state_begins;

GRANT SELECT, INSERT ON checkout, orders, order_line, order_refund TO shiyi_app;
GRANT UPDATE (state, paid_at, closed_at) ON checkout TO shiyi_app;
GRANT UPDATE (state, paid_at, shipping_refunded_fen) ON orders TO shiyi_app;
GRANT UPDATE (refunded_quantity, refunded_fen) ON order_line TO shiyi_app;
