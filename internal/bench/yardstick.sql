-- What the scripts need besides: the sessions of the buyers, and the ids that the program would have
-- made or known. The functions are inlined, so that a call costs no more than the expression.
CREATE TABLE yardstick (client integer PRIMARY KEY, token_hash bytea NOT NULL);
GRANT SELECT ON yardstick TO shiyi_app;
CREATE FUNCTION made(kind integer, t bigint) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
  AS $$ SELECT (('0190000000007' || lpad(to_hex(kind), 3, '0')) || lpad(to_hex(t), 16, '8'))::uuid $$;
CREATE FUNCTION seller(m integer) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
  AS $$ SELECT ('00000000-0000-7000-8a00-' || lpad(m::text, 6, '0') || '000000')::uuid $$;
CREATE FUNCTION sku(m integer, p integer) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
  AS $$ SELECT ('00000000-0000-7000-8c00-' || lpad(m::text, 6, '0') || lpad(p::text, 6, '0'))::uuid $$;
CREATE FUNCTION payable(m uuid) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
  AS $$ SELECT 'merchant:' || m::text || ':payable' $$;
-- pgbench takes a colon for the beginning of a variable, in a text, too.
CREATE FUNCTION provider() RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT 'world:stripe' $$;
CREATE FUNCTION pending() RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT 'fund:education:pending' $$;
CREATE FUNCTION digest_of(m uuid, fen bigint) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
  AS $$ SELECT sha256(convert_to('1|goods|world:stripe|' || payable(m) || '|' || (10 * fen)::text || chr(10)
    || '2|tenth|' || payable(m) || '|fund:education:pending|' || fen::text || chr(10), 'UTF8')) $$;
