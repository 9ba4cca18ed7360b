-- +goose Up
CREATE TABLE transfer (
  home   uuid        NOT NULL,
  id     uuid        NOT NULL,
  kind   text        NOT NULL,
  ref    text        NOT NULL,
  at     timestamptz NOT NULL,
  public boolean     NOT NULL,
  salt   bytea       NOT NULL,
  moves  integer     NOT NULL,
  digest bytea       NOT NULL,
  CONSTRAINT transfer_pkey PRIMARY KEY (home, id),
  CONSTRAINT transfer_once UNIQUE (home, kind, ref),
  CONSTRAINT transfer_kind_form CHECK (kind ~ '^[a-z][a-z_]*$'),
  CONSTRAINT transfer_ref_form CHECK (ref ~ '^[!-~]+$'),
  CONSTRAINT transfer_salt_length CHECK (length(salt) = 16),
  CONSTRAINT transfer_has_moves CHECK (moves > 0),
  CONSTRAINT transfer_digest_is_sha256 CHECK (length(digest) = 32)
);
COMMENT ON TABLE transfer IS 'home: merchant, or fund. A list of moves that happened together; unique by what it is about.';

CREATE TABLE move (
  home        uuid    NOT NULL,
  transfer_id uuid    NOT NULL,
  n           integer NOT NULL,
  what        text    NOT NULL,
  source      text    NOT NULL,
  target      text    NOT NULL,
  amount_li   bigint  NOT NULL,
  CONSTRAINT move_pkey PRIMARY KEY (home, transfer_id, n),
  CONSTRAINT move_amount_positive CHECK (amount_li > 0),
  CONSTRAINT move_goes_somewhere CHECK (source <> target),
  CONSTRAINT move_what_form CHECK (what ~ '^[a-z][a-z_]*$'),
  CONSTRAINT move_source_form CHECK (source ~ '^[a-z0-9:_-]+$'),
  CONSTRAINT move_target_form CHECK (target ~ '^[a-z0-9:_-]+$')
);
COMMENT ON TABLE move IS 'home: its transfer''s. So many li go from one account to another; nothing else can be written down.';

CREATE TRIGGER transfer_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transfer FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER move_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON move FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- A move may only be added by the transaction that made its transfer, and only as one
-- of those that the transfer says it has. It is told by xmin, which a savepoint would
-- change: there are none. Tables are named with their schema, for a temporary table
-- of the same name would stand before them.
-- +goose StatementBegin
CREATE FUNCTION move_joins_its_transfer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (
    SELECT FROM added a LEFT JOIN public.transfer t ON t.home = a.home AND t.id = a.transfer_id
    WHERE t.xmin IS DISTINCT FROM pg_current_xact_id()::xid OR a.n NOT BETWEEN 1 AND t.moves
  ) THEN
    RAISE EXCEPTION 'a move without a transfer of its own transaction is refused'
      USING ERRCODE = 'restrict_violation', CONSTRAINT = 'move_joins_its_transfer';
  END IF;
  RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER move_joins_its_transfer AFTER INSERT ON move REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION move_joins_its_transfer();

-- transfer_digest is what a transfer says of its moves: SHA-256 over one line a move. It is
-- in PL/pgSQL because that keeps its plan, where SQL would plan anew for each transfer.
-- +goose StatementBegin
CREATE FUNCTION transfer_digest(of_home uuid, of_id uuid, OUT moves integer, OUT digest bytea) LANGUAGE plpgsql STABLE AS $$
BEGIN
  SELECT count(*)::integer,
         sha256(convert_to(coalesce(string_agg(format(E'%s|%s|%s|%s|%s\n', n, what, source, target, amount_li), '' ORDER BY n), ''), 'UTF8'))
  INTO moves, digest
  FROM public.move WHERE home = of_home AND transfer_id = of_id;
END
$$;
-- +goose StatementEnd

-- At commit a transfer must have the moves that it says.
-- +goose StatementBegin
CREATE FUNCTION transfer_is_whole() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE found record;
BEGIN
  SELECT * INTO found FROM public.transfer_digest(NEW.home, NEW.id);
  IF found.moves <> NEW.moves OR found.digest <> NEW.digest THEN
    RAISE EXCEPTION 'transfer % has % moves that are not the ones it was made with', NEW.id, found.moves
      USING ERRCODE = 'restrict_violation', CONSTRAINT = 'transfer_is_whole';
  END IF;
  RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE CONSTRAINT TRIGGER transfer_is_whole AFTER INSERT ON transfer
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION transfer_is_whole();

ALTER TABLE transfer ENABLE ALWAYS TRIGGER transfer_append_only, ENABLE ALWAYS TRIGGER transfer_is_whole;
ALTER TABLE move ENABLE ALWAYS TRIGGER move_append_only, ENABLE ALWAYS TRIGGER move_joins_its_transfer;

CREATE TABLE account_rollup (
  account text   NOT NULL,
  in_li   bigint NOT NULL,
  out_li  bigint NOT NULL,
  CONSTRAINT account_rollup_pkey PRIMARY KEY (account),
  CONSTRAINT account_rollup_positive CHECK (in_li >= 0 AND out_li >= 0)
);
COMMENT ON TABLE account_rollup IS 'home: shared. Sums over the transfers that are numbered in the log; it can be made anew from move at any time.';

CREATE TABLE flow_rollup (
  kind   text   NOT NULL,
  what   text   NOT NULL,
  sum_li bigint NOT NULL,
  count  bigint NOT NULL,
  CONSTRAINT flow_rollup_pkey PRIMARY KEY (kind, what),
  CONSTRAINT flow_rollup_positive CHECK (sum_li >= 0 AND count >= 0)
);
COMMENT ON TABLE flow_rollup IS 'home: shared. The same sums by kind of transfer and what was moved.';

GRANT SELECT, INSERT ON transfer, move TO shiyi_app;
-- Sums are written by the sequencer alone: whoever can write them can invent a balance.
GRANT SELECT ON account_rollup, flow_rollup TO shiyi_app;
GRANT SELECT, INSERT, UPDATE ON account_rollup, flow_rollup TO shiyi_sequencer;
GRANT SELECT ON transfer, move TO shiyi_sequencer;
