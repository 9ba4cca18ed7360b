-- +goose Up
CREATE TABLE payment_intent (
  buyer_id     uuid        NOT NULL,
  id           uuid        NOT NULL,
  amount_fen   bigint      NOT NULL,
  promised_fen bigint      NOT NULL DEFAULT 0,
  state        text        NOT NULL,
  provider     text        NOT NULL DEFAULT '',
  session      text        NOT NULL DEFAULT '',
  payment      text        NOT NULL DEFAULT '',
  pay_url      text        NOT NULL DEFAULT '',
  created_at   timestamptz NOT NULL,
  expires_at   timestamptz NOT NULL,
  settled_at   timestamptz,
  CONSTRAINT payment_intent_pkey PRIMARY KEY (buyer_id, id),
  CONSTRAINT payment_intent_amount CHECK (amount_fen BETWEEN 1 AND 99999999),
  CONSTRAINT payment_intent_promised_within CHECK (promised_fen BETWEEN 0 AND amount_fen),
  CONSTRAINT payment_intent_state_known CHECK (state IN ('new', 'opened', 'succeeded', 'canceled', 'refunding', 'refunded')),
  CONSTRAINT payment_intent_opened_has_page CHECK (state <> 'opened' OR (session <> '' AND pay_url <> '')),
  CONSTRAINT payment_intent_paid_has_payment CHECK ((state IN ('succeeded', 'refunding', 'refunded')) = (payment <> '')),
  CONSTRAINT payment_intent_settled_when_settled CHECK ((state IN ('new', 'opened')) = (settled_at IS NULL))
) WITH (fillfactor = 70);
-- A third of each page is kept free, so that what becomes of an intent stays on its page.
CREATE INDEX payment_intent_unopened ON payment_intent (created_at) WHERE state = 'new';
COMMENT ON TABLE payment_intent IS 'home: buyer. What a buyer is to pay for the checkout of the same id; promised_fen is what was asked to go back.';

CREATE TABLE refund (
  buyer_id   uuid        NOT NULL,
  id         uuid        NOT NULL,
  intent_id  uuid        NOT NULL,
  amount_fen bigint      NOT NULL,
  reason     text        NOT NULL,
  state      text        NOT NULL,
  late       boolean     NOT NULL,
  provider   text        NOT NULL,
  payment    text        NOT NULL,
  ref        text        NOT NULL DEFAULT '',
  failure    text        NOT NULL DEFAULT '',
  attempt    integer     NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL,
  settled_at timestamptz,
  CONSTRAINT refund_pkey PRIMARY KEY (buyer_id, id),
  CONSTRAINT refund_intent_fkey FOREIGN KEY (buyer_id, intent_id) REFERENCES payment_intent (buyer_id, id),
  CONSTRAINT refund_amount CHECK (amount_fen > 0),
  CONSTRAINT refund_state_known CHECK (state IN ('pending', 'succeeded', 'failed')),
  CONSTRAINT refund_reason_length CHECK (length(reason) BETWEEN 1 AND 500),
  CONSTRAINT refund_settled_when_settled CHECK ((state = 'pending') = (settled_at IS NULL)),
  CONSTRAINT refund_attempt_not_negative CHECK (attempt >= 0)
);
CREATE INDEX refund_by_intent ON refund (buyer_id, intent_id, id);
CREATE UNIQUE INDEX refund_late_once ON refund (buyer_id, payment) WHERE late;
CREATE UNIQUE INDEX refund_by_id ON refund (id);
CREATE INDEX refund_by_state ON refund (state, id);
COMMENT ON TABLE refund IS 'home: buyer. Money that goes back to a buyer; late: what was paid bought nothing.';

CREATE TABLE payment_event (
  id             text        NOT NULL,
  provider       text        NOT NULL,
  type           text        NOT NULL,
  kind           text        NOT NULL,
  buyer_id       uuid,
  intent_id      uuid,
  session        text        NOT NULL DEFAULT '',
  payment        text        NOT NULL DEFAULT '',
  amount_fen     bigint      NOT NULL DEFAULT 0,
  currency       text        NOT NULL DEFAULT '',
  refund_id      uuid,
  refund_attempt integer     NOT NULL DEFAULT 0,
  refund_ref     text        NOT NULL DEFAULT '',
  refund_state   text        NOT NULL DEFAULT '',
  occurred_at    timestamptz NOT NULL,
  received_at    timestamptz NOT NULL,
  processed_at   timestamptz,
  body           bytea       NOT NULL,
  CONSTRAINT payment_event_pkey PRIMARY KEY (id),
  CONSTRAINT payment_event_kind_known CHECK (kind IN ('paid', 'expired', 'refund_updated', 'not_our_concern')),
  CONSTRAINT payment_event_paid_whole CHECK (kind <> 'paid' OR (buyer_id IS NOT NULL AND intent_id IS NOT NULL AND payment <> '')),
  CONSTRAINT payment_event_refund_whole CHECK (kind <> 'refund_updated' OR (buyer_id IS NOT NULL AND refund_id IS NOT NULL))
) WITH (fillfactor = 70);
CREATE INDEX payment_event_waiting ON payment_event (received_at) WHERE processed_at IS NULL;
CREATE INDEX payment_event_whole ON payment_event (received_at) WHERE processed_at IS NOT NULL AND body <> '';
COMMENT ON TABLE payment_event IS 'home: shared. The provider''s webhooks as they were received, each once; processed_at when their effect was had.';
COMMENT ON COLUMN payment_event.body IS 'As it came, and so perhaps with the name and address of who paid; emptied 90 days after, when its effect was had. The row stays.';

-- A bank may send back what had arrived: then a refund fails after all, and what
-- it had emptied is not empty. A failed refund may be ordered anew.
CREATE TRIGGER payment_intent_state_moves BEFORE UPDATE OF state ON payment_intent FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION state_moves('new>opened', 'new>succeeded', 'new>canceled', 'opened>succeeded', 'opened>canceled',
    'succeeded>refunded', 'canceled>refunding', 'refunding>refunded', 'refunded>succeeded', 'refunded>refunding');
CREATE TRIGGER refund_state_moves BEFORE UPDATE OF state ON refund FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION state_moves('pending>succeeded', 'pending>failed', 'succeeded>failed', 'failed>pending');
CREATE TRIGGER payment_intent_state_begins BEFORE INSERT ON payment_intent FOR EACH ROW WHEN (NEW.state <> 'new') EXECUTE FUNCTION state_begins();
CREATE TRIGGER refund_state_begins BEFORE INSERT ON refund FOR EACH ROW WHEN (NEW.state <> 'pending') EXECUTE FUNCTION state_begins();
ALTER TABLE payment_intent ENABLE ALWAYS TRIGGER payment_intent_state_moves, ENABLE ALWAYS TRIGGER payment_intent_state_begins;
ALTER TABLE refund ENABLE ALWAYS TRIGGER refund_state_moves, ENABLE ALWAYS TRIGGER refund_state_begins;

GRANT SELECT, INSERT ON payment_intent, refund, payment_event TO shiyi_app;
GRANT UPDATE (state, promised_fen, provider, session, payment, pay_url, settled_at) ON payment_intent TO shiyi_app;
GRANT UPDATE (state, ref, failure, attempt, settled_at) ON refund TO shiyi_app;
GRANT UPDATE (processed_at, body) ON payment_event TO shiyi_app;
