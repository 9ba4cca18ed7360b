
-- And what makes a sale of it: the webhook, and the job that it is the reason of.
BEGIN;
INSERT INTO payment_event (id, provider, type, kind, buyer_id, intent_id, session, payment, amount_fen, currency,
  refund_id, refund_attempt, refund_ref, refund_state, occurred_at, received_at, processed_at, body)
VALUES ('evt_' || :t::text, 'sandbox', 'checkout.session.completed', 'paid', :account::uuid, made(0, :t::bigint), 'cs_test_' || :t::text, 'pi_' || :t::text,
        2006 + 10 * (:p::bigint + :q::bigint), 'cny', NULL, 0, '', '', now(), now(), NULL, convert_to(repeat('{"object":"event"}', 90), 'UTF8'))
ON CONFLICT ON CONSTRAINT payment_event_pkey DO NOTHING;
INSERT INTO river_job (args, created_at, kind, max_attempts, metadata, priority, queue, scheduled_at, state, finalized_at, tags)
VALUES (jsonb_build_object('event', 'evt_' || :t::text), now(), 'yardstick', 25, '{}', 1, 'yardstick', now(), 'completed', now(), '{}') RETURNING id;
COMMIT;

BEGIN;
UPDATE payment_event SET processed_at = now() WHERE id = 'evt_' || :t::text AND processed_at IS NULL
RETURNING id, provider, type, kind, buyer_id, intent_id, session, payment, amount_fen, currency, refund_id, refund_attempt, refund_ref, refund_state, occurred_at;
SELECT buyer_id, id, state, goods_fen, shipping_fen, ship_to::text AS ship_to, adult_declared_at, waiver_at, placed_at, expires_at, paid_at, closed_at
FROM checkout WHERE id = made(0, :t::bigint) FOR UPDATE;
SELECT o.merchant_id, o.id, o.checkout_id, o.buyer_id, o.merchant, o.state, o.goods_fen, o.shipping_fen, o.shipping_refunded_fen, o.placed_at, o.paid_at,
       l.n, l.sku_id, l.product_id, l.code, l.name, l.spec, l.unit, l.return_rule, l.quantity, l.price_fen, l.total_fen, l.refunded_quantity, l.refunded_fen
FROM orders o JOIN order_line l ON l.merchant_id = o.merchant_id AND l.order_id = o.id
WHERE o.checkout_id = made(0, :t::bigint) ORDER BY o.merchant_id, o.id, l.n FOR UPDATE OF o;
UPDATE payment_intent SET state = 'succeeded', provider = 'sandbox', session = 'cs_test_' || :t::text, payment = 'pi_' || :t::text, settled_at = now()
WHERE buyer_id = :account::uuid AND id = made(0, :t::bigint) AND state IN ('new', 'opened') AND amount_fen = 2006 + 10 * (:p::bigint + :q::bigint);
UPDATE checkout SET state = 'paid', paid_at = now() WHERE buyer_id = :account::uuid AND id = made(0, :t::bigint);
UPDATE orders SET state = 'paid', paid_at = now() WHERE merchant_id = ANY(ARRAY[seller(:a::int), seller(:b::int)]) AND checkout_id = made(0, :t::bigint);
WITH line AS (
  SELECT * FROM unnest(ARRAY[seller(:a::int), seller(:b::int)], ARRAY[sku(:a::int, :p::int), sku(:b::int, :q::int)], ARRAY[1, 1]::bigint[]) AS l (merchant_id, sku_id, qty)
), held AS MATERIALIZED (
  SELECT s.merchant_id, s.sku_id, l.qty, s.available,
         s.available + 0::bigint * l.qty >= 0 AND s.reserved + -1::bigint * l.qty >= 0 AS enough
  FROM stock s JOIN line l USING (merchant_id, sku_id)
  ORDER BY s.merchant_id, s.sku_id FOR UPDATE OF s
), whole AS MATERIALIZED (
  SELECT count(*) FILTER (WHERE enough) = 2::bigint AS yes FROM held
), moved AS (
  UPDATE stock s SET available = s.available + 0::bigint * h.qty, reserved = s.reserved + -1::bigint * h.qty, updated_at = now()
  FROM held h, whole w WHERE w.yes AND s.merchant_id = h.merchant_id AND s.sku_id = h.sku_id
)
SELECT l.merchant_id, l.sku_id, coalesce(h.available, 0) AS available
FROM line l LEFT JOIN held h USING (merchant_id, sku_id) WHERE h.enough IS NOT TRUE;
WITH t AS (
  INSERT INTO transfer (home, id, kind, ref, at, public, salt, moves, digest)
  SELECT home, id, kind, ref, now(), public, salt, moves, digest
  FROM unnest(ARRAY[seller(:a::int), seller(:b::int)], ARRAY[made(3, :t::bigint), made(4, :t::bigint)], ARRAY['sale', 'sale'],
              ARRAY[made(1, :t::bigint)::text, made(2, :t::bigint)::text], ARRAY[true, true], ARRAY[decode(md5(:t::text), 'hex'), decode(md5(:t::text), 'hex')], ARRAY[2, 2],
              ARRAY[digest_of(seller(:a::int), 1003 + 10 * :p::bigint), digest_of(seller(:b::int), 1003 + 10 * :q::bigint)])
       AS x (home, id, kind, ref, public, salt, moves, digest))
INSERT INTO move (home, transfer_id, n, what, source, target, amount_li)
SELECT * FROM unnest(ARRAY[seller(:a::int), seller(:a::int), seller(:b::int), seller(:b::int)],
  ARRAY[made(3, :t::bigint), made(3, :t::bigint), made(4, :t::bigint), made(4, :t::bigint)], ARRAY[1, 2, 1, 2], ARRAY['goods', 'tenth', 'goods', 'tenth'],
  ARRAY[provider(), payable(seller(:a::int)), provider(), payable(seller(:b::int))],
  ARRAY[payable(seller(:a::int)), pending(), payable(seller(:b::int)), pending()],
  ARRAY[10 * (1003 + 10 * :p::bigint), 1003 + 10 * :p::bigint, 10 * (1003 + 10 * :q::bigint), 1003 + 10 * :q::bigint]);
INSERT INTO log_pending (home, transfer_id, leaf, queued_at)
SELECT home, transfer_id, leaf, now() FROM unnest(ARRAY[seller(:a::int), seller(:b::int)], ARRAY[made(3, :t::bigint), made(4, :t::bigint)],
  ARRAY[convert_to(repeat('yardstick ', 33), 'UTF8'), convert_to(repeat('yardstick ', 33), 'UTF8')]) AS x (home, transfer_id, leaf);
COMMIT;
