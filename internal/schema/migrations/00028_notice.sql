-- +goose Up
CREATE TABLE notice (
  account_id uuid        NOT NULL,
  id         uuid        NOT NULL,
  key        text        NOT NULL,
  kind       text        NOT NULL,
  params     jsonb       NOT NULL,
  created_at timestamptz NOT NULL,
  read_at    timestamptz,
  CONSTRAINT notice_pkey PRIMARY KEY (account_id, id),
  CONSTRAINT notice_once UNIQUE (account_id, key),
  CONSTRAINT notice_kind_form CHECK (kind ~ '^[a-z]+\.[a-z_]+$'),
  CONSTRAINT notice_key_form CHECK (key ~ '^[!-~]{3,200}$'),
  CONSTRAINT notice_params_are_object CHECK (jsonb_typeof(params) = 'object' AND length(params::text) <= 4000)
);
CREATE INDEX notice_unread ON notice (account_id, id) WHERE read_at IS NULL;
CREATE INDEX notice_created ON notice (created_at);
COMMENT ON TABLE notice IS 'home: buyer. What an account is told: each event once, by its key. Texts are made from kind and params when they are shown; dropped after 400 days.';

CREATE TABLE notice_delivery (
  account_id   uuid        NOT NULL,
  notice_id    uuid        NOT NULL,
  channel      text        NOT NULL,
  state        text        NOT NULL,
  attempts     integer     NOT NULL,
  next_at      timestamptz,
  leased_until timestamptz,
  last_at      timestamptz,
  error        text        NOT NULL,
  CONSTRAINT notice_delivery_pkey PRIMARY KEY (account_id, notice_id, channel),
  CONSTRAINT notice_delivery_notice_fkey FOREIGN KEY (account_id, notice_id) REFERENCES notice (account_id, id),
  CONSTRAINT notice_delivery_channel_known CHECK (channel IN ('email', 'sms', 'wechat')),
  CONSTRAINT notice_delivery_state_known CHECK (state IN ('pending', 'sent', 'failed')),
  CONSTRAINT notice_delivery_pending_has_time CHECK ((state = 'pending') = (next_at IS NOT NULL)),
  CONSTRAINT notice_delivery_attempts_not_negative CHECK (attempts >= 0),
  CONSTRAINT notice_delivery_error_length CHECK (length(error) <= 40)
);
CREATE INDEX notice_delivery_due ON notice_delivery (channel, next_at) WHERE state = 'pending';
CREATE TRIGGER notice_delivery_state_moves BEFORE UPDATE OF state ON notice_delivery FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION state_moves('pending>sent', 'pending>failed');
CREATE TRIGGER notice_delivery_state_begins BEFORE INSERT ON notice_delivery FOR EACH ROW WHEN (NEW.state <> 'pending') EXECUTE FUNCTION state_begins();
ALTER TABLE notice_delivery ENABLE ALWAYS TRIGGER notice_delivery_state_moves, ENABLE ALWAYS TRIGGER notice_delivery_state_begins;
COMMENT ON TABLE notice_delivery IS 'home: buyer. A notice on its way by one channel. No address is kept here: it is looked up when the message is sent.';

CREATE TABLE notice_preference (
  account_id uuid        NOT NULL,
  topic      text        NOT NULL,
  channel    text        NOT NULL,
  enabled    boolean     NOT NULL,
  updated_at timestamptz NOT NULL,
  CONSTRAINT notice_preference_pkey PRIMARY KEY (account_id, topic, channel),
  CONSTRAINT notice_preference_topic_form CHECK (topic ~ '^[a-z]{2,20}$'),
  CONSTRAINT notice_preference_channel_known CHECK (channel IN ('email', 'sms', 'wechat'))
);
COMMENT ON TABLE notice_preference IS 'home: buyer. What an account has chosen otherwise than it is preset.';

GRANT SELECT, INSERT ON notice, notice_delivery, notice_preference TO shiyi_app;
GRANT UPDATE (read_at) ON notice TO shiyi_app;
GRANT UPDATE (state, attempts, next_at, leased_until, last_at, error) ON notice_delivery TO shiyi_app;
GRANT UPDATE (enabled, updated_at) ON notice_preference TO shiyi_app;
GRANT DELETE ON notice, notice_delivery TO shiyi_app;

-- What ended lately, and its people are to be told of.
CREATE INDEX fulfilment_goods_received ON fulfilment (goods_received_at) WHERE closed_at IS NULL;
CREATE INDEX refund_settled ON refund (settled_at);
CREATE INDEX payout_settled ON payout (settled_at);
CREATE INDEX payout_reversal_settled ON payout_reversal (settled_at);
