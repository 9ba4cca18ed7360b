-- +goose Up
-- What may be spent from without falling below zero: who spends locks the account's row before he sums it.
CREATE TABLE account_guard (
  account text COLLATE "C" NOT NULL,
  CONSTRAINT account_guard_pkey PRIMARY KEY (account)
);
COMMENT ON TABLE account_guard IS 'home: fund. Accounts that are spent from by one transaction at a time: who spends locks the row in a statement before the one that sums.';
INSERT INTO account_guard (account) VALUES ('fund:education:free');
CREATE TRIGGER account_guard_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON account_guard FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE account_guard ENABLE ALWAYS TRIGGER account_guard_append_only;
GRANT SELECT, UPDATE (account) ON account_guard TO shiyi_app; -- UPDATE is what FOR UPDATE asks for; the trigger refuses it

CREATE TABLE objection_period (
  id          uuid        NOT NULL,
  subject     text        NOT NULL,
  subject_id  uuid        NOT NULL,
  document_id uuid        NOT NULL,
  title_zh    text        NOT NULL,
  title_en    text        NOT NULL,
  involved    jsonb       NOT NULL,
  opened_at   timestamptz NOT NULL,
  ends_at     timestamptz NOT NULL,
  CONSTRAINT objection_period_pkey PRIMARY KEY (id),
  CONSTRAINT objection_period_once UNIQUE (subject, subject_id),
  CONSTRAINT objection_period_document_fkey FOREIGN KEY (document_id) REFERENCES publication (id),
  CONSTRAINT objection_period_subject_known CHECK (subject IN ('application', 'change', 'grant')),
  CONSTRAINT objection_period_ends CHECK (ends_at > opened_at)
);
CREATE INDEX objection_period_by_end ON objection_period (ends_at);
COMMENT ON TABLE objection_period IS 'home: fund. What was published so that anybody may object, until when, and who has a part in it and therefore answers no objection.';
CREATE TRIGGER objection_period_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON objection_period FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE objection_period ENABLE ALWAYS TRIGGER objection_period_append_only;

CREATE TABLE objection (
  id          uuid        NOT NULL,
  period_id   uuid        NOT NULL,
  body        text        NOT NULL,
  filed_at    timestamptz NOT NULL,
  state       text        NOT NULL,
  answered_by uuid,
  answered_at timestamptz,
  answer      text        NOT NULL DEFAULT '',
  CONSTRAINT objection_pkey PRIMARY KEY (id),
  CONSTRAINT objection_period_fkey FOREIGN KEY (period_id) REFERENCES objection_period (id),
  CONSTRAINT objection_body_length CHECK (length(body) BETWEEN 2 AND 2000),
  CONSTRAINT objection_state_known CHECK (state IN ('open', 'upheld', 'dismissed')),
  CONSTRAINT objection_answered_when_decided CHECK ((state = 'open') = (answered_at IS NULL) AND (answered_at IS NULL) = (answered_by IS NULL)
    AND (state = 'open' OR length(answer) BETWEEN 2 AND 500))
);
CREATE INDEX objection_by_period ON objection (period_id);
CREATE INDEX objection_open ON objection (id) WHERE state = 'open';
CREATE TRIGGER objection_state_begins BEFORE INSERT ON objection FOR EACH ROW WHEN (NEW.state <> 'open') EXECUTE FUNCTION state_begins();
CREATE TRIGGER objection_state_moves BEFORE UPDATE OF state ON objection FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION state_moves('open>dismissed', 'open>upheld');
ALTER TABLE objection ENABLE ALWAYS TRIGGER objection_state_begins, ENABLE ALWAYS TRIGGER objection_state_moves;
COMMENT ON TABLE objection IS 'home: fund. What anybody said against something published, and what a fund administrator without a part in it answered.';
GRANT SELECT, INSERT ON objection_period, objection TO shiyi_app;
GRANT UPDATE (id) ON objection_period TO shiyi_app; -- for FOR UPDATE; the trigger refuses it
GRANT UPDATE (state, answered_by, answered_at, answer) ON objection TO shiyi_app;

CREATE TABLE programme_kind (
  code      text    COLLATE "C" NOT NULL,
  name_zh   text    NOT NULL,
  name_en   text    NOT NULL,
  education boolean NOT NULL,
  position  integer NOT NULL,
  CONSTRAINT programme_kind_pkey PRIMARY KEY (code),
  CONSTRAINT programme_kind_code_form CHECK (code ~ '^[A-Z][A-Z_]{1,31}$')
);
COMMENT ON TABLE programme_kind IS 'home: shared. Kinds of programmes; only those of education may be paid from the fund.';
INSERT INTO programme_kind (code, name_zh, name_en, education, position) VALUES
  ('SCHOOL_BUILDING', '学校基建', 'School building', true, 1),
  ('CLOUD_TEACHING', '云支教', 'Teaching over the network', true, 2),
  ('TEACHER_TRAINING', '教师培训', 'Teacher training', true, 3),
  ('PUPIL_AID', '助学金', 'Pupil aid', true, 4),
  ('GIFTS_IN_KIND', '物资捐赠', 'Gifts in kind', true, 5),
  ('FACILITY', '教学设施', 'Facilities', true, 6),
  ('PAIRING', '结对助学', 'Pairing with pupils', true, 7),
  ('LIVELIHOOD', '民生改善（非教育）', 'Livelihood (not education)', false, 8),
  ('INFRASTRUCTURE', '基础设施（非教育）', 'Infrastructure (not education)', false, 9);
GRANT SELECT ON programme_kind TO shiyi_app;

CREATE TABLE programme (
  id             uuid        NOT NULL,
  kind           text        COLLATE "C" NOT NULL,
  title          text        NOT NULL,
  region         text        COLLATE "C" NOT NULL,
  place          text        NOT NULL,
  school         text        NOT NULL,
  purpose        text        NOT NULL,
  budget_fen     bigint      NOT NULL,
  fictional      boolean     NOT NULL,
  application_id uuid,
  recorded_by    uuid        NOT NULL,
  recorded_at    timestamptz NOT NULL,
  CONSTRAINT programme_pkey PRIMARY KEY (id),
  CONSTRAINT programme_application_key UNIQUE (application_id),
  CONSTRAINT programme_kind_fkey FOREIGN KEY (kind) REFERENCES programme_kind (code),
  CONSTRAINT programme_region_fkey FOREIGN KEY (region) REFERENCES region (code),
  CONSTRAINT programme_texts CHECK (length(title) BETWEEN 2 AND 120 AND length(place) <= 120 AND length(school) BETWEEN 1 AND 120 AND length(purpose) BETWEEN 2 AND 1000),
  CONSTRAINT programme_budget CHECK (budget_fen >= 0),
  CONSTRAINT programme_budget_is_applied_for CHECK (budget_fen = 0 OR application_id IS NOT NULL)
);
COMMENT ON TABLE programme IS 'home: fund. What the fund pays for, and what other money pays for: a programme without a budget of the fund has none of its money.';

CREATE TABLE programme_milestone (
  programme_id uuid    NOT NULL,
  n            integer NOT NULL,
  title        text    NOT NULL,
  due_on       date,
  CONSTRAINT programme_milestone_pkey PRIMARY KEY (programme_id, n),
  CONSTRAINT programme_milestone_programme_fkey FOREIGN KEY (programme_id) REFERENCES programme (id),
  CONSTRAINT programme_milestone_counts CHECK (n BETWEEN 1 AND 20 AND length(title) BETWEEN 2 AND 200)
);
COMMENT ON TABLE programme_milestone IS 'home: fund. What a programme has reached, step by step; instalments wait for it.';

CREATE TABLE other_money (
  id          uuid        NOT NULL,
  amount_fen  bigint,
  source      text        NOT NULL,
  note        text        NOT NULL,
  recorded_by uuid        NOT NULL,
  recorded_at timestamptz NOT NULL,
  CONSTRAINT other_money_pkey PRIMARY KEY (id),
  CONSTRAINT other_money_amount CHECK (amount_fen > 0),
  CONSTRAINT other_money_texts CHECK (length(source) BETWEEN 2 AND 200 AND length(note) <= 500)
);
COMMENT ON TABLE other_money IS 'home: fund. Money beside the fund''s, told of and never booked; without an amount where the source tells none.';
CREATE TABLE other_money_share (
  other_money_id uuid NOT NULL,
  programme_id   uuid NOT NULL,
  CONSTRAINT other_money_share_pkey PRIMARY KEY (programme_id, other_money_id),
  CONSTRAINT other_money_share_money_fkey FOREIGN KEY (other_money_id) REFERENCES other_money (id),
  CONSTRAINT other_money_share_programme_fkey FOREIGN KEY (programme_id) REFERENCES programme (id)
);
CREATE INDEX other_money_share_by_money ON other_money_share (other_money_id);
COMMENT ON TABLE other_money_share IS 'home: fund. The programmes that one amount of other money is for: several share it undivided.';
CREATE TRIGGER programme_milestone_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON programme_milestone FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER other_money_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON other_money FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER other_money_share_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON other_money_share FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE programme_milestone ENABLE ALWAYS TRIGGER programme_milestone_append_only;
ALTER TABLE other_money ENABLE ALWAYS TRIGGER other_money_append_only;
ALTER TABLE other_money_share ENABLE ALWAYS TRIGGER other_money_share_append_only;

CREATE TABLE programme_change (
  id           uuid        NOT NULL,
  programme_id uuid        NOT NULL,
  kind         text        COLLATE "C" NOT NULL,
  purpose      text        NOT NULL,
  old_kind     text        COLLATE "C" NOT NULL,
  old_purpose  text        NOT NULL,
  reason       text        NOT NULL,
  state        text        NOT NULL,
  period_id    uuid,
  proposed_by  uuid        NOT NULL,
  proposed_at  timestamptz NOT NULL,
  approved_by  uuid,
  approved_at  timestamptz,
  decided_by   uuid,
  decided_at   timestamptz,
  CONSTRAINT programme_change_pkey PRIMARY KEY (id),
  CONSTRAINT programme_change_programme_fkey FOREIGN KEY (programme_id) REFERENCES programme (id),
  CONSTRAINT programme_change_kind_fkey FOREIGN KEY (kind) REFERENCES programme_kind (code),
  CONSTRAINT programme_change_period_fkey FOREIGN KEY (period_id) REFERENCES objection_period (id),
  CONSTRAINT programme_change_texts CHECK (length(purpose) BETWEEN 2 AND 1000 AND length(reason) BETWEEN 2 AND 500),
  CONSTRAINT programme_change_state_known CHECK (state IN ('proposed', 'published', 'in_force', 'declined', 'withdrawn')),
  CONSTRAINT programme_change_four_eyes CHECK (approved_by <> proposed_by),
  CONSTRAINT programme_change_published_when_approved CHECK (state NOT IN ('published', 'in_force') OR approved_by IS NOT NULL AND period_id IS NOT NULL)
);
CREATE UNIQUE INDEX programme_change_one ON programme_change (programme_id) WHERE state IN ('proposed', 'published');
CREATE TRIGGER programme_change_state_begins BEFORE INSERT ON programme_change FOR EACH ROW WHEN (NEW.state <> 'proposed') EXECUTE FUNCTION state_begins();
CREATE TRIGGER programme_change_state_moves BEFORE UPDATE OF state ON programme_change FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION state_moves('proposed>declined', 'proposed>published', 'proposed>withdrawn', 'published>declined', 'published>in_force', 'published>withdrawn');
ALTER TABLE programme_change ENABLE ALWAYS TRIGGER programme_change_state_begins, ENABLE ALWAYS TRIGGER programme_change_state_moves;
COMMENT ON TABLE programme_change IS 'home: fund. A change of what a programme is for: proposed by one, approved by another, published; what was paid before stays what it was.';

CREATE TABLE programme_application (
  id           uuid        NOT NULL,
  region       text        COLLATE "C" NOT NULL,
  kind         text        COLLATE "C" NOT NULL,
  title        text        NOT NULL,
  amount_fen   bigint      NOT NULL,
  content      jsonb       NOT NULL,
  state        text        NOT NULL,
  filed_by     uuid        NOT NULL,
  filed_at     timestamptz NOT NULL,
  score        integer,
  opinion      text        NOT NULL DEFAULT '',
  assessed_by  uuid,
  assessed_at  timestamptz,
  period_id    uuid,
  decided_by   uuid,
  decided_at   timestamptz,
  reason       text        NOT NULL DEFAULT '',
  programme_id uuid,
  CONSTRAINT programme_application_pkey PRIMARY KEY (id),
  CONSTRAINT programme_application_region_form CHECK (region ~ '^[0-9]{6}$'),
  CONSTRAINT programme_application_kind_fkey FOREIGN KEY (kind) REFERENCES programme_kind (code),
  CONSTRAINT programme_application_period_fkey FOREIGN KEY (period_id) REFERENCES objection_period (id),
  CONSTRAINT programme_application_programme_fkey FOREIGN KEY (programme_id) REFERENCES programme (id),
  CONSTRAINT programme_application_amount CHECK (amount_fen > 0),
  CONSTRAINT programme_application_state_known CHECK (state IN ('filed', 'assessed', 'published', 'accepted', 'declined', 'withdrawn')),
  CONSTRAINT programme_application_score CHECK (score BETWEEN 0 AND 100),
  CONSTRAINT programme_application_assessed_by_another CHECK (assessed_by <> filed_by),
  CONSTRAINT programme_application_assessed_when_published CHECK (state NOT IN ('assessed', 'published', 'accepted') OR assessed_by IS NOT NULL),
  CONSTRAINT programme_application_accepted_is_published CHECK (state <> 'accepted' OR period_id IS NOT NULL AND programme_id IS NOT NULL AND decided_by <> filed_by)
);
CREATE INDEX programme_application_by_region ON programme_application (region, id);
CREATE TRIGGER programme_application_state_begins BEFORE INSERT ON programme_application FOR EACH ROW WHEN (NEW.state <> 'filed') EXECUTE FUNCTION state_begins();
CREATE TRIGGER programme_application_state_moves BEFORE UPDATE OF state ON programme_application FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION state_moves('assessed>declined', 'assessed>published', 'assessed>withdrawn', 'filed>assessed', 'filed>declined', 'filed>withdrawn',
    'published>accepted', 'published>declined', 'published>withdrawn');
ALTER TABLE programme_application ENABLE ALWAYS TRIGGER programme_application_state_begins, ENABLE ALWAYS TRIGGER programme_application_state_moves;
COMMENT ON TABLE programme_application IS 'home: fund. What a school asks the fund for: filed, assessed by another, published, and accepted as a programme or declined.';
ALTER TABLE programme ADD CONSTRAINT programme_application_fkey FOREIGN KEY (application_id) REFERENCES programme_application (id);

GRANT SELECT, INSERT ON programme, programme_milestone, other_money, other_money_share, programme_change, programme_application TO shiyi_app;
GRANT UPDATE (kind, purpose) ON programme TO shiyi_app;
GRANT UPDATE (state, period_id, approved_by, approved_at, decided_by, decided_at) ON programme_change TO shiyi_app;
GRANT UPDATE (state, score, opinion, assessed_by, assessed_at, period_id, decided_by, decided_at, reason, programme_id) ON programme_application TO shiyi_app;

CREATE TABLE fund_grant (
  id            uuid        NOT NULL,
  programme_id  uuid        NOT NULL,
  amount_fen    bigint      NOT NULL,
  payee_name    text        NOT NULL,
  payee_uscc    text        NOT NULL,
  payee_account text        NOT NULL,
  purpose       text        NOT NULL,
  digest        bytea       NOT NULL,
  state         text        NOT NULL,
  proposed_by   uuid        NOT NULL,
  proposed_at   timestamptz NOT NULL,
  expires_at    timestamptz NOT NULL,
  committed_at  timestamptz,
  period_id     uuid,
  decided_by    uuid,
  decided_at    timestamptz,
  note          text        NOT NULL DEFAULT '',
  CONSTRAINT fund_grant_pkey PRIMARY KEY (id),
  CONSTRAINT fund_grant_proposer_key UNIQUE (id, proposed_by),
  CONSTRAINT fund_grant_programme_fkey FOREIGN KEY (programme_id) REFERENCES programme (id),
  CONSTRAINT fund_grant_period_fkey FOREIGN KEY (period_id) REFERENCES objection_period (id),
  CONSTRAINT fund_grant_amount CHECK (amount_fen > 0),
  CONSTRAINT fund_grant_texts CHECK (length(payee_name) BETWEEN 2 AND 120 AND length(payee_uscc) IN (0, 18) AND length(payee_account) BETWEEN 4 AND 64 AND length(purpose) BETWEEN 2 AND 1000),
  CONSTRAINT fund_grant_digest_is_sha256 CHECK (length(digest) = 32),
  CONSTRAINT fund_grant_state_known CHECK (state IN ('proposed', 'committed', 'closed', 'struck', 'refused', 'withdrawn')),
  CONSTRAINT fund_grant_published_when_committed CHECK ((state IN ('committed', 'closed', 'struck')) = (committed_at IS NOT NULL) AND (committed_at IS NULL) = (period_id IS NULL)),
  CONSTRAINT fund_grant_refused_by_another CHECK (state <> 'refused' OR decided_by <> proposed_by)
);
CREATE INDEX fund_grant_by_programme ON fund_grant (programme_id);
CREATE TRIGGER fund_grant_state_begins BEFORE INSERT ON fund_grant FOR EACH ROW WHEN (NEW.state <> 'proposed') EXECUTE FUNCTION state_begins();
CREATE TRIGGER fund_grant_state_moves BEFORE UPDATE OF state ON fund_grant FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION state_moves('committed>closed', 'committed>struck', 'proposed>committed', 'proposed>refused', 'proposed>withdrawn');
ALTER TABLE fund_grant ENABLE ALWAYS TRIGGER fund_grant_state_begins, ENABLE ALWAYS TRIGGER fund_grant_state_moves;
COMMENT ON TABLE fund_grant IS 'home: fund. So many whole fen of the fund for a programme: proposed by one, approved by another, bound to the digest of exactly what is paid.';

CREATE TABLE grant_instalment (
  grant_id   uuid    NOT NULL,
  n          integer NOT NULL,
  amount_fen bigint  NOT NULL,
  milestone  integer NOT NULL,
  title      text    NOT NULL,
  CONSTRAINT grant_instalment_pkey PRIMARY KEY (grant_id, n),
  CONSTRAINT grant_instalment_grant_fkey FOREIGN KEY (grant_id) REFERENCES fund_grant (id),
  CONSTRAINT grant_instalment_counts CHECK (n BETWEEN 1 AND 20 AND amount_fen > 0)
);
COMMENT ON TABLE grant_instalment IS 'home: fund. The parts in which a grant is paid, each for a milestone of its programme.';
CREATE TABLE grant_attachment (
  grant_id uuid    NOT NULL,
  n        integer NOT NULL,
  file_id  uuid    NOT NULL,
  sha256   bytea   NOT NULL,
  CONSTRAINT grant_attachment_pkey PRIMARY KEY (grant_id, n),
  CONSTRAINT grant_attachment_grant_fkey FOREIGN KEY (grant_id) REFERENCES fund_grant (id),
  CONSTRAINT grant_attachment_file_fkey FOREIGN KEY (file_id) REFERENCES file (id),
  CONSTRAINT grant_attachment_is_sha256 CHECK (length(sha256) = 32)
);
COMMENT ON TABLE grant_attachment IS 'home: fund. The papers of a grant, with the digests that its own digest binds.';
CREATE TABLE grant_approval (
  grant_id    uuid        NOT NULL,
  approved_by uuid        NOT NULL,
  proposed_by uuid        NOT NULL,
  digest      bytea       NOT NULL,
  at          timestamptz NOT NULL,
  expires_at  timestamptz NOT NULL,
  CONSTRAINT grant_approval_pkey PRIMARY KEY (grant_id, approved_by, at),
  CONSTRAINT grant_approval_grant_fkey FOREIGN KEY (grant_id, proposed_by) REFERENCES fund_grant (id, proposed_by),
  CONSTRAINT grant_approval_four_eyes CHECK (approved_by <> proposed_by)
);
COMMENT ON TABLE grant_approval IS 'home: fund. Who approved a grant, and what he read: never who proposed it.';
CREATE TABLE grant_relation (
  grant_id    uuid        NOT NULL,
  n           integer     NOT NULL,
  kind        text        NOT NULL,
  note        text        NOT NULL,
  own         boolean     NOT NULL,
  declared_by uuid,
  at          timestamptz NOT NULL,
  CONSTRAINT grant_relation_pkey PRIMARY KEY (grant_id, n),
  CONSTRAINT grant_relation_grant_fkey FOREIGN KEY (grant_id) REFERENCES fund_grant (id),
  CONSTRAINT grant_relation_kind_known CHECK (kind IN ('enterprise', 'declared')),
  CONSTRAINT grant_relation_declared_by_somebody CHECK ((kind = 'declared') = (declared_by IS NOT NULL) AND length(note) BETWEEN 2 AND 500)
);
COMMENT ON TABLE grant_relation IS 'home: fund. Why the payee of a grant is a related party: an enterprise of the shop, or declared by a fund administrator; own: of his own.';
CREATE TRIGGER grant_instalment_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON grant_instalment FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER grant_attachment_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON grant_attachment FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER grant_approval_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON grant_approval FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER grant_relation_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON grant_relation FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE grant_instalment ENABLE ALWAYS TRIGGER grant_instalment_append_only;
ALTER TABLE grant_attachment ENABLE ALWAYS TRIGGER grant_attachment_append_only;
ALTER TABLE grant_approval ENABLE ALWAYS TRIGGER grant_approval_append_only;
ALTER TABLE grant_relation ENABLE ALWAYS TRIGGER grant_relation_append_only;

CREATE TABLE disbursement (
  id             uuid        NOT NULL,
  grant_id       uuid        NOT NULL,
  proposed_by    uuid        NOT NULL,
  kind           text        NOT NULL,
  instalment     integer,
  amount_fen     bigint      NOT NULL,
  reason         text        NOT NULL,
  bank_reference text        NOT NULL DEFAULT '',
  digest         bytea       NOT NULL,
  state          text        NOT NULL,
  requested_by   uuid        NOT NULL,
  requested_at   timestamptz NOT NULL,
  approved_by    uuid,
  approved_at    timestamptz,
  expires_at     timestamptz,
  executed_by    uuid,
  executed_at    timestamptz,
  decided_by     uuid,
  note           text        NOT NULL DEFAULT '',
  CONSTRAINT disbursement_pkey PRIMARY KEY (id),
  CONSTRAINT disbursement_grant_fkey FOREIGN KEY (grant_id, proposed_by) REFERENCES fund_grant (id, proposed_by),
  CONSTRAINT disbursement_instalment_fkey FOREIGN KEY (grant_id, instalment) REFERENCES grant_instalment (grant_id, n),
  CONSTRAINT disbursement_kind_known CHECK (kind IN ('payment', 'release', 'return') AND (kind = 'payment') = (instalment IS NOT NULL)),
  CONSTRAINT disbursement_amount CHECK (amount_fen > 0),
  CONSTRAINT disbursement_digest_is_sha256 CHECK (length(digest) = 32),
  CONSTRAINT disbursement_state_known CHECK (state IN ('requested', 'approved', 'done', 'refused', 'withdrawn')),
  CONSTRAINT disbursement_approved_by_another CHECK (approved_by <> requested_by AND (kind <> 'payment' OR approved_by <> proposed_by)),
  CONSTRAINT disbursement_executed_by_a_third CHECK (executed_by <> requested_by AND executed_by <> approved_by AND executed_by <> proposed_by),
  CONSTRAINT disbursement_approved_when_done CHECK (state NOT IN ('approved', 'done') OR approved_by IS NOT NULL),
  CONSTRAINT disbursement_paid_when_done CHECK (kind <> 'payment' OR state <> 'done' OR executed_by IS NOT NULL AND length(bank_reference) BETWEEN 2 AND 64)
);
CREATE INDEX disbursement_by_grant ON disbursement (grant_id);
CREATE UNIQUE INDEX disbursement_one_for_an_instalment ON disbursement (grant_id, instalment) WHERE state IN ('requested', 'approved', 'done');
CREATE TRIGGER disbursement_state_begins BEFORE INSERT ON disbursement FOR EACH ROW WHEN (NEW.state <> 'requested') EXECUTE FUNCTION state_begins();
CREATE TRIGGER disbursement_state_moves BEFORE UPDATE OF state ON disbursement FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION state_moves('approved>done', 'approved>refused', 'approved>withdrawn', 'requested>approved', 'requested>done', 'requested>refused', 'requested>withdrawn');
ALTER TABLE disbursement ENABLE ALWAYS TRIGGER disbursement_state_begins, ENABLE ALWAYS TRIGGER disbursement_state_moves;
COMMENT ON TABLE disbursement IS 'home: fund. Money of a grant on its way: a payment takes three people, a release of what is not needed and a return of what was not used take two.';
CREATE TABLE disbursement_evidence (
  disbursement_id uuid    NOT NULL,
  n               integer NOT NULL,
  file_id         uuid    NOT NULL,
  sha256          bytea   NOT NULL,
  CONSTRAINT disbursement_evidence_pkey PRIMARY KEY (disbursement_id, n),
  CONSTRAINT disbursement_evidence_disbursement_fkey FOREIGN KEY (disbursement_id) REFERENCES disbursement (id),
  CONSTRAINT disbursement_evidence_file_fkey FOREIGN KEY (file_id) REFERENCES file (id),
  CONSTRAINT disbursement_evidence_is_sha256 CHECK (length(sha256) = 32)
);
CREATE TRIGGER disbursement_evidence_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON disbursement_evidence FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE disbursement_evidence ENABLE ALWAYS TRIGGER disbursement_evidence_append_only;
COMMENT ON TABLE disbursement_evidence IS 'home: fund. Files that show that a milestone was reached, with their digests.';

GRANT SELECT, INSERT ON fund_grant, grant_instalment, grant_attachment, grant_approval, grant_relation, disbursement, disbursement_evidence TO shiyi_app;
GRANT UPDATE (state, committed_at, period_id, decided_by, decided_at, note) ON fund_grant TO shiyi_app;
GRANT UPDATE (state, bank_reference, approved_by, approved_at, expires_at, executed_by, executed_at, decided_by, note) ON disbursement TO shiyi_app;
