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
