-- +goose Up
CREATE TABLE merchant (
  id                       uuid        NOT NULL,
  code                     text COLLATE "C" NOT NULL,
  legal_name               text        NOT NULL,
  short_name               text        NOT NULL,
  entity_type              text        NOT NULL,
  fictional                boolean     NOT NULL,
  region                   text        NOT NULL,
  township                 text        NOT NULL,
  uscc                     text        NOT NULL,
  brands                   jsonb       NOT NULL,
  state                    text        NOT NULL,
  recommendation_no        text        NOT NULL,
  recommended_on           date,
  agreement_no             text        NOT NULL,
  agreement_signed_on      date,
  licensed_until           date        NOT NULL,
  linkage_modes            jsonb       NOT NULL,
  linked_households        bigint      NOT NULL,
  linked_poor_households   bigint      NOT NULL,
  employed_poor_persons    bigint      NOT NULL,
  land_transfer_mu         bigint      NOT NULL,
  purchase_agreements      bigint      NOT NULL,
  dividends_fen            bigint      NOT NULL,
  linkage_evidence         jsonb       NOT NULL,
  enrolled_at              timestamptz NOT NULL,
  reviewed_at              timestamptz NOT NULL,
  next_review_due          date        NOT NULL,
  updated_at               timestamptz NOT NULL,
  CONSTRAINT merchant_pkey PRIMARY KEY (id),
  CONSTRAINT merchant_code_key UNIQUE (code),
  CONSTRAINT merchant_uscc_key UNIQUE (uscc),
  CONSTRAINT merchant_state_known CHECK (state IN ('active', 'suspended', 'left')),
  CONSTRAINT merchant_uscc_length CHECK (length(uscc) = 18),
  CONSTRAINT merchant_region_is_county CHECK (region ~ '^[0-9]{6}$'),
  CONSTRAINT merchant_agreement_is_whole CHECK ((agreement_no = '') = (agreement_signed_on IS NULL)),
  CONSTRAINT merchant_linkage_not_negative CHECK (linked_households >= 0 AND linked_poor_households >= 0
    AND employed_poor_persons >= 0 AND land_transfer_mu >= 0 AND purchase_agreements >= 0 AND dividends_fen >= 0)
);
COMMENT ON TABLE merchant IS 'home: shared. A vetted enterprise. licensed_until is the last day on which every kind of licence that it holds is valid.';

CREATE TABLE licence (
  merchant_id uuid        NOT NULL,
  kind        text        NOT NULL,
  number      text        NOT NULL,
  expires_on  date        NOT NULL,
  filed_at    timestamptz NOT NULL,
  CONSTRAINT licence_pkey PRIMARY KEY (merchant_id, kind, number, expires_on),
  CONSTRAINT licence_merchant_fkey FOREIGN KEY (merchant_id) REFERENCES merchant (id),
  CONSTRAINT licence_number_length CHECK (length(number) BETWEEN 1 AND 64),
  CONSTRAINT licence_kind_length CHECK (length(kind) BETWEEN 1 AND 32)
);
CREATE TRIGGER licence_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON licence FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE licence ENABLE ALWAYS TRIGGER licence_append_only;
COMMENT ON TABLE licence IS 'home: shared. Licences as filed, history included: a renewal is a further row.';

CREATE VIEW merchant_standing AS
  SELECT id AS merchant_id, short_name AS merchant_name, state AS merchant_state, agreement_signed_on, licensed_until FROM merchant;
COMMENT ON VIEW merchant_standing IS 'What decides whether an enterprise may sell: the one thing of this context that statements of others join.';

GRANT SELECT ON merchant_standing TO shiyi_app;
GRANT SELECT, INSERT, UPDATE ON merchant TO shiyi_app;
GRANT SELECT, INSERT ON licence TO shiyi_app;
