-- +goose Up
-- What a provider tells besides payments and refunds is a reason to look at what it says now.
ALTER TABLE payment_event DROP CONSTRAINT payment_event_kind_known,
  ADD CONSTRAINT payment_event_kind_known CHECK (kind IN ('paid', 'expired', 'refund_updated', 'refund_seen', 'dispute_moved', 'transfer_moved', 'account_moved', 'not_our_concern'));
CREATE INDEX payment_intent_by_payment ON payment_intent (payment) WHERE payment <> '';
CREATE INDEX refund_pending ON refund (created_at) WHERE state = 'pending';

CREATE TABLE payment_watermark (
  provider   text        NOT NULL,
  told_until timestamptz NOT NULL,
  CONSTRAINT payment_watermark_pkey PRIMARY KEY (provider)
);
COMMENT ON TABLE payment_watermark IS 'home: shared. Until when the provider''s list of events was read: what its webhooks did not bring is found behind it.';
GRANT SELECT, INSERT ON payment_watermark TO shiyi_app;
GRANT UPDATE (told_until) ON payment_watermark TO shiyi_app;

CREATE TABLE payee (
  merchant_id uuid        NOT NULL,
  ref         text        NOT NULL DEFAULT '',
  submitted   boolean     NOT NULL DEFAULT false,
  enabled     boolean     NOT NULL DEFAULT false,
  owed_li     bigint      NOT NULL DEFAULT 0,
  failures    integer     NOT NULL DEFAULT 0,
  retry_at    timestamptz,
  checked_at  timestamptz,
  opening_at  timestamptz,
  CONSTRAINT payee_pkey PRIMARY KEY (merchant_id),
  CONSTRAINT payee_enabled_has_ref CHECK (NOT enabled OR ref <> ''),
  CONSTRAINT payee_failures CHECK (failures >= 0)
);
CREATE INDEX payee_checked ON payee (checked_at) WHERE ref <> '';
COMMENT ON TABLE payee IS 'home: merchant. The connected account of an enterprise, or of the fund, and what is due to it and not on its way; below zero: it was paid more than is due now.';

CREATE TABLE settled_order (
  merchant_id uuid        NOT NULL,
  order_id    uuid        NOT NULL,
  due_li      bigint      NOT NULL,
  refunds     bigint      NOT NULL,
  settled_at  timestamptz NOT NULL,
  CONSTRAINT settled_order_pkey PRIMARY KEY (merchant_id, order_id),
  CONSTRAINT settled_order_order_fkey FOREIGN KEY (merchant_id, order_id) REFERENCES orders (merchant_id, id),
  CONSTRAINT settled_order_due CHECK (due_li >= 0 AND refunds >= 0)
);
COMMENT ON TABLE settled_order IS 'home: merchant. What an order that was closed is reckoned to be due, and with how many of its refunds.';

CREATE TABLE payout (
  merchant_id  uuid        NOT NULL,
  id           uuid        NOT NULL,
  order_id     uuid,
  month        text        NOT NULL DEFAULT '',
  group_id     uuid        NOT NULL,
  amount_fen   bigint      NOT NULL,
  reversed_fen bigint      NOT NULL DEFAULT 0,
  state        text        NOT NULL,
  account      text        NOT NULL,
  ref          text        NOT NULL DEFAULT '',
  failure      text        NOT NULL DEFAULT '',
  attempt      integer     NOT NULL DEFAULT 0,
  created_at   timestamptz NOT NULL,
  tried_at     timestamptz NOT NULL,
  settled_at   timestamptz,
  CONSTRAINT payout_pkey PRIMARY KEY (merchant_id, id),
  CONSTRAINT payout_order_fkey FOREIGN KEY (merchant_id, order_id) REFERENCES settled_order (merchant_id, order_id),
  CONSTRAINT payout_amount CHECK (amount_fen > 0 AND reversed_fen BETWEEN 0 AND amount_fen),
  CONSTRAINT payout_state_known CHECK (state IN ('pending', 'paid', 'failed')),
  CONSTRAINT payout_paid_has_ref CHECK ((state = 'paid') = (ref <> '')),
  CONSTRAINT payout_settled_when_settled CHECK ((state = 'pending') = (settled_at IS NULL)),
  CONSTRAINT payout_reversed_when_paid CHECK (state = 'paid' OR reversed_fen = 0),
  CONSTRAINT payout_attempt CHECK (attempt >= 0)
);
CREATE UNIQUE INDEX payout_one_an_order ON payout (merchant_id, order_id) WHERE order_id IS NOT NULL;
CREATE UNIQUE INDEX payout_one_a_month ON payout (merchant_id, month) WHERE month <> '';
CREATE UNIQUE INDEX payout_by_id ON payout (id);
CREATE INDEX payout_pending ON payout (tried_at) WHERE state = 'pending';
CREATE INDEX payout_by_state ON payout (state, id);
COMMENT ON TABLE payout IS 'home: merchant. Money that goes to a connected account: of one order, of what had stayed owed (no order), or the fund''s of a month.';

CREATE TABLE payout_reversal (
  merchant_id uuid        NOT NULL,
  id          uuid        NOT NULL,
  payout_id   uuid        NOT NULL,
  order_id    uuid        NOT NULL,
  amount_fen  bigint      NOT NULL,
  state       text        NOT NULL,
  ref         text        NOT NULL DEFAULT '',
  failure     text        NOT NULL DEFAULT '',
  created_at  timestamptz NOT NULL,
  settled_at  timestamptz,
  CONSTRAINT payout_reversal_pkey PRIMARY KEY (merchant_id, id),
  CONSTRAINT payout_reversal_payout_fkey FOREIGN KEY (merchant_id, payout_id) REFERENCES payout (merchant_id, id),
  CONSTRAINT payout_reversal_order_fkey FOREIGN KEY (merchant_id, order_id) REFERENCES settled_order (merchant_id, order_id),
  CONSTRAINT payout_reversal_amount CHECK (amount_fen > 0),
  CONSTRAINT payout_reversal_state_known CHECK (state IN ('pending', 'succeeded', 'failed')),
  CONSTRAINT payout_reversal_succeeded_has_ref CHECK ((state = 'succeeded') = (ref <> '')),
  CONSTRAINT payout_reversal_settled_when_settled CHECK ((state = 'pending') = (settled_at IS NULL))
);
CREATE INDEX payout_reversal_of ON payout_reversal (merchant_id, payout_id);
CREATE INDEX payout_reversal_pending ON payout_reversal (created_at) WHERE state = 'pending';
COMMENT ON TABLE payout_reversal IS 'home: merchant. A part of a payout that is taken back, because its order was refunded afterwards.';

CREATE TRIGGER payout_state_moves BEFORE UPDATE OF state ON payout FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION state_moves('pending>paid', 'pending>failed', 'failed>pending');
CREATE TRIGGER payout_state_begins BEFORE INSERT ON payout FOR EACH ROW WHEN (NEW.state <> 'pending') EXECUTE FUNCTION state_begins();
CREATE TRIGGER payout_reversal_state_moves BEFORE UPDATE OF state ON payout_reversal FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION state_moves('pending>succeeded', 'pending>failed');
CREATE TRIGGER payout_reversal_state_begins BEFORE INSERT ON payout_reversal FOR EACH ROW WHEN (NEW.state <> 'pending') EXECUTE FUNCTION state_begins();
ALTER TABLE payout ENABLE ALWAYS TRIGGER payout_state_moves, ENABLE ALWAYS TRIGGER payout_state_begins;
ALTER TABLE payout_reversal ENABLE ALWAYS TRIGGER payout_reversal_state_moves, ENABLE ALWAYS TRIGGER payout_reversal_state_begins;

GRANT SELECT, INSERT ON payee, settled_order, payout, payout_reversal TO shiyi_app;
GRANT UPDATE (ref, submitted, enabled, owed_li, failures, retry_at, checked_at, opening_at) ON payee TO shiyi_app;
GRANT UPDATE (due_li, refunds) ON settled_order TO shiyi_app;
GRANT UPDATE (state, reversed_fen, account, ref, failure, attempt, tried_at, settled_at) ON payout TO shiyi_app;
GRANT UPDATE (state, ref, failure, settled_at) ON payout_reversal TO shiyi_app;
