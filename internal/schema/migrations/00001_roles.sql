-- +goose Up
-- The application's group role reads and inserts; only the owner alters tables.
-- Roles belong to the whole server, so another database may have made them.
-- +goose StatementBegin
DO $$
DECLARE r text;
BEGIN
  FOREACH r IN ARRAY ARRAY['shiyi_app', 'shiyi_sequencer', 'shiyi_switch'] LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I NOLOGIN', r);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL;
    END;
  END LOOP;
  -- A login that is a member of shiyi_switch may SET ROLE to the sequencer, but
  -- does not inherit what the sequencer may do: NOINHERIT stands between them.
  IF (SELECT rolinherit FROM pg_roles WHERE rolname = 'shiyi_switch') THEN
    ALTER ROLE shiyi_switch NOINHERIT;
  END IF;
  IF NOT pg_has_role('shiyi_switch', 'shiyi_sequencer', 'MEMBER') THEN
    BEGIN
      GRANT shiyi_sequencer TO shiyi_switch;
    EXCEPTION WHEN unique_violation THEN
      NULL;
    END;
  END IF;
END
$$;
-- +goose StatementEnd

-- append_only refuses every change of a row that was written. ENABLE ALWAYS on
-- its triggers keeps it awake in replication roles, too.
-- +goose StatementBegin
CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% on % is refused: its rows are only ever added', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation', CONSTRAINT = TG_TABLE_NAME || '_append_only';
END
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION append_only() IS 'trigger: UPDATE, DELETE and TRUNCATE are refused';

-- state_moves lets a row's state change only as its arguments say, each 'from>to'.
-- It is fired where the two differ, so that a row that moves nowhere costs nothing.
-- +goose StatementBegin
CREATE FUNCTION state_moves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.state || '>' || NEW.state <> ALL (TG_ARGV) THEN
    RAISE EXCEPTION 'the state of a row of % is refused to go from % to %', TG_TABLE_NAME, OLD.state, NEW.state
      USING ERRCODE = 'restrict_violation', CONSTRAINT = TG_TABLE_NAME || '_state_moves';
  END IF;
  RETURN NEW;
END
$$;
-- +goose StatementEnd

-- state_begins refuses a row that is added in another state than the first. It is
-- fired for those alone.
-- +goose StatementBegin
CREATE FUNCTION state_begins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a row of % is refused to begin as %', TG_TABLE_NAME, NEW.state
    USING ERRCODE = 'restrict_violation', CONSTRAINT = TG_TABLE_NAME || '_state_begins';
END
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION state_begins() IS 'trigger: refuses the row that fires it, for its first state';
COMMENT ON FUNCTION state_moves() IS 'trigger: the column state changes as the arguments allow, and not otherwise';
GRANT USAGE ON SCHEMA public TO shiyi_app, shiyi_sequencer;
