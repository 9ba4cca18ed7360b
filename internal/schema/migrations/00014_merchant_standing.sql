-- +goose Up
-- Re-verification: a review is what buyers write.
ALTER TABLE merchant RENAME COLUMN reviewed_at TO verified_at;
ALTER TABLE merchant RENAME COLUMN next_review_due TO reverification_due;
CREATE INDEX merchant_by_reverification ON merchant (reverification_due, id) WHERE state <> 'left';
CREATE TRIGGER merchant_state_moves BEFORE UPDATE OF state ON merchant FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION state_moves('active>suspended', 'suspended>active', 'active>left', 'suspended>left');
CREATE TRIGGER merchant_state_begins BEFORE INSERT ON merchant FOR EACH ROW WHEN (NEW.state <> 'active') EXECUTE FUNCTION state_begins();
ALTER TABLE merchant ENABLE ALWAYS TRIGGER merchant_state_moves, ENABLE ALWAYS TRIGGER merchant_state_begins;

-- A licence that was withdrawn with its kind may be entered once more.
ALTER TABLE licence
  ADD COLUMN issued_on     date,
  ADD COLUMN product_kinds jsonb NOT NULL DEFAULT '[]',
  ADD COLUMN files         jsonb NOT NULL DEFAULT '[]',
  DROP CONSTRAINT licence_pkey,
  ADD CONSTRAINT licence_pkey PRIMARY KEY (merchant_id, kind, number, expires_on, filed_at),
  ADD CONSTRAINT licence_dates CHECK (issued_on <= expires_on),
  ADD CONSTRAINT licence_lists CHECK (jsonb_typeof(product_kinds) = 'array' AND jsonb_typeof(files) = 'array');
ALTER TABLE licence ALTER COLUMN product_kinds DROP DEFAULT, ALTER COLUMN files DROP DEFAULT;
COMMENT ON TABLE licence IS 'home: shared. Licences that were accepted, history included: a renewal is a further row. files are the ids of the scans that were looked at.';

CREATE TABLE licence_withdrawal (
  merchant_id  uuid        NOT NULL,
  id           uuid        NOT NULL,
  kind         text        NOT NULL,
  reason       text        NOT NULL,
  withdrawn_by uuid        NOT NULL,
  at           timestamptz NOT NULL,
  CONSTRAINT licence_withdrawal_pkey PRIMARY KEY (merchant_id, id),
  CONSTRAINT licence_withdrawal_merchant_fkey FOREIGN KEY (merchant_id) REFERENCES merchant (id),
  CONSTRAINT licence_withdrawal_kind_length CHECK (length(kind) BETWEEN 1 AND 32),
  CONSTRAINT licence_withdrawal_reason_length CHECK (length(reason) BETWEEN 2 AND 500)
);
CREATE TRIGGER licence_withdrawal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON licence_withdrawal FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE licence_withdrawal ENABLE ALWAYS TRIGGER licence_withdrawal_append_only;
COMMENT ON TABLE licence_withdrawal IS 'home: merchant. From then on the licences of this kind that were filed before count no longer: what they were for is not made any more.';

CREATE VIEW licence_held AS
  SELECT l.* FROM licence l
  WHERE NOT EXISTS (SELECT FROM licence_withdrawal w WHERE w.merchant_id = l.merchant_id AND w.kind = l.kind AND w.at >= l.filed_at);
COMMENT ON VIEW licence_held IS 'The licences that count, in force or not: those whose kind was not withdrawn since.';

CREATE VIEW merchant_ending AS
  (SELECT DISTINCT ON (l.merchant_id, l.kind) l.merchant_id, 'licence' AS subject, l.kind, l.number, l.expires_on AS due_on
   FROM licence_held l JOIN merchant m ON m.id = l.merchant_id WHERE m.state <> 'left'
   ORDER BY l.merchant_id, l.kind, l.expires_on DESC, l.number)
  UNION ALL SELECT id, 'reverification', '', '', reverification_due FROM merchant WHERE state <> 'left';
COMMENT ON VIEW merchant_ending IS 'What of an enterprise that is with us ends next, and its last day: of each kind of licence the newest, and its verification.';

-- Every column of a view that was there keeps its place.
CREATE OR REPLACE VIEW merchant_standing AS
  SELECT id AS merchant_id, short_name AS merchant_name, state AS merchant_state, agreement_signed_on, licensed_until,
         code AS merchant_code, verified_at, reverification_due FROM merchant;
COMMENT ON VIEW merchant_standing IS 'What decides whether an enterprise may sell, and when it must be verified again.';

CREATE TABLE reverification (
  merchant_id uuid        NOT NULL,
  id          uuid        NOT NULL,
  checked     text        NOT NULL,
  due_on      date        NOT NULL,
  verified_by uuid        NOT NULL,
  at          timestamptz NOT NULL,
  CONSTRAINT reverification_pkey PRIMARY KEY (merchant_id, id),
  CONSTRAINT reverification_merchant_fkey FOREIGN KEY (merchant_id) REFERENCES merchant (id),
  CONSTRAINT reverification_checked_length CHECK (length(checked) BETWEEN 2 AND 2000)
);
CREATE TRIGGER reverification_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON reverification FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE reverification ENABLE ALWAYS TRIGGER reverification_append_only;
COMMENT ON TABLE reverification IS 'home: merchant. What was checked when an enterprise was verified again, at least every six months (E-Commerce Law 27), and when the next time is due.';

CREATE TABLE sanction (
  merchant_id uuid        NOT NULL,
  id          uuid        NOT NULL,
  kind        text        NOT NULL,
  notice_zh   text        NOT NULL,
  notice_en   text        NOT NULL,
  reason      text        NOT NULL,
  imposed_by  uuid        NOT NULL,
  since       timestamptz NOT NULL,
  CONSTRAINT sanction_pkey PRIMARY KEY (merchant_id, id),
  CONSTRAINT sanction_merchant_fkey FOREIGN KEY (merchant_id) REFERENCES merchant (id),
  CONSTRAINT sanction_kind_known CHECK (kind IN ('warning', 'suspension', 'reinstatement', 'exclusion')),
  CONSTRAINT sanction_notice_length CHECK (length(notice_zh) BETWEEN 2 AND 500 AND length(notice_en) BETWEEN 2 AND 500),
  CONSTRAINT sanction_reason_length CHECK (length(reason) BETWEEN 2 AND 500)
);
CREATE TRIGGER sanction_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON sanction FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE sanction ENABLE ALWAYS TRIGGER sanction_append_only;
COMMENT ON TABLE sanction IS 'home: merchant. What was done about an enterprise, on the public record: the notices are for everybody, the reason is for operators and auditors.';

CREATE TABLE licence_filing (
  merchant_id   uuid        NOT NULL,
  id            uuid        NOT NULL,
  kind          text        NOT NULL,
  number        text        NOT NULL,
  issued_on     date,
  expires_on    date        NOT NULL,
  product_kinds jsonb       NOT NULL,
  files         jsonb       NOT NULL,
  filed_by      uuid        NOT NULL,
  filed_at      timestamptz NOT NULL,
  CONSTRAINT licence_filing_pkey PRIMARY KEY (merchant_id, id),
  CONSTRAINT licence_filing_merchant_fkey FOREIGN KEY (merchant_id) REFERENCES merchant (id),
  CONSTRAINT licence_filing_number_length CHECK (length(number) BETWEEN 1 AND 64),
  CONSTRAINT licence_filing_kind_length CHECK (length(kind) BETWEEN 1 AND 32),
  CONSTRAINT licence_filing_dates CHECK (issued_on <= expires_on)
);
CREATE UNIQUE INDEX licence_filing_by_id ON licence_filing (id);
CREATE TRIGGER licence_filing_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON licence_filing FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE licence_filing ENABLE ALWAYS TRIGGER licence_filing_append_only;
COMMENT ON TABLE licence_filing IS 'home: merchant. Licences that an enterprise asks to be accepted. What became of one is in licence_decision; an accepted one is in licence, too.';

CREATE TABLE licence_decision (
  merchant_id uuid        NOT NULL,
  filing_id   uuid        NOT NULL,
  verdict     text        NOT NULL,
  reason      text        NOT NULL,
  decided_by  uuid        NOT NULL,
  at          timestamptz NOT NULL,
  CONSTRAINT licence_decision_pkey PRIMARY KEY (merchant_id, filing_id),
  CONSTRAINT licence_decision_filing_fkey FOREIGN KEY (merchant_id, filing_id) REFERENCES licence_filing (merchant_id, id),
  CONSTRAINT licence_decision_verdict_known CHECK (verdict IN ('accepted', 'declined')),
  CONSTRAINT licence_decision_reason_given CHECK (verdict = 'accepted' OR length(reason) BETWEEN 2 AND 500)
);
-- +goose StatementBegin
CREATE FUNCTION licence_decision_by_another() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.decided_by = (SELECT filed_by FROM licence_filing WHERE merchant_id = NEW.merchant_id AND id = NEW.filing_id) THEN
    RAISE EXCEPTION 'who filed a licence is refused to decide on it'
      USING ERRCODE = 'restrict_violation', CONSTRAINT = 'licence_decision_by_another';
  END IF;
  RETURN NEW;
END
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION licence_decision_by_another() IS 'trigger: who filed a licence does not decide on it';
CREATE TRIGGER licence_decision_by_another BEFORE INSERT ON licence_decision FOR EACH ROW EXECUTE FUNCTION licence_decision_by_another();
CREATE TRIGGER licence_decision_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON licence_decision FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE licence_decision ENABLE ALWAYS TRIGGER licence_decision_append_only, ENABLE ALWAYS TRIGGER licence_decision_by_another;
COMMENT ON TABLE licence_decision IS 'home: merchant. What became of a licence that was filed: decided once, by another than who filed it.';

CREATE TABLE merchant_alert (
  merchant_id     uuid        NOT NULL,
  id              uuid        NOT NULL,
  subject         text        NOT NULL,
  kind            text        NOT NULL,
  number          text        NOT NULL,
  due_on          date        NOT NULL,
  days            smallint    NOT NULL,
  raised_at       timestamptz NOT NULL,
  acknowledged_at timestamptz,
  acknowledged_by uuid,
  CONSTRAINT merchant_alert_pkey PRIMARY KEY (merchant_id, id),
  CONSTRAINT merchant_alert_merchant_fkey FOREIGN KEY (merchant_id) REFERENCES merchant (id),
  CONSTRAINT merchant_alert_once UNIQUE (merchant_id, subject, kind, number, due_on, days),
  CONSTRAINT merchant_alert_subject_known CHECK (subject IN ('licence', 'reverification', 'leaving')),
  CONSTRAINT merchant_alert_days_known CHECK (days IN (90, 30, 7, 0)),
  CONSTRAINT merchant_alert_acknowledged_whole CHECK ((acknowledged_at IS NULL) = (acknowledged_by IS NULL))
);
CREATE INDEX merchant_alert_by_id ON merchant_alert (id);
COMMENT ON TABLE merchant_alert IS 'home: merchant. Said once for each licence or verification and threshold: 90, 30 and 7 days before its last day, and 0 when that is over. It stands while merchant_ending has it. leaving is an enterprise''s wish to leave.';

GRANT SELECT ON licence_held, merchant_ending TO shiyi_app;
GRANT SELECT, INSERT ON licence_withdrawal, reverification, sanction, licence_filing, licence_decision, merchant_alert TO shiyi_app;
GRANT UPDATE (acknowledged_at, acknowledged_by) ON merchant_alert TO shiyi_app;
