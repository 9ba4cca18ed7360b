-- +goose Up
CREATE TABLE cart_line (
  account_id uuid        NOT NULL,
  sku_id     uuid        NOT NULL,
  quantity   bigint      NOT NULL,
  added_at   timestamptz NOT NULL,
  CONSTRAINT cart_line_pkey PRIMARY KEY (account_id, sku_id),
  CONSTRAINT cart_line_quantity_in_range CHECK (quantity BETWEEN 1 AND 999)
);
COMMENT ON TABLE cart_line IS 'home: buyer. What somebody means to buy; no price is kept here.';

GRANT SELECT, INSERT, UPDATE, DELETE ON cart_line TO shiyi_app;
