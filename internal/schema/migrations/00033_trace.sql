-- +goose Up
-- Where each li of the fund stands in its queue: pkg/verify/queue.go computes the same of the leaves.
CREATE TABLE fund_position (
  way         text    NOT NULL,
  to_li       bigint  NOT NULL,
  from_li     bigint  NOT NULL,
  n           bigint  NOT NULL,
  log_index   bigint  NOT NULL,
  place       integer NOT NULL,
  home        uuid    NOT NULL,
  transfer_id uuid    NOT NULL,
  kind        text    NOT NULL,
  account     text    NOT NULL,
  CONSTRAINT fund_position_pkey PRIMARY KEY (way, to_li) INCLUDE (from_li, n),
  CONSTRAINT fund_position_way_known CHECK (way IN ('in', 'out')),
  CONSTRAINT fund_position_has_li CHECK (from_li >= 0 AND to_li > from_li),
  CONSTRAINT fund_position_place CHECK (n >= 0 AND log_index >= 0 AND place >= 0)
);
COMMENT ON TABLE fund_position IS 'home: fund. The interval of li that each move into and out of the fund''s queue has, in the order of the log.';
CREATE INDEX fund_position_of_transfer ON fund_position (home, transfer_id) INCLUDE (way, from_li, to_li, n, log_index, place, kind, account);
-- There are few outflows, and a range of them is read for every levy that is traced.
CREATE INDEX fund_position_out ON fund_position (to_li) INCLUDE (way, from_li, n, log_index, place, home, transfer_id, kind, account) WHERE way = 'out';
CREATE INDEX fund_position_out_n ON fund_position (n) WHERE way = 'out';

CREATE TABLE fund_queue (
  one          boolean NOT NULL DEFAULT true,
  leaves       bigint  NOT NULL,
  in_li        bigint  NOT NULL,
  in_count     bigint  NOT NULL,
  out_li       bigint  NOT NULL,
  out_count    bigint  NOT NULL,
  committed_li bigint  NOT NULL,
  CONSTRAINT fund_queue_pkey PRIMARY KEY (one),
  CONSTRAINT fund_queue_one_row CHECK (one),
  CONSTRAINT fund_queue_positive CHECK (leaves >= 0 AND in_li >= 0 AND in_count >= 0 AND out_li >= 0 AND out_count >= 0)
);
COMMENT ON TABLE fund_queue IS 'home: fund. The sums of the queue after so many leaves of the log: where the next position begins.';
INSERT INTO fund_queue (leaves, in_li, in_count, out_li, out_count, committed_li) VALUES (0, 0, 0, 0, 0, 0);

CREATE TRIGGER fund_position_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON fund_position FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER fund_queue_append_only BEFORE DELETE OR TRUNCATE ON fund_queue FOR EACH STATEMENT EXECUTE FUNCTION append_only();
-- +goose StatementBegin
CREATE FUNCTION fund_queue_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.leaves <= OLD.leaves OR NEW.in_li < OLD.in_li OR NEW.out_li < OLD.out_li OR NEW.in_count < OLD.in_count OR NEW.out_count < OLD.out_count THEN
    RAISE EXCEPTION 'a queue of % leaves is refused: it had %', NEW.leaves, OLD.leaves
      USING ERRCODE = 'restrict_violation', CONSTRAINT = 'fund_queue_grows';
  END IF;
  RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER fund_queue_grows BEFORE UPDATE ON fund_queue FOR EACH ROW EXECUTE FUNCTION fund_queue_grows();
ALTER TABLE fund_position ENABLE ALWAYS TRIGGER fund_position_append_only;
ALTER TABLE fund_queue ENABLE ALWAYS TRIGGER fund_queue_append_only, ENABLE ALWAYS TRIGGER fund_queue_grows;

-- What a bank disputed of an order is asked for by order now.
CREATE INDEX dispute_part_of_order ON dispute_part (merchant_id, order_id, id);

-- Only the sequencer gives places away.
GRANT SELECT ON fund_position, fund_queue TO shiyi_app;
GRANT SELECT, INSERT ON fund_position TO shiyi_sequencer;
GRANT SELECT, UPDATE ON fund_queue TO shiyi_sequencer;
