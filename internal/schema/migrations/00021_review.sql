-- +goose Up
CREATE TABLE review (
  merchant_id uuid        NOT NULL,
  id          uuid        NOT NULL,
  product_id  uuid        NOT NULL,
  order_id    uuid        NOT NULL,
  line        integer     NOT NULL,
  buyer_id    uuid        NOT NULL,
  author      text        NOT NULL,
  stars       integer     NOT NULL,
  body        text        NOT NULL,
  pictures    jsonb       NOT NULL,
  written_at  timestamptz NOT NULL,
  CONSTRAINT review_pkey PRIMARY KEY (merchant_id, id),
  CONSTRAINT review_once UNIQUE (merchant_id, order_id, line),
  CONSTRAINT review_line_fkey FOREIGN KEY (merchant_id, order_id, line) REFERENCES order_line (merchant_id, order_id, n),
  CONSTRAINT review_stars_range CHECK (stars BETWEEN 1 AND 5),
  CONSTRAINT review_body_length CHECK (length(body) BETWEEN 1 AND 500)
);
CREATE INDEX review_by_product ON review (product_id, id);
CREATE INDEX review_by_buyer ON review (buyer_id, id);
CREATE INDEX review_by_id ON review (id);
CREATE TRIGGER review_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON review FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE review ENABLE ALWAYS TRIGGER review_append_only;
COMMENT ON TABLE review IS 'home: merchant. What a buyer says of a line that he paid for, once; never deleted (E-Commerce Law 39). author is his masked name, empty for who wishes to be anonymous.';

CREATE TABLE review_follow_up (
  merchant_id uuid        NOT NULL,
  review_id   uuid        NOT NULL,
  body        text        NOT NULL,
  pictures    jsonb       NOT NULL,
  written_at  timestamptz NOT NULL,
  CONSTRAINT review_follow_up_pkey PRIMARY KEY (merchant_id, review_id),
  CONSTRAINT review_follow_up_review_fkey FOREIGN KEY (merchant_id, review_id) REFERENCES review (merchant_id, id),
  CONSTRAINT review_follow_up_body_length CHECK (length(body) BETWEEN 1 AND 500)
);
CREATE TRIGGER review_follow_up_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON review_follow_up FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE review_follow_up ENABLE ALWAYS TRIGGER review_follow_up_append_only;
COMMENT ON TABLE review_follow_up IS 'home: merchant. What the same buyer adds later, once.';

CREATE TABLE review_answer (
  merchant_id uuid        NOT NULL,
  review_id   uuid        NOT NULL,
  n           integer     NOT NULL,
  body        text        NOT NULL,
  actor_id    uuid        NOT NULL,
  at          timestamptz NOT NULL,
  CONSTRAINT review_answer_pkey PRIMARY KEY (merchant_id, review_id, n),
  CONSTRAINT review_answer_review_fkey FOREIGN KEY (merchant_id, review_id) REFERENCES review (merchant_id, id),
  CONSTRAINT review_answer_n_counts CHECK (n > 0),
  CONSTRAINT review_answer_body_length CHECK (length(body) BETWEEN 1 AND 500)
);
CREATE TRIGGER review_answer_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON review_answer FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE review_answer ENABLE ALWAYS TRIGGER review_answer_append_only;
COMMENT ON TABLE review_answer IS 'home: merchant. What the enterprise answers; the newest is shown, those before it stay.';

CREATE TABLE review_visibility (
  merchant_id uuid        NOT NULL,
  review_id   uuid        NOT NULL,
  n           integer     NOT NULL,
  hidden      boolean     NOT NULL,
  ground      text        NOT NULL,
  reason      text        NOT NULL,
  actor_id    uuid        NOT NULL,
  at          timestamptz NOT NULL,
  CONSTRAINT review_visibility_pkey PRIMARY KEY (merchant_id, review_id, n),
  CONSTRAINT review_visibility_review_fkey FOREIGN KEY (merchant_id, review_id) REFERENCES review (merchant_id, id),
  CONSTRAINT review_visibility_n_counts CHECK (n > 0),
  CONSTRAINT review_visibility_ground_known CHECK (hidden AND ground IN ('illegal_content', 'personal_information', 'defamation', 'fabricated', 'court_order') OR NOT hidden AND ground = ''),
  CONSTRAINT review_visibility_reason_length CHECK (length(reason) BETWEEN 2 AND 500)
);
CREATE TRIGGER review_visibility_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON review_visibility FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE review_visibility ENABLE ALWAYS TRIGGER review_visibility_append_only;
COMMENT ON TABLE review_visibility IS 'home: merchant. When an operator hid or showed a review, on which ground of law and why; the newest holds.';

GRANT SELECT, INSERT ON review, review_follow_up, review_answer, review_visibility TO shiyi_app;
