-- +goose Up
CREATE TABLE stock (
  merchant_id uuid        NOT NULL,
  sku_id      uuid        NOT NULL,
  available   bigint      NOT NULL,
  reserved    bigint      NOT NULL,
  updated_at  timestamptz NOT NULL,
  CONSTRAINT stock_pkey PRIMARY KEY (merchant_id, sku_id),
  CONSTRAINT stock_available_not_negative CHECK (available >= 0),
  CONSTRAINT stock_reserved_not_negative CHECK (reserved >= 0)
) WITH (fillfactor = 50);
-- Half of each page is kept free, so that the hot update of one row stays on
-- its page (HOT) and touches no index.
CREATE INDEX stock_sku ON stock (sku_id);
COMMENT ON TABLE stock IS 'home: merchant. Pieces of a SKU: free to sell, and held for checkouts that are not paid yet.';

CREATE TABLE stock_move (
  merchant_id uuid        NOT NULL,
  id          uuid        NOT NULL,
  sku_id      uuid        NOT NULL,
  delta       bigint      NOT NULL,
  available   bigint      NOT NULL,
  reason      text        NOT NULL,
  actor_id    uuid,
  at          timestamptz NOT NULL,
  CONSTRAINT stock_move_pkey PRIMARY KEY (merchant_id, id),
  CONSTRAINT stock_move_stock_fkey FOREIGN KEY (merchant_id, sku_id) REFERENCES stock (merchant_id, sku_id),
  CONSTRAINT stock_move_available_not_negative CHECK (available >= 0),
  CONSTRAINT stock_move_reason_length CHECK (length(reason) BETWEEN 2 AND 200)
);
CREATE INDEX stock_move_sku ON stock_move (merchant_id, sku_id, id);
CREATE TRIGGER stock_move_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON stock_move FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE stock_move ENABLE ALWAYS TRIGGER stock_move_append_only;
COMMENT ON TABLE stock_move IS 'home: merchant. Adjustments by people, with what was free afterwards; sales are told by the orders.';

GRANT SELECT, INSERT, UPDATE ON stock TO shiyi_app;
GRANT SELECT, INSERT ON stock_move TO shiyi_app;
