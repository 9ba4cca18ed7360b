-- +goose Up
CREATE TABLE search_product (
  merchant_id   uuid        NOT NULL,
  product_id    uuid        NOT NULL,
  lot           bigint      NOT NULL,
  category_code text        NOT NULL,
  name_key      text COLLATE "C" NOT NULL,
  pinyin_key    text COLLATE "C" NOT NULL,
  terms         text[]      NOT NULL,
  listed        boolean     NOT NULL,
  in_stock      boolean     NOT NULL,
  source        bigint      NOT NULL,
  updated_at    timestamptz NOT NULL,
  CONSTRAINT search_product_pkey PRIMARY KEY (merchant_id, product_id),
  CONSTRAINT search_product_product_fkey FOREIGN KEY (merchant_id, product_id) REFERENCES product (merchant_id, id),
  CONSTRAINT search_product_terms_bounded CHECK (cardinality(terms) BETWEEN 1 AND 4000)
);
-- Readers outnumber writers by far: what is written goes into the index at once,
-- and no reader walks a list of what is not in it yet.
CREATE INDEX search_product_terms ON search_product USING gin (terms) WITH (fastupdate = off) WHERE listed;
CREATE INDEX search_product_name ON search_product (name_key, lot, product_id) WHERE listed;
CREATE INDEX search_product_pinyin ON search_product (pinyin_key, lot, product_id) WHERE listed;
COMMENT ON TABLE search_product IS 'home: merchant. What a product is found by, made out of it: terms are its words, lot is drawn from its id and decides between equals, source is a digest of what the row was made from.';

CREATE TABLE search_synonym (
  word text NOT NULL,
  term text NOT NULL,
  CONSTRAINT search_synonym_pkey PRIMARY KEY (term),
  CONSTRAINT search_synonym_length CHECK (length(word) BETWEEN 1 AND 16 AND length(term) BETWEEN 1 AND 16),
  CONSTRAINT search_synonym_differs CHECK (word <> term)
);
COMMENT ON TABLE search_synonym IS 'home: shared. What means the same to somebody who searches: whoever looks for the term looks for the word, and the other way round; data, not code.';
INSERT INTO search_synonym (word, term) VALUES
  ('土豆', '马铃薯'), ('土豆', '洋芋'), ('土豆', '山药蛋'), ('土豆', 'potato'), ('土豆', 'potatoes'),
  ('亚麻籽油', '胡麻油'), ('亚麻籽油', '胡油'), ('亚麻籽油', '亚麻油'), ('亚麻籽油', '亚麻仁油'),
  ('菜籽油', '菜油'), ('菜籽油', '菜子油'),
  ('莜麦', '裸燕麦'), ('莜面', '莜麦面'),
  ('藜麦', 'quinoa'), ('荞麦', 'buckwheat'),
  ('羊肉', 'mutton'), ('牛肉', 'beef'), ('羔羊', '羊羔'),
  ('鸡蛋', '鸡子'), ('松花蛋', '皮蛋'), ('松花蛋', '变蛋'),
  ('奶酪', '芝士'), ('奶酪', '乳酪'), ('奶酪', '起司'), ('奶酪', 'cheese'), ('黄油', 'butter'),
  ('白酒', '烧酒'), ('白酒', 'baijiu'),
  ('西红柿', '番茄'), ('西红柿', 'tomato'),
  ('蒙古包', 'yurt'), ('灯泡', '电灯泡');

-- Every column of a view that was there keeps its place.
CREATE OR REPLACE VIEW merchant_standing AS
  SELECT id AS merchant_id, short_name AS merchant_name, state AS merchant_state, agreement_signed_on, licensed_until,
         code AS merchant_code, verified_at, reverification_due, township FROM merchant;
COMMENT ON VIEW merchant_standing IS 'What decides whether an enterprise may sell, when it must be verified again, and where it is.';

GRANT SELECT, INSERT, UPDATE ON search_product TO shiyi_app;
GRANT SELECT ON search_synonym TO shiyi_app;
