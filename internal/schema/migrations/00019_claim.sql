-- +goose Up
CREATE TABLE price_claim (
  merchant_id   uuid        NOT NULL,
  id            uuid        NOT NULL,
  product_id    uuid        NOT NULL,
  sku_id        uuid        NOT NULL,
  platform      text        NOT NULL,
  reference_fen bigint      NOT NULL,
  basis         text        NOT NULL,
  net_content   bigint      NOT NULL,
  net_unit      text        NOT NULL,
  captured_at   timestamptz NOT NULL,
  expires_at    timestamptz NOT NULL,
  evidence      text        NOT NULL,
  files         jsonb       NOT NULL,
  filed_by      uuid        NOT NULL,
  filed_at      timestamptz NOT NULL,
  CONSTRAINT price_claim_pkey PRIMARY KEY (merchant_id, id),
  CONSTRAINT price_claim_once UNIQUE (merchant_id, sku_id, platform, captured_at),
  CONSTRAINT price_claim_sku_fkey FOREIGN KEY (merchant_id, sku_id) REFERENCES sku (merchant_id, id),
  CONSTRAINT price_claim_reference_range CHECK (reference_fen BETWEEN 1 AND 10000000000000),
  CONSTRAINT price_claim_basis_known CHECK (basis IN ('SAME_SKU', 'SAME_SPEC_SIMILAR_GRADE')),
  CONSTRAINT price_claim_net_content_unit CHECK (net_unit IN ('g', 'mL', '') AND net_content >= 0 AND (net_unit = '') = (net_content = 0)),
  CONSTRAINT price_claim_captured_before_filed CHECK (captured_at <= filed_at AND filed_at < expires_at),
  CONSTRAINT price_claim_has_evidence CHECK (evidence <> '' OR jsonb_array_length(files) > 0)
);
CREATE INDEX price_claim_by_sku ON price_claim (sku_id, captured_at);
CREATE INDEX price_claim_by_id ON price_claim (id);
CREATE INDEX price_claim_by_expiry ON price_claim (expires_at);
CREATE TRIGGER price_claim_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON price_claim FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE price_claim ENABLE ALWAYS TRIGGER price_claim_append_only;
COMMENT ON TABLE price_claim IS 'home: merchant. That a SKU is cheaper than elsewhere, with its evidence (price marking provisions 16 and 17). net_content and net_unit are those of what was compared.';

CREATE TABLE price_claim_decision (
  merchant_id uuid        NOT NULL,
  claim_id    uuid        NOT NULL,
  verdict     text        NOT NULL,
  reason      text        NOT NULL,
  actor_id    uuid        NOT NULL,
  at          timestamptz NOT NULL,
  CONSTRAINT price_claim_decision_pkey PRIMARY KEY (merchant_id, claim_id, verdict),
  CONSTRAINT price_claim_decision_claim_fkey FOREIGN KEY (merchant_id, claim_id) REFERENCES price_claim (merchant_id, id),
  CONSTRAINT price_claim_decision_verdict_known CHECK (verdict IN ('confirmed', 'rejected', 'withdrawn')),
  CONSTRAINT price_claim_decision_reason CHECK (verdict = 'confirmed' OR length(reason) BETWEEN 2 AND 500)
);
CREATE UNIQUE INDEX price_claim_decided_once ON price_claim_decision (merchant_id, claim_id) WHERE verdict <> 'withdrawn';
CREATE TRIGGER price_claim_decision_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON price_claim_decision FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE price_claim_decision ENABLE ALWAYS TRIGGER price_claim_decision_append_only;
COMMENT ON TABLE price_claim_decision IS 'home: merchant. What became of a price claim: an operator confirms or rejects it once, and it may be withdrawn once.';

CREATE TABLE cheaper_report (
  reporter_id uuid        NOT NULL,
  id          uuid        NOT NULL,
  merchant_id uuid        NOT NULL,
  product_id  uuid        NOT NULL,
  place       text        NOT NULL,
  price_fen   bigint      NOT NULL,
  url         text        NOT NULL,
  files       jsonb       NOT NULL,
  note        text        NOT NULL,
  state       text        NOT NULL,
  reported_at timestamptz NOT NULL,
  outcome     text        NOT NULL DEFAULT '',
  reason      text        NOT NULL DEFAULT '',
  resolved_by uuid,
  resolved_at timestamptz,
  CONSTRAINT cheaper_report_pkey PRIMARY KEY (reporter_id, id),
  CONSTRAINT cheaper_report_place_length CHECK (length(place) BETWEEN 1 AND 120),
  CONSTRAINT cheaper_report_price_range CHECK (price_fen BETWEEN 1 AND 10000000000000),
  CONSTRAINT cheaper_report_state_known CHECK (state IN ('open', 'resolved')),
  CONSTRAINT cheaper_report_outcome_known CHECK (outcome IN ('', 'claim_withdrawn', 'not_comparable', 'noted')),
  CONSTRAINT cheaper_report_resolved_when_resolved CHECK ((state = 'resolved') = (outcome <> '') AND (state = 'resolved') = (resolved_at IS NOT NULL)
    AND (state = 'resolved') = (resolved_by IS NOT NULL))
);
CREATE UNIQUE INDEX cheaper_report_one_open ON cheaper_report (reporter_id, product_id) WHERE state = 'open';
CREATE INDEX cheaper_report_by_id ON cheaper_report (id);
COMMENT ON TABLE cheaper_report IS 'home: buyer. Where somebody found a product cheaper, and what became of it.';
CREATE TRIGGER cheaper_report_state_moves BEFORE UPDATE OF state ON cheaper_report FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION state_moves('open>resolved');
CREATE TRIGGER cheaper_report_state_begins BEFORE INSERT ON cheaper_report FOR EACH ROW WHEN (NEW.state <> 'open') EXECUTE FUNCTION state_begins();
ALTER TABLE cheaper_report ENABLE ALWAYS TRIGGER cheaper_report_state_moves, ENABLE ALWAYS TRIGGER cheaper_report_state_begins;

-- What search asks; the context claim computes the same for what it shows.
CREATE VIEW price_claim_holding AS
  SELECT k.merchant_id, k.product_id, k.id AS sku_id, c.captured_at, c.expires_at
  FROM sku k JOIN product p ON p.merchant_id = k.merchant_id AND p.id = k.product_id
  CROSS JOIN LATERAL (
    SELECT c.* FROM price_claim c JOIN price_claim_decision d ON d.merchant_id = c.merchant_id AND d.claim_id = c.id AND d.verdict = 'confirmed'
    WHERE c.merchant_id = k.merchant_id AND c.sku_id = k.id AND NOT EXISTS (SELECT FROM price_claim_decision w
      WHERE w.merchant_id = c.merchant_id AND w.claim_id = c.id AND w.verdict = 'withdrawn')
    ORDER BY c.captured_at DESC, c.id DESC LIMIT 1
  ) c
  WHERE k.price_fen < c.reference_fen AND c.net_content = p.net_content AND c.net_unit = p.net_unit;
COMMENT ON VIEW price_claim_holding IS 'SKUs of which the newest confirmed claim holds at this price between captured_at and expires_at.';

GRANT SELECT ON price_claim_holding TO shiyi_app;
GRANT SELECT, INSERT ON price_claim, price_claim_decision, cheaper_report TO shiyi_app;
GRANT UPDATE (state, outcome, reason, resolved_by, resolved_at) ON cheaper_report TO shiyi_app;
