-- +goose Up
CREATE TABLE region (
  code        text COLLATE "C" NOT NULL,
  parent_code text COLLATE "C",
  level       text NOT NULL,
  name_zh     text NOT NULL,
  name_en     text NOT NULL,
  CONSTRAINT region_pkey PRIMARY KEY (code),
  CONSTRAINT region_parent_fkey FOREIGN KEY (parent_code) REFERENCES region (code),
  CONSTRAINT region_code_form CHECK (code ~ '^[0-9]{6}([0-9]{3}([0-9]{3})?)?$'),
  CONSTRAINT region_level_known CHECK (level IN ('county', 'township', 'village')),
  CONSTRAINT region_level_has_its_length CHECK (length(code) = CASE level WHEN 'county' THEN 6 WHEN 'township' THEN 9 ELSE 12 END),
  CONSTRAINT region_lies_in_its_parent CHECK ((parent_code IS NULL) = (level = 'county') AND starts_with(code, coalesce(parent_code, '')))
);
COMMENT ON TABLE region IS 'home: shared. Where goods come from: a county (GB/T 2260), its townships and their villages; data, not code. The digits below the county are the shop''s own.';
INSERT INTO region (code, parent_code, level, name_zh, name_en) VALUES
  ('152527', NULL, 'county', '太仆寺旗', 'Taibus Banner'),
  ('152527101', '152527', 'township', '宝昌镇', 'Baochang'),
  ('152527102', '152527', 'township', '千斤沟镇', 'Qianjingou'),
  ('152527103', '152527', 'township', '红旗镇', 'Hongqi'),
  ('152527104', '152527', 'township', '骆驼山镇', 'Luotuoshan'),
  ('152527105', '152527', 'township', '永丰镇', 'Yongfeng'),
  ('152527106', '152527', 'township', '幸福乡', 'Xingfu'),
  ('152527107', '152527', 'township', '贡宝拉格苏木', 'Gongbaolag Sumu'),
  ('152527103001', '152527103', 'village', '红喜村', 'Hongxi'),
  ('152527104001', '152527104', 'village', '帐房山村', 'Zhangfangshan');

CREATE TABLE brand (
  code        text COLLATE "C" NOT NULL,
  name        text NOT NULL,
  region_code text COLLATE "C" NOT NULL,
  about_zh    text NOT NULL,
  about_en    text NOT NULL,
  CONSTRAINT brand_pkey PRIMARY KEY (code),
  CONSTRAINT brand_name_key UNIQUE (name),
  CONSTRAINT brand_region_fkey FOREIGN KEY (region_code) REFERENCES region (code),
  CONSTRAINT brand_code_form CHECK (code ~ '^[A-Z][A-Z0-9_]{0,31}$')
);
COMMENT ON TABLE brand IS 'home: shared. Brands of villages, and where they are at home; data, not code.';
INSERT INTO brand (code, name, region_code, about_zh, about_en) VALUES
  ('LUOSHAN_WUYU', '骆山物语', '152527104001', '帐房山村合作社的品牌', 'A brand of the cooperative of Zhangfangshan'),
  ('ZHANGFANG_YOUPIN', '帐房优品', '152527104001', '帐房山村合作社的品牌', 'A brand of the cooperative of Zhangfangshan'),
  ('HONGXI', '红喜', '152527103001', '红喜村的品牌', 'The brand of Hongxi');

ALTER TABLE product
  ADD COLUMN version      bigint  NOT NULL DEFAULT 1,
  ADD COLUMN region_code  text COLLATE "C",
  ADD COLUMN consumers    boolean NOT NULL DEFAULT true,
  ADD COLUMN institutions boolean NOT NULL DEFAULT true,
  ADD COLUMN label        jsonb   NOT NULL DEFAULT '{}',
  ADD COLUMN pictures     jsonb   NOT NULL DEFAULT '[]',
  ADD COLUMN edited_by    uuid,
  ADD COLUMN submitted_by uuid,
  ADD COLUMN submitted_at timestamptz,
  ADD CONSTRAINT product_region_fkey FOREIGN KEY (region_code) REFERENCES region (code),
  ADD CONSTRAINT product_version_positive CHECK (version > 0),
  ADD CONSTRAINT product_somebody_may_buy CHECK (consumers OR institutions),
  ADD CONSTRAINT product_label_is_object CHECK (jsonb_typeof(label) = 'object'),
  ADD CONSTRAINT product_pictures_bounded CHECK (jsonb_typeof(pictures) = 'array' AND jsonb_array_length(pictures) <= 20),
  ADD CONSTRAINT product_review_was_asked_for CHECK (state <> 'in_review' OR submitted_at IS NOT NULL),
  DROP CONSTRAINT product_state_known,
  ADD CONSTRAINT product_state_known CHECK (state IN ('draft', 'in_review', 'on_sale', 'withdrawn'));
CREATE INDEX product_in_review ON product (submitted_at, id) WHERE state = 'in_review';
CREATE TRIGGER product_state_begins BEFORE INSERT ON product FOR EACH ROW WHEN (NEW.state <> 'draft') EXECUTE FUNCTION state_begins();
CREATE TRIGGER product_state_moves BEFORE UPDATE ON product FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION state_moves('draft>in_review', 'in_review>on_sale', 'in_review>draft', 'on_sale>withdrawn', 'on_sale>draft', 'withdrawn>in_review', 'withdrawn>draft');
COMMENT ON COLUMN product.version IS 'counts the edits of what is listed and of its state, not those of prices: the ETag';
COMMENT ON COLUMN product.pictures IS 'ids of files; the first is the cover';

CREATE TABLE product_decision (
  merchant_id  uuid        NOT NULL,
  product_id   uuid        NOT NULL,
  id           uuid        NOT NULL,
  verdict      text        NOT NULL,
  version      bigint      NOT NULL,
  reasons      jsonb       NOT NULL,
  submitted_by uuid,
  decided_by   uuid        NOT NULL,
  decided_at   timestamptz NOT NULL,
  CONSTRAINT product_decision_pkey PRIMARY KEY (merchant_id, product_id, id),
  CONSTRAINT product_decision_product_fkey FOREIGN KEY (merchant_id, product_id) REFERENCES product (merchant_id, id),
  CONSTRAINT product_decision_verdict_known CHECK (verdict IN ('approved', 'returned', 'delisted')),
  CONSTRAINT product_decision_has_reasons CHECK (jsonb_typeof(reasons) = 'array' AND (verdict = 'approved') = (jsonb_array_length(reasons) = 0)),
  CONSTRAINT product_decision_is_anothers CHECK (decided_by IS DISTINCT FROM submitted_by)
);
CREATE TRIGGER product_decision_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON product_decision FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE product_decision ENABLE ALWAYS TRIGGER product_decision_append_only;
COMMENT ON TABLE product_decision IS 'home: merchant. What operators decided about a listing, and why; version is the one that they had before them.';

CREATE TABLE price (
  merchant_id  uuid        NOT NULL,
  sku_id       uuid        NOT NULL,
  buyer_class  text        NOT NULL,
  min_quantity bigint      NOT NULL,
  price_fen    bigint,
  updated_at   timestamptz NOT NULL,
  CONSTRAINT price_pkey PRIMARY KEY (merchant_id, sku_id, buyer_class, min_quantity),
  CONSTRAINT price_sku_fkey FOREIGN KEY (merchant_id, sku_id) REFERENCES sku (merchant_id, id),
  CONSTRAINT price_class_known CHECK (buyer_class IN ('consumer', 'institution')),
  CONSTRAINT price_quantity_in_range CHECK (min_quantity BETWEEN 1 AND 1000000 AND (min_quantity > 1 OR buyer_class <> 'consumer')),
  CONSTRAINT price_in_range CHECK (price_fen BETWEEN 1 AND 10000000000000)
);
COMMENT ON TABLE price IS 'home: merchant. What a piece costs those of a class who buy min_quantity or more at once, in fen; NULL: no longer. The price of one piece for a consumer is sku.price_fen.';
ALTER TABLE price_history
  ADD COLUMN buyer_class  text   NOT NULL DEFAULT 'consumer',
  ADD COLUMN min_quantity bigint NOT NULL DEFAULT 1,
  ALTER COLUMN price_fen DROP NOT NULL,
  ADD CONSTRAINT price_history_class_known CHECK (buyer_class IN ('consumer', 'institution')),
  ADD CONSTRAINT price_history_only_tiers_end CHECK (price_fen IS NOT NULL OR buyer_class <> 'consumer' OR min_quantity > 1);
CREATE VIEW price_tiers AS
  SELECT merchant_id, sku_id, jsonb_agg(jsonb_build_object('Class', buyer_class, 'From', min_quantity, 'Price', price_fen)
    ORDER BY buyer_class, min_quantity) AS tiers
  FROM price WHERE price_fen IS NOT NULL GROUP BY merchant_id, sku_id;
COMMENT ON VIEW price_tiers IS 'The tiers of each SKU: the one thing of the context price that statements of others join.';

GRANT SELECT ON region, brand, price_tiers TO shiyi_app;
GRANT SELECT, INSERT ON product_decision TO shiyi_app;
GRANT SELECT, INSERT, UPDATE ON price TO shiyi_app;
