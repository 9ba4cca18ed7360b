-- +goose Up
CREATE TABLE webhook_endpoint (
  merchant_id     uuid        NOT NULL,
  id              uuid        NOT NULL,
  url             text        NOT NULL,
  events          jsonb       NOT NULL,
  state           text        NOT NULL,
  because         text        NOT NULL,
  secret          bytea       NOT NULL,
  previous_secret bytea,
  previous_until  timestamptz,
  failing_since   timestamptz,
  created_at      timestamptz NOT NULL,
  updated_at      timestamptz NOT NULL,
  CONSTRAINT webhook_endpoint_pkey PRIMARY KEY (merchant_id, id),
  CONSTRAINT webhook_endpoint_url_length CHECK (length(url) BETWEEN 1 AND 500),
  CONSTRAINT webhook_endpoint_events_are_object CHECK (jsonb_typeof(events) = 'object'),
  CONSTRAINT webhook_endpoint_state_known CHECK (state IN ('enabled', 'disabled')),
  CONSTRAINT webhook_endpoint_disabled_has_reason CHECK ((state = 'disabled') = (because <> '') AND because IN ('', 'owner', 'gone', 'failing')),
  CONSTRAINT webhook_endpoint_secret_length CHECK (length(secret) = 32 AND length(previous_secret) = 32),
  CONSTRAINT webhook_endpoint_previous_whole CHECK ((previous_secret IS NULL) = (previous_until IS NULL))
);
CREATE TRIGGER webhook_endpoint_state_begins BEFORE INSERT ON webhook_endpoint FOR EACH ROW WHEN (NEW.state <> 'enabled') EXECUTE FUNCTION state_begins();
ALTER TABLE webhook_endpoint ENABLE ALWAYS TRIGGER webhook_endpoint_state_begins;
COMMENT ON TABLE webhook_endpoint IS 'home: merchant. Where an enterprise wants to hear of events. events: each type that it hears of, and since when. because: who or what disabled it.';
COMMENT ON COLUMN webhook_endpoint.secret IS 'As it is, for every message is signed with it; shown to its owner once.';

CREATE TABLE webhook_event (
  merchant_id uuid        NOT NULL,
  id          uuid        NOT NULL,
  type        text        NOT NULL,
  ref         text        NOT NULL,
  occurred_at timestamptz NOT NULL,
  created_at  timestamptz NOT NULL,
  body        text        NOT NULL,
  CONSTRAINT webhook_event_pkey PRIMARY KEY (merchant_id, id),
  CONSTRAINT webhook_event_once UNIQUE (merchant_id, type, ref),
  CONSTRAINT webhook_event_ref_length CHECK (length(ref) BETWEEN 1 AND 200),
  CONSTRAINT webhook_event_body_length CHECK (octet_length(body) BETWEEN 2 AND 65536)
);
CREATE INDEX webhook_event_last ON webhook_event (merchant_id, type, occurred_at);
CREATE INDEX webhook_event_created ON webhook_event (created_at);
CREATE TRIGGER webhook_event_append_only BEFORE UPDATE OR TRUNCATE ON webhook_event FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE webhook_event ENABLE ALWAYS TRIGGER webhook_event_append_only;
COMMENT ON TABLE webhook_event IS 'home: merchant. What an enterprise is told of: each fact once, by type and ref. body is what is sent, without personal data; dropped after 60 days.';

CREATE TABLE webhook_delivery (
  merchant_id  uuid        NOT NULL,
  id           uuid        NOT NULL,
  endpoint_id  uuid        NOT NULL,
  event_id     uuid        NOT NULL,
  state        text        NOT NULL,
  attempts     integer     NOT NULL,
  next_at      timestamptz,
  leased_until timestamptz,
  last_at      timestamptz,
  status       integer     NOT NULL,
  error        text        NOT NULL,
  response     text        NOT NULL,
  created_at   timestamptz NOT NULL,
  CONSTRAINT webhook_delivery_pkey PRIMARY KEY (merchant_id, id),
  CONSTRAINT webhook_delivery_once UNIQUE (merchant_id, event_id, endpoint_id),
  CONSTRAINT webhook_delivery_endpoint_fkey FOREIGN KEY (merchant_id, endpoint_id) REFERENCES webhook_endpoint (merchant_id, id),
  CONSTRAINT webhook_delivery_event_fkey FOREIGN KEY (merchant_id, event_id) REFERENCES webhook_event (merchant_id, id),
  CONSTRAINT webhook_delivery_state_known CHECK (state IN ('pending', 'delivered', 'failed')),
  CONSTRAINT webhook_delivery_pending_has_time CHECK ((state = 'pending') = (next_at IS NOT NULL)),
  CONSTRAINT webhook_delivery_attempts_not_negative CHECK (attempts >= 0),
  CONSTRAINT webhook_delivery_response_length CHECK (octet_length(response) <= 1024 AND length(error) <= 40)
);
CREATE INDEX webhook_delivery_due ON webhook_delivery (merchant_id, endpoint_id, next_at) WHERE state = 'pending';
CREATE INDEX webhook_delivery_by_endpoint ON webhook_delivery (merchant_id, endpoint_id, id);
CREATE INDEX webhook_delivery_created ON webhook_delivery (created_at);
CREATE TRIGGER webhook_delivery_state_moves BEFORE UPDATE OF state ON webhook_delivery FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION state_moves('pending>delivered', 'pending>failed', 'delivered>pending', 'failed>pending');
CREATE TRIGGER webhook_delivery_state_begins BEFORE INSERT ON webhook_delivery FOR EACH ROW WHEN (NEW.state <> 'pending') EXECUTE FUNCTION state_begins();
ALTER TABLE webhook_delivery ENABLE ALWAYS TRIGGER webhook_delivery_state_moves, ENABLE ALWAYS TRIGGER webhook_delivery_state_begins;
COMMENT ON TABLE webhook_delivery IS 'home: merchant. An event on its way to an endpoint, with what the last attempt brought; dropped after 30 days.';

GRANT SELECT, INSERT ON webhook_endpoint, webhook_event, webhook_delivery TO shiyi_app;
GRANT UPDATE (url, events, state, because, secret, previous_secret, previous_until, failing_since, updated_at) ON webhook_endpoint TO shiyi_app;
GRANT UPDATE (state, attempts, next_at, leased_until, last_at, status, error, response) ON webhook_delivery TO shiyi_app;
GRANT DELETE ON webhook_event, webhook_delivery TO shiyi_app;
