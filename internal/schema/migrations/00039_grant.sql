-- +goose Up

-- A grant is bound to the kind of its programme, too: when that changed in the same words, the rest was paid for what
-- nobody had approved. Those proposed before have none, and their digest none.
ALTER TABLE fund_grant ADD COLUMN kind text COLLATE "C",
  ADD CONSTRAINT fund_grant_kind_fkey FOREIGN KEY (kind) REFERENCES programme_kind (code);

-- One entry of the bank pays once, and comes back once. Where several payments gave the same reference, the later ones get
-- their own id behind it.
UPDATE disbursement d SET bank_reference = left(d.bank_reference, 27) || ' ' || d.id
  WHERE d.kind = 'payment' AND d.state = 'done' AND EXISTS (
    SELECT FROM disbursement o WHERE o.kind = 'payment' AND o.state = 'done' AND o.bank_reference = d.bank_reference AND o.id < d.id);
CREATE UNIQUE INDEX disbursement_pays_once ON disbursement (bank_reference) WHERE kind = 'payment' AND state = 'done';
CREATE UNIQUE INDEX disbursement_comes_back_once ON disbursement (grant_id, bank_reference) WHERE kind = 'return' AND state IN ('requested', 'done');

CREATE TABLE other_money_withdrawal (
  other_money_id uuid        NOT NULL,
  reason         text        NOT NULL,
  withdrawn_by   uuid        NOT NULL,
  withdrawn_at   timestamptz NOT NULL,
  CONSTRAINT other_money_withdrawal_pkey PRIMARY KEY (other_money_id),
  CONSTRAINT other_money_withdrawal_money_fkey FOREIGN KEY (other_money_id) REFERENCES other_money (id),
  CONSTRAINT other_money_withdrawal_reason CHECK (length(reason) BETWEEN 2 AND 500)
);
COMMENT ON TABLE other_money_withdrawal IS 'home: fund. What was told of other money and is not so: it is shown as withdrawn, and in no sum.';
CREATE TRIGGER other_money_withdrawal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON other_money_withdrawal FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE other_money_withdrawal ENABLE ALWAYS TRIGGER other_money_withdrawal_append_only;
GRANT SELECT, INSERT ON other_money_withdrawal TO shiyi_app;

-- The public page of a programme asks by these.
CREATE INDEX programme_change_by_programme ON programme_change (programme_id);
CREATE INDEX objection_period_by_subject ON objection_period (subject_id);
