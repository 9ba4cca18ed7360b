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

CREATE TABLE voucher (
  merchant_id uuid        NOT NULL,
  id          uuid        NOT NULL,
  order_id    uuid        NOT NULL,
  line        integer     NOT NULL,
  n           integer     NOT NULL,
  buyer_id    uuid        NOT NULL,
  merchant    text        NOT NULL,
  name        text        NOT NULL,
  spec        text        NOT NULL,
  code        text        NOT NULL,
  state       text        NOT NULL,
  valid_until date        NOT NULL,
  issued_at   timestamptz NOT NULL,
  ended_at    timestamptz,
  ended_by    uuid,
  CONSTRAINT voucher_pkey PRIMARY KEY (merchant_id, id),
  CONSTRAINT voucher_once UNIQUE (merchant_id, order_id, line, n),
  CONSTRAINT voucher_code_once UNIQUE (merchant_id, code),
  CONSTRAINT voucher_line_fkey FOREIGN KEY (merchant_id, order_id, line) REFERENCES order_line (merchant_id, order_id, n),
  CONSTRAINT voucher_n_counts CHECK (n > 0),
  CONSTRAINT voucher_code_form CHECK (code ~ '^[2-9A-HJKMNP-Z]{13}$'),
  CONSTRAINT voucher_state_known CHECK (state IN ('issued', 'redeemed', 'expired', 'void')),
  CONSTRAINT voucher_ended_when_ended CHECK ((state = 'issued') = (ended_at IS NULL)),
  CONSTRAINT voucher_redeemed_by_somebody CHECK ((state = 'redeemed') = (ended_by IS NOT NULL))
);
CREATE UNIQUE INDEX voucher_by_id ON voucher (id);
CREATE INDEX voucher_by_buyer ON voucher (buyer_id, id);
CREATE INDEX voucher_due ON voucher (valid_until) WHERE state = 'issued';
CREATE TRIGGER voucher_state_moves BEFORE UPDATE OF state ON voucher FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION state_moves('issued>redeemed', 'issued>expired', 'issued>void');
CREATE TRIGGER voucher_state_begins BEFORE INSERT ON voucher FOR EACH ROW WHEN (NEW.state <> 'issued') EXECUTE FUNCTION state_begins();
ALTER TABLE voucher ENABLE ALWAYS TRIGGER voucher_state_moves, ENABLE ALWAYS TRIGGER voucher_state_begins;
COMMENT ON TABLE voucher IS 'home: merchant. One for each unit of a paid voucher line; good through the end of valid_until in the county. ended_by is the account that redeemed it.';
GRANT SELECT, INSERT ON voucher TO shiyi_app;
GRANT UPDATE (state, ended_at, ended_by) ON voucher TO shiyi_app;

CREATE TABLE voucher_appointment (
  merchant_id uuid        NOT NULL,
  id          uuid        NOT NULL,
  voucher_id  uuid        NOT NULL,
  day         date        NOT NULL,
  people      integer     NOT NULL,
  state       text        NOT NULL,
  reason      text        NOT NULL,
  asked_at    timestamptz NOT NULL,
  decided_at  timestamptz,
  CONSTRAINT voucher_appointment_pkey PRIMARY KEY (merchant_id, id),
  CONSTRAINT voucher_appointment_voucher_fkey FOREIGN KEY (merchant_id, voucher_id) REFERENCES voucher (merchant_id, id),
  CONSTRAINT voucher_appointment_people CHECK (people BETWEEN 1 AND 99),
  CONSTRAINT voucher_appointment_state_known CHECK (state IN ('asked', 'confirmed', 'declined', 'canceled')),
  CONSTRAINT voucher_appointment_reason CHECK (length(reason) <= 500 AND (state <> 'declined' OR length(reason) >= 2)),
  CONSTRAINT voucher_appointment_decided CHECK ((state = 'asked') = (decided_at IS NULL))
);
CREATE UNIQUE INDEX voucher_appointment_by_id ON voucher_appointment (id);
CREATE UNIQUE INDEX voucher_appointment_one_open ON voucher_appointment (merchant_id, voucher_id) WHERE state IN ('asked', 'confirmed');
CREATE INDEX voucher_appointment_by_voucher ON voucher_appointment (merchant_id, voucher_id, id);
CREATE TRIGGER voucher_appointment_state_moves BEFORE UPDATE OF state ON voucher_appointment FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION state_moves('asked>confirmed', 'asked>declined', 'asked>canceled', 'confirmed>canceled');
CREATE TRIGGER voucher_appointment_state_begins BEFORE INSERT ON voucher_appointment FOR EACH ROW WHEN (NEW.state <> 'asked') EXECUTE FUNCTION state_begins();
ALTER TABLE voucher_appointment ENABLE ALWAYS TRIGGER voucher_appointment_state_moves, ENABLE ALWAYS TRIGGER voucher_appointment_state_begins;
COMMENT ON TABLE voucher_appointment IS 'home: merchant. The day for which a buyer asks to use a voucher, and what the enterprise says; one at a time is open.';
GRANT SELECT, INSERT ON voucher_appointment TO shiyi_app;
GRANT UPDATE (state, reason, decided_at) ON voucher_appointment TO shiyi_app;
