-- +goose Up
-- The book in the order of time: for whoever reads a period of it.
CREATE INDEX transfer_by_time ON transfer (at, home, id);
