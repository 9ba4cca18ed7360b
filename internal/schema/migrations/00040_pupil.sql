-- +goose Up

-- Pupils are of programmes that there are. Rows of before are not looked at.
ALTER TABLE pupil ADD CONSTRAINT pupil_programme_fkey FOREIGN KEY (programme_id) REFERENCES programme (id) NOT VALID;
