-- +goose Up
CREATE TABLE pupil (
  id           uuid        NOT NULL,
  pseudonym    text        NOT NULL,
  programme_id uuid        NOT NULL,
  region_code  text COLLATE "C" NOT NULL,
  stage        text        NOT NULL,
  consent_on   date        NOT NULL,
  recorded_by  uuid        NOT NULL,
  recorded_at  timestamptz NOT NULL,
  erased_at    timestamptz,
  CONSTRAINT pupil_pkey PRIMARY KEY (id),
  CONSTRAINT pupil_region_fkey FOREIGN KEY (region_code) REFERENCES region (code),
  CONSTRAINT pupil_stage_known CHECK (stage IN ('preschool', 'primary', 'junior', 'senior', 'higher'))
);
CREATE INDEX pupil_by_programme ON pupil (programme_id, id);
COMMENT ON TABLE pupil IS 'home: fund. Pupils whom the fund helps, by pseudonym: nothing here says who they are.';

CREATE TABLE pupil_record (
  pupil_id    uuid  NOT NULL,
  secret      text  NOT NULL,
  wrapped_key bytea,
  sealed      bytea,
  blind_index bytea,
  CONSTRAINT pupil_record_pkey PRIMARY KEY (pupil_id),
  CONSTRAINT pupil_record_pupil_fkey FOREIGN KEY (pupil_id) REFERENCES pupil (id),
  CONSTRAINT pupil_record_once UNIQUE (blind_index),
  CONSTRAINT pupil_record_whole_or_erased CHECK ((wrapped_key IS NULL) = (sealed IS NULL) AND (wrapped_key IS NULL) = (blind_index IS NULL))
);
COMMENT ON TABLE pupil_record IS 'home: fund. Who the pupils are: AES-256-GCM under a key for each, wrapped by a secret outside the database. NULL: erased.';

CREATE TABLE pupil_request (
  id         uuid        NOT NULL,
  pupil_id   uuid        NOT NULL,
  purpose    text        NOT NULL,
  reason     text        NOT NULL,
  state      text        NOT NULL,
  asked_by   uuid        NOT NULL,
  asked_at   timestamptz NOT NULL,
  decided_by uuid,
  decided_at timestamptz,
  until      timestamptz,
  CONSTRAINT pupil_request_pkey PRIMARY KEY (id),
  CONSTRAINT pupil_request_pupil_fkey FOREIGN KEY (pupil_id) REFERENCES pupil (id),
  CONSTRAINT pupil_request_purpose_known CHECK (purpose IN ('read', 'erase')),
  CONSTRAINT pupil_request_state_known CHECK (state IN ('asked', 'approved', 'refused')),
  CONSTRAINT pupil_request_is_decided_by_others CHECK ((state = 'asked') = (decided_by IS NULL) AND (decided_by IS NULL) = (decided_at IS NULL) AND decided_by IS DISTINCT FROM asked_by),
  CONSTRAINT pupil_request_reading_ends CHECK ((until IS NOT NULL) = (state = 'approved' AND purpose = 'read')),
  CONSTRAINT pupil_request_reason_length CHECK (length(reason) BETWEEN 2 AND 500)
);
CREATE INDEX pupil_request_by_state ON pupil_request (state, id);
CREATE INDEX pupil_request_by_reader ON pupil_request (pupil_id, asked_by) WHERE state = 'approved' AND purpose = 'read';
CREATE TRIGGER pupil_request_state_begins BEFORE INSERT ON pupil_request FOR EACH ROW WHEN (NEW.state <> 'asked') EXECUTE FUNCTION state_begins();
CREATE TRIGGER pupil_request_state_moves BEFORE UPDATE OF state ON pupil_request FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION state_moves('asked>approved', 'asked>refused');
ALTER TABLE pupil_request ENABLE ALWAYS TRIGGER pupil_request_state_begins, ENABLE ALWAYS TRIGGER pupil_request_state_moves;
COMMENT ON TABLE pupil_request IS 'home: fund. Who asked to read a record, or to have it erased, why, and who allowed it.';

CREATE TABLE pupil_reading (
  pupil_id   uuid        NOT NULL,
  id         uuid        NOT NULL,
  request_id uuid        NOT NULL,
  read_by    uuid        NOT NULL,
  at         timestamptz NOT NULL,
  CONSTRAINT pupil_reading_pkey PRIMARY KEY (pupil_id, id),
  CONSTRAINT pupil_reading_request_fkey FOREIGN KEY (request_id) REFERENCES pupil_request (id)
);
COMMENT ON TABLE pupil_reading IS 'home: fund. Each time that a record was read: by whom, and on which request.';
CREATE TRIGGER pupil_reading_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON pupil_reading FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE pupil_reading ENABLE ALWAYS TRIGGER pupil_reading_append_only;

CREATE TABLE pupil_aid (
  programme_id uuid        NOT NULL,
  id           uuid        NOT NULL,
  pupil_id     uuid        NOT NULL,
  amount_fen   bigint      NOT NULL,
  note         text        NOT NULL,
  given_by     uuid        NOT NULL,
  at           timestamptz NOT NULL,
  CONSTRAINT pupil_aid_pkey PRIMARY KEY (programme_id, id),
  CONSTRAINT pupil_aid_pupil_fkey FOREIGN KEY (pupil_id) REFERENCES pupil (id),
  CONSTRAINT pupil_aid_amount_positive CHECK (amount_fen BETWEEN 1 AND 10000000000000),
  CONSTRAINT pupil_aid_note_length CHECK (length(note) <= 200)
);
CREATE INDEX pupil_aid_by_pupil ON pupil_aid (pupil_id, id);
COMMENT ON TABLE pupil_aid IS 'home: fund. What pupils were given of what their programme was paid, in fen; it stays when a record is erased.';
CREATE TRIGGER pupil_aid_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON pupil_aid FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE pupil_aid ENABLE ALWAYS TRIGGER pupil_aid_append_only;

GRANT SELECT, INSERT ON pupil, pupil_record, pupil_request, pupil_reading, pupil_aid TO shiyi_app;
GRANT UPDATE (erased_at) ON pupil TO shiyi_app;
GRANT UPDATE (secret, wrapped_key, sealed, blind_index) ON pupil_record TO shiyi_app;
GRANT UPDATE (state, decided_by, decided_at, until) ON pupil_request TO shiyi_app;
