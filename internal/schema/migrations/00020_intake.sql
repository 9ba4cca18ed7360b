-- +goose Up
CREATE TABLE import (
  merchant_id    uuid        NOT NULL,
  id             uuid        NOT NULL,
  account_id     uuid        NOT NULL,
  format         text        NOT NULL,
  body           bytea       NOT NULL,
  basis          bytea       NOT NULL,
  state          text        NOT NULL,
  rows_new       integer     NOT NULL,
  rows_changed   integer     NOT NULL,
  rows_unchanged integer     NOT NULL,
  rows_bad       integer     NOT NULL,
  bad_cells      integer     NOT NULL,
  created_at     timestamptz NOT NULL,
  updated_at     timestamptz NOT NULL,
  CONSTRAINT import_pkey PRIMARY KEY (merchant_id, id),
  CONSTRAINT import_merchant_fkey FOREIGN KEY (merchant_id) REFERENCES merchant (id),
  CONSTRAINT import_format_known CHECK (format IN ('xlsx', 'csv')),
  CONSTRAINT import_body_bounded CHECK (length(body) <= 10485760),
  CONSTRAINT import_state_known CHECK (state IN ('checked', 'failed', 'committing', 'committed')),
  CONSTRAINT import_rows_not_negative CHECK (rows_new >= 0 AND rows_changed >= 0 AND rows_unchanged >= 0 AND rows_bad >= 0 AND bad_cells >= 0),
  CONSTRAINT import_good_or_failed CHECK (bad_cells = 0 OR state = 'failed')
);
CREATE INDEX import_kept ON import (created_at) WHERE length(body) > 0;
CREATE TRIGGER import_state_begins BEFORE INSERT ON import FOR EACH ROW WHEN (NEW.state NOT IN ('checked', 'failed')) EXECUTE FUNCTION state_begins();
CREATE TRIGGER import_state_moves BEFORE UPDATE ON import FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION state_moves('checked>committing', 'committing>committed', 'committing>failed');
ALTER TABLE import ENABLE ALWAYS TRIGGER import_state_begins;
ALTER TABLE import ENABLE ALWAYS TRIGGER import_state_moves;
COMMENT ON TABLE import IS 'home: merchant. Sheets of goods that an enterprise brought. body and basis (what there was of each row, 8 bytes each) are emptied after 30 days.';

CREATE TABLE import_progress (
  merchant_id uuid    NOT NULL,
  import_id   uuid    NOT NULL,
  done        integer NOT NULL,
  CONSTRAINT import_progress_pkey PRIMARY KEY (merchant_id, import_id),
  CONSTRAINT import_progress_import_fkey FOREIGN KEY (merchant_id, import_id) REFERENCES import (merchant_id, id),
  CONSTRAINT import_progress_not_negative CHECK (done >= 0)
);
COMMENT ON TABLE import_progress IS 'home: merchant. How many rows of an import are written: beside import, which is locked while they are.';

CREATE TABLE import_bad_cell (
  merchant_id  uuid    NOT NULL,
  import_id    uuid    NOT NULL,
  n            integer NOT NULL,
  sheet_row    integer NOT NULL,
  sheet_column integer NOT NULL,
  key          text    NOT NULL,
  code         text    NOT NULL,
  value        text    NOT NULL,
  message_zh   text    NOT NULL,
  message_en   text    NOT NULL,
  CONSTRAINT import_bad_cell_pkey PRIMARY KEY (merchant_id, import_id, n),
  CONSTRAINT import_bad_cell_import_fkey FOREIGN KEY (merchant_id, import_id) REFERENCES import (merchant_id, id),
  CONSTRAINT import_bad_cell_place CHECK (sheet_row >= 1 AND sheet_column >= 1),
  CONSTRAINT import_bad_cell_n_bounded CHECK (n BETWEEN 1 AND 5000)
);
COMMENT ON TABLE import_bad_cell IS 'home: merchant. Cells of an import that will not do, with the reason; forgotten with its body.';

GRANT SELECT, INSERT, UPDATE ON import, import_progress TO shiyi_app;
GRANT SELECT, INSERT, DELETE ON import_bad_cell TO shiyi_app;
