-- +goose Up
CREATE TABLE assistance_track (
  code      text NOT NULL,
  name_zh   text NOT NULL,
  name_en   text NOT NULL,
  position  integer NOT NULL,
  CONSTRAINT assistance_track_pkey PRIMARY KEY (code),
  CONSTRAINT assistance_track_code_form CHECK (code ~ '^[a-z][a-z_]{0,31}$')
);
COMMENT ON TABLE assistance_track IS 'home: shared. In what ways the county is helped outside the shop; data, not code.';
INSERT INTO assistance_track (code, name_zh, name_en, position) VALUES
  ('institutional_purchase', '单位采购', 'Institutional purchases', 1),
  ('training', '培训', 'Training', 2),
  ('seconded_cadres', '挂职干部', 'Seconded cadres', 3),
  ('telemedicine', '远程医疗', 'Telemedicine', 4),
  ('village_network', '“为村”平台', 'Village network', 5),
  ('transport', '交通', 'Transport', 6);

CREATE TABLE assistance_entry (
  id          uuid        NOT NULL,
  year        integer     NOT NULL,
  track       text        NOT NULL,
  title_zh    text        NOT NULL,
  title_en    text        NOT NULL,
  figures     jsonb       NOT NULL,
  source      text        NOT NULL,
  invented    boolean     NOT NULL,
  replaces    uuid,
  reason      text        NOT NULL,
  recorded_by uuid        NOT NULL,
  recorded_at timestamptz NOT NULL,
  CONSTRAINT assistance_entry_pkey PRIMARY KEY (id),
  CONSTRAINT assistance_entry_track_fkey FOREIGN KEY (track) REFERENCES assistance_track (code),
  CONSTRAINT assistance_entry_replaces_fkey FOREIGN KEY (replaces) REFERENCES assistance_entry (id),
  CONSTRAINT assistance_entry_replaced_once UNIQUE (replaces),
  CONSTRAINT assistance_entry_year_in_range CHECK (year BETWEEN 2000 AND 2999),
  CONSTRAINT assistance_entry_figures_bounded CHECK (jsonb_typeof(figures) = 'array' AND jsonb_array_length(figures) <= 20),
  CONSTRAINT assistance_entry_texts_length CHECK (length(title_zh) BETWEEN 1 AND 200 AND length(title_en) BETWEEN 1 AND 200 AND length(source) BETWEEN 1 AND 500),
  CONSTRAINT assistance_entry_correction_has_reason CHECK ((replaces IS NULL) = (reason = '') AND length(reason) <= 500)
);
CREATE INDEX assistance_entry_by_year ON assistance_entry (year, id);
COMMENT ON TABLE assistance_entry IS 'home: shared. Help outside the shop, with figures and their source. No money of the fund is in it. A correction replaces an entry, which stays.';
CREATE TRIGGER assistance_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON assistance_entry FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE assistance_entry ENABLE ALWAYS TRIGGER assistance_entry_append_only;

GRANT SELECT ON assistance_track TO shiyi_app;
GRANT SELECT, INSERT ON assistance_entry TO shiyi_app;
