-- +goose Up
-- What a line is, is said by the line: goods that are shipped, or vouchers for so many days.
ALTER TABLE order_line
  ADD COLUMN voucher_days integer NOT NULL DEFAULT 0,
  ADD CONSTRAINT order_line_voucher_days CHECK (voucher_days >= 0);
UPDATE order_line l SET voucher_days = p.voucher_valid_days FROM product p WHERE p.merchant_id = l.merchant_id AND p.id = l.product_id AND p.voucher_valid_days > 0;
CREATE INDEX order_line_vouchers ON order_line (order_id) WHERE voucher_days > 0;

CREATE TABLE shipping_schedule (
  merchant_id uuid        NOT NULL,
  version     bigint      NOT NULL,
  id          uuid        NOT NULL,
  rates       jsonb       NOT NULL,
  set_by      uuid        NOT NULL,
  set_at      timestamptz NOT NULL,
  CONSTRAINT shipping_schedule_pkey PRIMARY KEY (merchant_id, version),
  CONSTRAINT shipping_schedule_merchant_fkey FOREIGN KEY (merchant_id) REFERENCES merchant (id),
  CONSTRAINT shipping_schedule_version_counts CHECK (version > 0),
  CONSTRAINT shipping_schedule_rates CHECK (jsonb_typeof(rates) = 'array' AND jsonb_array_length(rates) > 0
    AND NOT jsonb_path_exists(rates, '$[*].* ? (@.type() == "number" && @ < 0)'))
);
CREATE INDEX shipping_schedule_by_id ON shipping_schedule (id);
CREATE TRIGGER shipping_schedule_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON shipping_schedule FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE shipping_schedule ENABLE ALWAYS TRIGGER shipping_schedule_append_only;
COMMENT ON TABLE shipping_schedule IS 'home: merchant. What an enterprise asks for shipping, by region, in fen; the newest version holds from set_at on, those before it stay. Who has none ships for nothing.';
GRANT SELECT, INSERT ON shipping_schedule TO shiyi_app;
