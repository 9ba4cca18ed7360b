-- A checkout of two things of two enterprises, as the program sends it to the database: the same
-- statements in the same transactions. What the program knows already is computed here from numbers.
\set n :n + 1
\set t (:run << 44) + (:client_id << 32) + :n
\set a random(0, :merchants - 2)
\set b random(:a + 1, :merchants - 1)
\set p random(0, :products - 1)
\set q random(0, :products - 1)
SELECT s.id AS session_id, s.account_id AS account, s.expires_at, s.revoked_at, a.state,
       coalesce((SELECT jsonb_agg(jsonb_build_object('role', g.role, 'merchant', g.merchant_id) ORDER BY g.role, g.merchant_id)
                 FROM role_grant g WHERE g.account_id = a.id), '[]')::text AS grants
FROM session s JOIN account a ON a.id = s.account_id
WHERE s.token_hash = (SELECT token_hash FROM yardstick WHERE client = :client_id) \gset

BEGIN;
INSERT INTO request (caller, operation, key, hash, claimed_at)
VALUES (:account::uuid, 'placeCheckout', 'yardstick-' || :t::text, sha256('yardstick'::bytea), now())
ON CONFLICT ON CONSTRAINT request_pkey DO NOTHING;
SELECT p.merchant_id, p.id, p.code, p.category_code, p.name, p.brand, p.spec, p.net_content, p.net_unit, p.sale_unit, p.kind, p.cold_chain,
       p.vat_treatment, p.return_rule, p.age_restricted, p.voucher, p.voucher_valid_days, p.ship_zone, p.state, p.consumers, p.institutions,
       s.id AS sku_id, s.code AS sku_code, s.price_fen,
       (SELECT t.tiers FROM price_tiers t WHERE t.merchant_id = s.merchant_id AND t.sku_id = s.id) AS tiers,
       m.merchant_name, m.merchant_state, m.agreement_signed_on, m.licensed_until
FROM unnest(ARRAY[sku(:a::int, :p::int), sku(:b::int, :q::int)]) WITH ORDINALITY AS w (id, position)
JOIN catalog_directory d ON d.id = w.id
JOIN sku s ON s.merchant_id = d.merchant_id AND s.id = d.id
JOIN product p ON p.merchant_id = d.merchant_id AND p.id = d.product_id
JOIN merchant_standing m ON m.merchant_id = d.merchant_id
ORDER BY w.position;
INSERT INTO checkout (buyer_id, id, state, merchants, goods_fen, shipping_fen, request_key, ship_to, adult_declared_at, waiver_at, placed_at, expires_at)
VALUES (:account::uuid, made(0, :t::bigint), 'placed', ARRAY[seller(:a::int), seller(:b::int)], 2006 + 10 * (:p::bigint + :q::bigint), 0,
        'yardstick-' || :t::text, '{"recipient":"李梅","phone":"13812345678","province":"北京市","city":"北京市","district":"朝阳区","detail":"建国路1号"}'::jsonb,
        NULL, NULL, now(), now() + interval '30 minutes');
WITH o AS (
  INSERT INTO orders (merchant_id, id, checkout_id, buyer_id, merchant, state, goods_fen, shipping_fen, placed_at)
  SELECT m, i, made(0, :t::bigint), :account::uuid, name, 'placed', goods, shipping, now()
  FROM unnest(ARRAY[seller(:a::int), seller(:b::int)], ARRAY[made(1, :t::bigint), made(2, :t::bigint)], ARRAY['演练 1', '演练 2'],
              ARRAY[1003 + 10 * :p::bigint, 1003 + 10 * :q::bigint], ARRAY[0, 0]::bigint[]) AS x (m, i, name, goods, shipping))
INSERT INTO order_line (merchant_id, order_id, n, sku_id, product_id, code, name, spec, unit, return_rule, quantity, price_fen, total_fen)
SELECT * FROM unnest(ARRAY[seller(:a::int), seller(:b::int)], ARRAY[made(1, :t::bigint), made(2, :t::bigint)], ARRAY[1, 1],
  ARRAY[sku(:a::int, :p::int), sku(:b::int, :q::int)], ARRAY[sku(:a::int, :p::int), sku(:b::int, :q::int)],
  ARRAY['D00-P000', 'D01-P000'], ARRAY['亚麻籽油 1', '亚麻籽油 2'], ARRAY['1L/桶', '1L/桶'], ARRAY['桶', '桶'], ARRAY['NO_REASON_7D', 'NO_REASON_7D'],
  ARRAY[1, 1]::bigint[], ARRAY[1003 + 10 * :p::bigint, 1003 + 10 * :q::bigint], ARRAY[1003 + 10 * :p::bigint, 1003 + 10 * :q::bigint]);
INSERT INTO payment_intent (buyer_id, id, amount_fen, state, created_at, expires_at)
VALUES (:account::uuid, made(0, :t::bigint), 2006 + 10 * (:p::bigint + :q::bigint), 'new', now(), now() + interval '30 minutes');
WITH line AS (
  SELECT * FROM unnest(ARRAY[seller(:a::int), seller(:b::int)], ARRAY[sku(:a::int, :p::int), sku(:b::int, :q::int)], ARRAY[1, 1]::bigint[]) AS l (merchant_id, sku_id, qty)
), held AS MATERIALIZED (
  SELECT s.merchant_id, s.sku_id, l.qty, s.available,
         s.available + -1::bigint * l.qty >= 0 AND s.reserved + 1::bigint * l.qty >= 0 AS enough
  FROM stock s JOIN line l USING (merchant_id, sku_id)
  ORDER BY s.merchant_id, s.sku_id FOR UPDATE OF s
), whole AS MATERIALIZED (
  SELECT count(*) FILTER (WHERE enough) = 2::bigint AS yes FROM held
), moved AS (
  UPDATE stock s SET available = s.available + -1::bigint * h.qty, reserved = s.reserved + 1::bigint * h.qty, updated_at = now()
  FROM held h, whole w WHERE w.yes AND s.merchant_id = h.merchant_id AND s.sku_id = h.sku_id
)
SELECT l.merchant_id, l.sku_id, coalesce(h.available, 0) AS available
FROM line l LEFT JOIN held h USING (merchant_id, sku_id) WHERE h.enough IS NOT TRUE;
COMMIT;

BEGIN;
UPDATE payment_intent SET provider = 'sandbox', session = 'cs_test_' || :t::text, pay_url = 'http://localhost:8080/sandbox/pay/cs_test_' || :t::text,
       state = CASE state WHEN 'new' THEN 'opened' ELSE state END
WHERE buyer_id = :account::uuid AND id = made(0, :t::bigint) AND session = '' AND state IN ('new', 'canceled') RETURNING state;
UPDATE request SET status = 201, body = convert_to(repeat('{"id":"0195f3a2-7c11-7d7e-9a55-2f6c0a1b9e44"}', 35), 'UTF8')
WHERE caller = :account::uuid AND operation = 'placeCheckout' AND key = 'yardstick-' || :t::text AND status IS NULL;
COMMIT;
