-- +goose Up
CREATE TABLE aftersale_case (
  merchant_id uuid        NOT NULL,
  id          uuid        NOT NULL,
  order_id    uuid        NOT NULL,
  buyer_id    uuid        NOT NULL,
  kind        text        NOT NULL,
  reason      text        NOT NULL,
  body        text        NOT NULL,
  pictures    jsonb       NOT NULL,
  lines       jsonb       NOT NULL,
  state       text        NOT NULL,
  opened_at   timestamptz NOT NULL,
  due_at      timestamptz,
  carrier     text        NOT NULL DEFAULT '',
  tracking_no text        NOT NULL DEFAULT '',
  refund_id   uuid,
  closed_at   timestamptz,
  CONSTRAINT aftersale_case_pkey PRIMARY KEY (merchant_id, id),
  CONSTRAINT aftersale_case_order_fkey FOREIGN KEY (merchant_id, order_id) REFERENCES orders (merchant_id, id),
  CONSTRAINT aftersale_case_kind_known CHECK (kind IN ('return_refund', 'refund_only')),
  CONSTRAINT aftersale_case_reason_known CHECK (reason IN ('no_reason', 'quality', 'wrong_goods', 'damaged', 'missing', 'not_received')),
  CONSTRAINT aftersale_case_state_known CHECK (state IN ('requested', 'approved', 'refused', 'sent_back', 'escalated', 'refunded', 'rejected', 'withdrawn', 'lapsed')),
  CONSTRAINT aftersale_case_body_length CHECK (length(body) <= 500),
  CONSTRAINT aftersale_case_refunded_when_refunded CHECK (refund_id IS NULL OR state = 'refunded'),
  CONSTRAINT aftersale_case_due CHECK ((due_at IS NOT NULL) = (state IN ('requested', 'approved', 'sent_back', 'refused'))),
  CONSTRAINT aftersale_case_closed_when_closed CHECK ((closed_at IS NOT NULL) = (state IN ('refunded', 'rejected', 'withdrawn', 'lapsed')))
);
CREATE UNIQUE INDEX aftersale_case_one_open ON aftersale_case (merchant_id, order_id) WHERE closed_at IS NULL;
CREATE INDEX aftersale_case_by_order ON aftersale_case (merchant_id, order_id, id);
CREATE INDEX aftersale_case_by_id ON aftersale_case (id);
CREATE INDEX aftersale_case_by_buyer ON aftersale_case (buyer_id, id);
CREATE INDEX aftersale_case_due ON aftersale_case (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX aftersale_case_escalated ON aftersale_case (id) WHERE state = 'escalated';
CREATE TRIGGER aftersale_case_state_begins BEFORE INSERT ON aftersale_case FOR EACH ROW WHEN (NEW.state <> 'requested') EXECUTE FUNCTION state_begins();
CREATE TRIGGER aftersale_case_state_moves BEFORE UPDATE OF state ON aftersale_case FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION state_moves('requested>approved', 'requested>refunded', 'requested>refused', 'requested>withdrawn',
    'approved>sent_back', 'approved>withdrawn', 'approved>lapsed', 'sent_back>refunded', 'sent_back>refused',
    'refused>escalated', 'refused>withdrawn', 'refused>lapsed',
    'escalated>approved', 'escalated>refunded', 'escalated>rejected', 'escalated>withdrawn');
ALTER TABLE aftersale_case ENABLE ALWAYS TRIGGER aftersale_case_state_begins, ENABLE ALWAYS TRIGGER aftersale_case_state_moves;
COMMENT ON TABLE aftersale_case IS 'home: merchant. What a buyer asks for after the sale: money back for goods that come back, or the money alone. due_at is when the program acts in place of who has not.';

CREATE TABLE aftersale_event (
  merchant_id uuid        NOT NULL,
  case_id     uuid        NOT NULL,
  n           integer     NOT NULL,
  action      text        NOT NULL,
  state       text        NOT NULL,
  role        text        NOT NULL,
  actor_id    uuid        NOT NULL,
  note        text        NOT NULL,
  at          timestamptz NOT NULL,
  CONSTRAINT aftersale_event_pkey PRIMARY KEY (merchant_id, case_id, n),
  CONSTRAINT aftersale_event_case_fkey FOREIGN KEY (merchant_id, case_id) REFERENCES aftersale_case (merchant_id, id),
  CONSTRAINT aftersale_event_n_counts CHECK (n > 0),
  CONSTRAINT aftersale_event_role_known CHECK (role IN ('buyer', 'merchant', 'operator', 'system')),
  CONSTRAINT aftersale_event_note_length CHECK (length(note) <= 500)
);
CREATE TRIGGER aftersale_event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON aftersale_event FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE aftersale_event ENABLE ALWAYS TRIGGER aftersale_event_append_only;
COMMENT ON TABLE aftersale_event IS 'home: merchant. What was done about a case, by whom and why, and the state that it came to.';

CREATE TABLE compensation (
  merchant_id uuid        NOT NULL,
  id          uuid        NOT NULL,
  order_id    uuid        NOT NULL,
  buyer_id    uuid        NOT NULL,
  amount_fen  bigint      NOT NULL,
  reason      text        NOT NULL,
  digest      bytea       NOT NULL,
  state       text        NOT NULL,
  proposed_by uuid        NOT NULL,
  proposed_at timestamptz NOT NULL,
  decided_by  uuid,
  decided_at  timestamptz,
  note        text        NOT NULL DEFAULT '',
  CONSTRAINT compensation_pkey PRIMARY KEY (merchant_id, id),
  CONSTRAINT compensation_order_fkey FOREIGN KEY (merchant_id, order_id) REFERENCES orders (merchant_id, id),
  CONSTRAINT compensation_amount CHECK (amount_fen > 0),
  CONSTRAINT compensation_reason_length CHECK (length(reason) BETWEEN 2 AND 500),
  CONSTRAINT compensation_digest_is_sha256 CHECK (length(digest) = 32),
  CONSTRAINT compensation_state_known CHECK (state IN ('proposed', 'approved', 'refused', 'withdrawn')),
  CONSTRAINT compensation_decided_when_decided CHECK ((state = 'proposed') = (decided_at IS NULL) AND (decided_at IS NULL) = (decided_by IS NULL)),
  CONSTRAINT compensation_four_eyes CHECK (state NOT IN ('approved', 'refused') OR decided_by <> proposed_by),
  CONSTRAINT compensation_withdrawn_by_proposer CHECK (state <> 'withdrawn' OR decided_by = proposed_by)
);
CREATE INDEX compensation_by_id ON compensation (id);
CREATE INDEX compensation_by_order ON compensation (merchant_id, order_id);
CREATE TRIGGER compensation_state_begins BEFORE INSERT ON compensation FOR EACH ROW WHEN (NEW.state <> 'proposed') EXECUTE FUNCTION state_begins();
CREATE TRIGGER compensation_state_moves BEFORE UPDATE OF state ON compensation FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION state_moves('proposed>approved', 'proposed>refused', 'proposed>withdrawn');
ALTER TABLE compensation ENABLE ALWAYS TRIGGER compensation_state_begins, ENABLE ALWAYS TRIGGER compensation_state_moves;
COMMENT ON TABLE compensation IS 'home: merchant. Goodwill for the buyer of an order whose window of returns is over: one operator proposes, another approves exactly what the digest says.';

GRANT SELECT, INSERT ON aftersale_case, aftersale_event, compensation TO shiyi_app;
GRANT UPDATE (state, due_at, carrier, tracking_no, refund_id, closed_at) ON aftersale_case TO shiyi_app;
GRANT UPDATE (state, decided_by, decided_at, note) ON compensation TO shiyi_app;
