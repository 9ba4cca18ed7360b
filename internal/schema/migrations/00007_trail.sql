-- +goose Up
CREATE TABLE trail_entry (
  id        uuid        NOT NULL,
  at        timestamptz NOT NULL,
  actor_id  uuid,
  operation text        NOT NULL,
  object    text        NOT NULL,
  detail    jsonb       NOT NULL,
  CONSTRAINT trail_entry_pkey PRIMARY KEY (id),
  CONSTRAINT trail_entry_operation_form CHECK (operation ~ '^[a-z]+\.[a-z_]+$'),
  CONSTRAINT trail_entry_object_length CHECK (length(object) BETWEEN 1 AND 200),
  CONSTRAINT trail_entry_detail_is_object CHECK (jsonb_typeof(detail) = 'object')
);
CREATE INDEX trail_entry_actor ON trail_entry (actor_id, id);
CREATE INDEX trail_entry_object ON trail_entry (object, id);
CREATE TRIGGER trail_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON trail_entry FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE trail_entry ENABLE ALWAYS TRIGGER trail_entry_append_only;
COMMENT ON TABLE trail_entry IS 'home: shared. Who changed what, and why; actor_id NULL is the program itself.';

GRANT SELECT, INSERT ON trail_entry TO shiyi_app;
