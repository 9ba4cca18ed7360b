-- +goose Up
CREATE TABLE category (
  code     text    NOT NULL,
  name_zh  text    NOT NULL,
  name_en  text    NOT NULL,
  position integer NOT NULL,
  CONSTRAINT category_pkey PRIMARY KEY (code),
  CONSTRAINT category_position_key UNIQUE (position),
  CONSTRAINT category_code_form CHECK (code ~ '^[A-Z][A-Z0-9_]{0,31}$')
);
COMMENT ON TABLE category IS 'home: shared. The shelves of the shop, in their order; data, not code.';
-- The ten of the county, in its own order.
INSERT INTO category (code, name_zh, name_en, position) VALUES
  ('MEAT', '肉', 'Meat', 1),
  ('LIQUOR', '酒', 'Liquor', 2),
  ('OIL', '油', 'Edible oil', 3),
  ('GRAIN_MAI', '麦', 'Oats and grain', 4),
  ('FLOUR_MIAN', '面', 'Flour and noodles', 5),
  ('POTATO_SHU', '薯', 'Potatoes', 6),
  ('DAIRY', '奶', 'Dairy', 7),
  ('EGG', '蛋', 'Eggs', 8),
  ('LAMP', '灯', 'Lamps', 9),
  ('TOURISM', '游', 'Travel', 10);

CREATE TABLE catalog_directory (
  id          uuid NOT NULL,
  merchant_id uuid NOT NULL,
  product_id  uuid NOT NULL,
  CONSTRAINT catalog_directory_pkey PRIMARY KEY (id)
);
COMMENT ON TABLE catalog_directory IS 'home: shared. Where a product or a SKU lives, by its bare id; product_id is the id itself for a product.';

CREATE TABLE product (
  merchant_id        uuid        NOT NULL,
  id                 uuid        NOT NULL,
  code               text COLLATE "C" NOT NULL,
  category_code      text        NOT NULL,
  name               text        NOT NULL,
  brand              text        NOT NULL,
  spec               text        NOT NULL,
  net_content        bigint      NOT NULL,
  net_unit           text        NOT NULL,
  sale_unit          text        NOT NULL,
  kind               text        NOT NULL,
  storage            text        NOT NULL,
  cold_chain         text        NOT NULL,
  shelf_life_days    integer     NOT NULL,
  origin             text        NOT NULL,
  standard_code      text        NOT NULL,
  conformity_doc     text        NOT NULL,
  certifications     text        NOT NULL,
  trace_code         text        NOT NULL,
  vat_treatment      text        NOT NULL,
  return_rule        text        NOT NULL,
  age_restricted     boolean     NOT NULL,
  presale            boolean     NOT NULL,
  voucher            boolean     NOT NULL,
  voucher_valid_days integer     NOT NULL,
  ship_zone          text        NOT NULL,
  state              text        NOT NULL,
  created_at         timestamptz NOT NULL,
  updated_at         timestamptz NOT NULL,
  CONSTRAINT product_pkey PRIMARY KEY (merchant_id, id),
  CONSTRAINT product_code_key UNIQUE (merchant_id, code),
  CONSTRAINT product_merchant_fkey FOREIGN KEY (merchant_id) REFERENCES merchant (id),
  CONSTRAINT product_category_fkey FOREIGN KEY (category_code) REFERENCES category (code),
  CONSTRAINT product_code_length CHECK (length(code) BETWEEN 1 AND 32),
  CONSTRAINT product_name_length CHECK (length(name) BETWEEN 1 AND 120),
  CONSTRAINT product_net_content_unit CHECK (net_unit IN ('g', 'mL', '') AND net_content >= 0 AND (net_unit = '') = (net_content = 0)),
  CONSTRAINT product_shelf_life_not_negative CHECK (shelf_life_days >= 0),
  CONSTRAINT product_cold_chain_known CHECK (cold_chain IN ('N', 'CHILLED', 'FROZEN', 'VOUCHER')),
  CONSTRAINT product_return_rule_known CHECK (return_rule IN ('NO_REASON_7D', 'NO_REASON_7D_UNOPENED', 'EXEMPT_FRESH', 'VOUCHER_RULE')),
  CONSTRAINT product_voucher_has_days CHECK (voucher = (voucher_valid_days > 0) AND voucher_valid_days >= 0),
  CONSTRAINT product_state_known CHECK (state IN ('draft', 'on_sale', 'withdrawn'))
);
CREATE INDEX product_on_sale ON product (code, id) WHERE state = 'on_sale';
CREATE INDEX product_on_sale_by_category ON product (category_code, code, id) WHERE state = 'on_sale';
COMMENT ON TABLE product IS 'home: merchant. Goods as listed. net_content is grams or millilitres per sale_unit.';

CREATE TABLE sku (
  merchant_id uuid        NOT NULL,
  id          uuid        NOT NULL,
  product_id  uuid        NOT NULL,
  code        text COLLATE "C" NOT NULL,
  price_fen   bigint      NOT NULL,
  position    integer     NOT NULL,
  created_at  timestamptz NOT NULL,
  updated_at  timestamptz NOT NULL,
  CONSTRAINT sku_pkey PRIMARY KEY (merchant_id, id),
  CONSTRAINT sku_code_key UNIQUE (merchant_id, code),
  CONSTRAINT sku_position_key UNIQUE (merchant_id, product_id, position),
  CONSTRAINT sku_product_fkey FOREIGN KEY (merchant_id, product_id) REFERENCES product (merchant_id, id),
  CONSTRAINT sku_code_length CHECK (length(code) BETWEEN 1 AND 32),
  CONSTRAINT sku_price_in_range CHECK (price_fen BETWEEN 1 AND 10000000000000)
);
COMMENT ON TABLE sku IS 'home: merchant. What can be put into a cart, and its one price in fen, tax included.';

CREATE TABLE price_history (
  merchant_id uuid        NOT NULL,
  sku_id      uuid        NOT NULL,
  id          uuid        NOT NULL,
  price_fen   bigint      NOT NULL,
  since       timestamptz NOT NULL,
  actor_id    uuid,
  CONSTRAINT price_history_pkey PRIMARY KEY (merchant_id, sku_id, id),
  CONSTRAINT price_history_sku_fkey FOREIGN KEY (merchant_id, sku_id) REFERENCES sku (merchant_id, id),
  CONSTRAINT price_history_in_range CHECK (price_fen BETWEEN 1 AND 10000000000000)
);
CREATE TRIGGER price_history_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON price_history FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE price_history ENABLE ALWAYS TRIGGER price_history_append_only;
COMMENT ON TABLE price_history IS 'home: merchant. Every price that a SKU ever had; actor_id is who set it, NULL is the program.';

GRANT SELECT, INSERT ON category, catalog_directory, price_history TO shiyi_app;
GRANT SELECT, INSERT, UPDATE ON product, sku TO shiyi_app;
