-- Each product that was listed through the services becomes so many: with an id, a
-- code, a SKU and a lot of its own, and otherwise the same. The shop's own sweep sees all of it or nothing.
BEGIN;
CREATE TEMP TABLE copy AS
  SELECT p.merchant_id, p.id AS old, gen_random_uuid() AS product_id, gen_random_uuid() AS sku_id, n
  FROM product p CROSS JOIN generate_series(2, $COPIES) n;
INSERT INTO product
  SELECT (jsonb_populate_record(p, jsonb_build_object('id', c.product_id, 'code', p.code || '-' || c.n))).*
  FROM copy c JOIN product p ON p.merchant_id = c.merchant_id AND p.id = c.old;
INSERT INTO sku
  SELECT (jsonb_populate_record(s, jsonb_build_object('id', c.sku_id, 'product_id', c.product_id, 'code', s.code || '-' || c.n))).*
  FROM copy c JOIN sku s ON s.merchant_id = c.merchant_id AND s.product_id = c.old;
INSERT INTO catalog_directory
  SELECT product_id, merchant_id, product_id FROM copy UNION ALL SELECT sku_id, merchant_id, product_id FROM copy;
INSERT INTO stock SELECT merchant_id, sku_id, 10, 0, now() FROM copy;
DROP INDEX search_product_terms;
INSERT INTO search_product (merchant_id, product_id, lot, category_code, name_key, pinyin_key, terms, listed, in_stock, source, updated_at)
  SELECT s.merchant_id, c.product_id, c.lot, s.category_code, s.name_key, s.pinyin_key,
    array_cat((SELECT array_agg(t) FROM unnest(s.terms) t WHERE t !~ '^b\d:'), ARRAY['b9:' || (c.lot >> 54), 'b6:' || (c.lot >> 57), 'b3:' || (c.lot >> 60)]), s.listed, s.in_stock, s.source, s.updated_at
  FROM (SELECT *, (('x' || left(encode(sha256(uuid_send(product_id)), 'hex'), 16))::bit(64) >> 1)::bigint AS lot FROM copy) c
  JOIN search_product s ON s.merchant_id = c.merchant_id AND s.product_id = c.old;
SET maintenance_work_mem = '512MB';
CREATE INDEX search_product_terms ON search_product USING gin (terms) WITH (fastupdate = off) WHERE listed;
COMMIT;
VACUUM ANALYZE product, sku, catalog_directory, stock, search_product;
