-- +goose Up
-- The book in the order of time: for whoever reads a period of it.
CREATE INDEX transfer_by_time ON transfer (at, home, id);

-- What was sealed: nothing is booked any more with a time before until.
CREATE TABLE period_seal (
  month          date        NOT NULL,
  until          timestamptz NOT NULL,
  publication_id uuid        NOT NULL,
  digest         bytea       NOT NULL,
  sealed_by      uuid        NOT NULL,
  at             timestamptz NOT NULL,
  CONSTRAINT period_seal_pkey PRIMARY KEY (month),
  CONSTRAINT period_seal_is_a_month CHECK (extract(day FROM month) = 1 AND until = ((month + interval '1 month') AT TIME ZONE 'Asia/Shanghai')),
  CONSTRAINT period_seal_is_over CHECK (at >= until),
  CONSTRAINT period_seal_publication_fkey FOREIGN KEY (publication_id) REFERENCES publication (id),
  CONSTRAINT period_seal_digest_is_sha256 CHECK (length(digest) = 32)
);
COMMENT ON TABLE period_seal IS 'home: fund. Months (Asia/Shanghai) whose figures were published for good; digest is that of the document.';
CREATE TRIGGER period_seal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON period_seal FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- Months are sealed one after the other.
-- +goose StatementBegin
CREATE FUNCTION period_seal_follows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.month <> (SELECT max(month) + interval '1 month' FROM public.period_seal WHERE month <> NEW.month) THEN
    RAISE EXCEPTION 'the month % does not follow the last that was sealed', NEW.month
      USING ERRCODE = 'restrict_violation', CONSTRAINT = 'period_seal_follows';
  END IF;
  RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER period_seal_follows AFTER INSERT ON period_seal FOR EACH ROW EXECUTE FUNCTION period_seal_follows();

-- Whoever books shares a lock that whoever seals has alone: a seal is either seen, or waits
-- until what was booked before it is there to be counted.
-- +goose StatementBegin
CREATE FUNCTION transfer_is_after_the_seals() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(hashtextextended('period_seal', 0));
  IF (SELECT min(at) FROM added) < (SELECT until FROM public.period_seal ORDER BY month DESC LIMIT 1) THEN
    RAISE EXCEPTION 'a transfer in a period that is sealed is refused'
      USING ERRCODE = 'restrict_violation', CONSTRAINT = 'transfer_is_after_the_seals';
  END IF;
  RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER transfer_is_after_the_seals AFTER INSERT ON transfer REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION transfer_is_after_the_seals();
ALTER TABLE period_seal ENABLE ALWAYS TRIGGER period_seal_append_only, ENABLE ALWAYS TRIGGER period_seal_follows;
ALTER TABLE transfer ENABLE ALWAYS TRIGGER transfer_is_after_the_seals;
GRANT SELECT, INSERT ON period_seal TO shiyi_app;

CREATE TABLE correction (
  id             uuid        NOT NULL,
  home           uuid        NOT NULL,
  transfer_id    uuid        NOT NULL,
  moves          jsonb       NOT NULL,
  reason_zh      text        NOT NULL,
  reason_en      text        NOT NULL,
  digest         bytea       NOT NULL,
  state          text        NOT NULL,
  proposed_by    uuid        NOT NULL,
  proposed_at    timestamptz NOT NULL,
  decided_by     uuid,
  decided_at     timestamptz,
  note           text        NOT NULL DEFAULT '',
  publication_id uuid,
  CONSTRAINT correction_pkey PRIMARY KEY (id),
  CONSTRAINT correction_transfer_fkey FOREIGN KEY (home, transfer_id) REFERENCES transfer (home, id),
  CONSTRAINT correction_publication_fkey FOREIGN KEY (publication_id) REFERENCES publication (id),
  CONSTRAINT correction_reason_length CHECK (length(reason_zh) BETWEEN 2 AND 2000 AND length(reason_en) BETWEEN 2 AND 2000),
  CONSTRAINT correction_digest_is_sha256 CHECK (length(digest) = 32),
  CONSTRAINT correction_state_known CHECK (state IN ('proposed', 'approved', 'refused', 'withdrawn')),
  CONSTRAINT correction_decided_when_decided CHECK ((state = 'proposed') = (decided_at IS NULL) AND (decided_at IS NULL) = (decided_by IS NULL)),
  CONSTRAINT correction_published_when_approved CHECK ((state = 'approved') = (publication_id IS NOT NULL)),
  CONSTRAINT correction_four_eyes CHECK (state NOT IN ('approved', 'refused') OR decided_by <> proposed_by),
  CONSTRAINT correction_withdrawn_by_proposer CHECK (state <> 'withdrawn' OR decided_by = proposed_by)
);
-- One proposal of a transfer at a time, and one correction for good.
CREATE UNIQUE INDEX correction_once ON correction (transfer_id) WHERE state IN ('proposed', 'approved');
COMMENT ON TABLE correction IS 'home: fund. What is to be booked instead of a transfer that was wrong, and why; one proposes and an auditor approves exactly that.';
CREATE TRIGGER correction_state_moves BEFORE UPDATE OF state ON correction FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION state_moves('proposed>approved', 'proposed>refused', 'proposed>withdrawn');
CREATE TRIGGER correction_state_begins BEFORE INSERT ON correction FOR EACH ROW WHEN (NEW.state <> 'proposed') EXECUTE FUNCTION state_begins();
ALTER TABLE correction ENABLE ALWAYS TRIGGER correction_state_moves, ENABLE ALWAYS TRIGGER correction_state_begins;
GRANT SELECT, INSERT ON correction TO shiyi_app;
GRANT UPDATE (state, decided_by, decided_at, note, publication_id) ON correction TO shiyi_app;

CREATE TABLE finding (
  id          uuid        NOT NULL,
  object_kind text        NOT NULL,
  object      text        NOT NULL,
  severity    text        NOT NULL,
  title       text        NOT NULL,
  asked       text        NOT NULL,
  state       text        NOT NULL,
  opened_by   uuid        NOT NULL,
  opened_at   timestamptz NOT NULL,
  changed_at  timestamptz NOT NULL,
  notes       integer     NOT NULL DEFAULT 0,
  CONSTRAINT finding_pkey PRIMARY KEY (id),
  CONSTRAINT finding_object_kind_form CHECK (object_kind ~ '^[a-z][a-z_]{0,31}$'),
  CONSTRAINT finding_object_form CHECK (object ~ '^[!-~]{1,100}$'),
  CONSTRAINT finding_severity_known CHECK (severity IN ('low', 'medium', 'high')),
  CONSTRAINT finding_asked_known CHECK (asked IN ('operator', 'fund_admin')),
  CONSTRAINT finding_title_length CHECK (length(title) BETWEEN 2 AND 200),
  CONSTRAINT finding_state_known CHECK (state IN ('open', 'answered', 'accepted', 'closed')),
  CONSTRAINT finding_notes_not_negative CHECK (notes >= 0)
);
CREATE INDEX finding_by_state ON finding (state, id);
COMMENT ON TABLE finding IS 'home: fund. What an auditor found, of what, how grave it is, and who is asked to answer.';
CREATE TRIGGER finding_state_moves BEFORE UPDATE OF state ON finding FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION state_moves('open>answered', 'open>closed', 'answered>open', 'answered>accepted', 'accepted>open', 'accepted>closed');
CREATE TRIGGER finding_state_begins BEFORE INSERT ON finding FOR EACH ROW WHEN (NEW.state <> 'open') EXECUTE FUNCTION state_begins();
ALTER TABLE finding ENABLE ALWAYS TRIGGER finding_state_moves, ENABLE ALWAYS TRIGGER finding_state_begins;

CREATE TABLE finding_note (
  finding_id uuid        NOT NULL,
  n          integer     NOT NULL,
  action     text        NOT NULL,
  role       text        NOT NULL,
  author_id  uuid        NOT NULL,
  text       text        NOT NULL,
  at         timestamptz NOT NULL,
  CONSTRAINT finding_note_pkey PRIMARY KEY (finding_id, n),
  CONSTRAINT finding_note_finding_fkey FOREIGN KEY (finding_id) REFERENCES finding (id),
  CONSTRAINT finding_note_n_positive CHECK (n > 0),
  CONSTRAINT finding_note_action_known CHECK (action IN ('open', 'answer', 'accept', 'insist', 'close')),
  CONSTRAINT finding_note_text_length CHECK (length(text) BETWEEN 2 AND 4000)
);
COMMENT ON TABLE finding_note IS 'home: fund. What was said of a finding, in order; nothing of it changes.';
CREATE TRIGGER finding_note_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON finding_note FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE finding_note ENABLE ALWAYS TRIGGER finding_note_append_only;
GRANT SELECT, INSERT ON finding, finding_note TO shiyi_app;
GRANT UPDATE (state, changed_at, notes) ON finding TO shiyi_app;
