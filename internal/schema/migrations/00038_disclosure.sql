-- +goose Up
CREATE TABLE duty (
  id           uuid        NOT NULL,
  kind         text        NOT NULL,
  subject      text        NOT NULL,
  period       text        NOT NULL,
  title        text        NOT NULL,
  due_on       date        NOT NULL,
  state        text        NOT NULL,
  opened_at    timestamptz NOT NULL,
  opened_by    uuid,
  document_id  uuid,
  fulfilled_at timestamptz,
  fulfilled_by uuid,
  CONSTRAINT duty_pkey PRIMARY KEY (id),
  CONSTRAINT duty_once UNIQUE (kind, subject, period),
  CONSTRAINT duty_document_fkey FOREIGN KEY (document_id) REFERENCES publication (id),
  CONSTRAINT duty_kind_known CHECK (kind IN ('progress', 'final', 'annual', 'major_event')),
  CONSTRAINT duty_state_known CHECK (state IN ('open', 'fulfilled')),
  CONSTRAINT duty_texts_length CHECK (length(subject) BETWEEN 1 AND 100 AND length(period) BETWEEN 1 AND 40 AND length(title) BETWEEN 1 AND 200),
  CONSTRAINT duty_fulfilled_by_a_document CHECK ((state = 'fulfilled') = (document_id IS NOT NULL)
    AND (document_id IS NULL) = (fulfilled_at IS NULL) AND (document_id IS NULL) = (fulfilled_by IS NULL))
);
CREATE INDEX duty_by_due ON duty (state, due_on, id);
COMMENT ON TABLE duty IS 'home: fund. What the fund must publish, by when, and the document that did; due_on is in Asia/Shanghai.';
CREATE TRIGGER duty_state_begins BEFORE INSERT ON duty FOR EACH ROW WHEN (NEW.state <> 'open') EXECUTE FUNCTION state_begins();
CREATE TRIGGER duty_state_moves BEFORE UPDATE OF state ON duty FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION state_moves('open>fulfilled');
ALTER TABLE duty ENABLE ALWAYS TRIGGER duty_state_begins, ENABLE ALWAYS TRIGGER duty_state_moves;

GRANT SELECT, INSERT ON duty TO shiyi_app;
GRANT UPDATE (state, document_id, fulfilled_at, fulfilled_by) ON duty TO shiyi_app;
