-- +goose Up
-- An official of a county acts for one region.
ALTER TABLE role_grant ADD COLUMN region text NOT NULL DEFAULT '';
ALTER TABLE role_grant DROP CONSTRAINT role_grant_pkey, ADD CONSTRAINT role_grant_pkey PRIMARY KEY (account_id, role, merchant_id, region);
ALTER TABLE role_grant DROP CONSTRAINT role_grant_role_known, ADD CONSTRAINT role_grant_role_known
  CHECK (role IN ('merchant', 'operator', 'fund_admin', 'auditor', 'institution', 'county'));
ALTER TABLE role_grant ADD CONSTRAINT role_grant_region CHECK ((role = 'county') = (region <> '') AND region ~ '^([0-9]{6})?$');
COMMENT ON TABLE role_grant IS 'home: shared. What an account may do beyond buying; merchant_id is the enterprise it sells for, or all zeros; region the county that it acts for, or empty.';

CREATE TABLE levy_agreement (
  version            integer NOT NULL,
  effective_from     date    NOT NULL,
  title              text    NOT NULL,
  body               text    NOT NULL,
  sha256             bytea   NOT NULL,
  sample             boolean NOT NULL,
  levy_bp            integer NOT NULL,
  beneficiary_region text    NOT NULL,
  entry_fee_fen      bigint  NOT NULL,
  commission_bp      integer NOT NULL,
  CONSTRAINT levy_agreement_pkey PRIMARY KEY (version),
  CONSTRAINT levy_agreement_version_positive CHECK (version > 0),
  CONSTRAINT levy_agreement_sha256_of_body CHECK (sha256 = sha256(convert_to(body, 'UTF8'))),
  CONSTRAINT levy_agreement_is_a_tenth CHECK (levy_bp = 1000),
  CONSTRAINT levy_agreement_costs_nothing CHECK (entry_fee_fen = 0 AND commission_bp = 0),
  CONSTRAINT levy_agreement_region_is_county CHECK (beneficiary_region ~ '^[0-9]{6}$')
);
CREATE TRIGGER levy_agreement_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON levy_agreement FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE levy_agreement ENABLE ALWAYS TRIGGER levy_agreement_append_only;
COMMENT ON TABLE levy_agreement IS 'home: shared. The text by which an enterprise promises the tenth. A new version is a new row; sample says that no lawyer has reviewed it. levy_bp and commission_bp are hundredths of a percent.';

INSERT INTO levy_agreement (version, effective_from, title, body, sha256, sample, levy_bp, beneficiary_region, entry_fee_fen, commission_bp)
SELECT 1, DATE '2019-12-01', '销售额十分之一捐赠协议（范本）', body, sha256(convert_to(body, 'UTF8')), true, 1000, '152527', 0, 0
FROM (VALUES ('销售额十分之一捐赠协议（范本，未经律师审阅）

一、费用。企业入驻免收入场费（0 元），平台佣金为零（0%）。支付机构的手续费由平台承担，不从教育基金中支出。

二、承诺。企业自愿承诺：其在本平台每一笔销售中，买家为商品实际支付的金额（含税，扣除企业自行给予的优惠，不含运费）的百分之十（10%），捐赠给太仆寺旗（行政区划代码 152527）教育基金。该款项出自企业的销售收入，买家支付的价格不因此增加。

三、用途。教育基金只用于太仆寺旗的教育事业，不得挪作他用。

四、退款。发生退款的，按退还的商品金额，相应退回其中的百分之十，精确到厘，不作四舍五入。

五、公开。每一笔提取、退回、拨付都记入公开账簿，任何人都可以核验；企业可以随时查阅和复制与其捐赠有关的资料。

六、发票。企业就买家支付的全部价款依法开具发票。捐赠票据由受赠方向企业开具，买家不是捐赠人。

七、生效与终止。本协议自企业授权代表在线确认之时起生效。企业退出平台的，终止前已发生的销售仍按本协议执行；没有有效的协议，企业的商品不得在平台上销售。

八、确认。授权代表确认其有权代表企业签署，并已阅读本协议全文。平台记录其姓名、职务、账号、确认时间以及本协议文本的版本号和 SHA-256 摘要。')) AS first (body);

CREATE TABLE application (
  id                uuid        NOT NULL,
  applicant_id      uuid        NOT NULL,
  state             text        NOT NULL,
  version           integer     NOT NULL,
  round             integer     NOT NULL,
  region            text        NOT NULL,
  uscc              text        NOT NULL,
  legal_name        text        NOT NULL,
  content           jsonb       NOT NULL,
  contacts          jsonb       NOT NULL,
  merchant_id       uuid        NOT NULL,
  code              text        NOT NULL,
  agreement_no      text        NOT NULL,
  recommendation_no text        NOT NULL,
  recommended_by    uuid,
  recommended_at    timestamptz,
  approved_by       uuid,
  approved_at       timestamptz,
  submitted_at      timestamptz,
  created_at        timestamptz NOT NULL,
  updated_at        timestamptz NOT NULL,
  CONSTRAINT application_pkey PRIMARY KEY (id),
  CONSTRAINT application_state_known CHECK (state IN ('draft', 'submitted', 'returned', 'recommended', 'approved', 'refused', 'signed', 'active')),
  CONSTRAINT application_content_size CHECK (octet_length(content::text) <= 262144 AND octet_length(contacts::text) <= 32768),
  CONSTRAINT application_rounds CHECK (round >= 0 AND (round = 0) = (state = 'draft') AND (round = 0) = (submitted_at IS NULL)),
  CONSTRAINT application_four_eyes CHECK (recommended_by IS DISTINCT FROM applicant_id AND approved_by IS DISTINCT FROM applicant_id
    AND (recommended_by IS NULL OR approved_by IS DISTINCT FROM recommended_by)),
  CONSTRAINT application_recommended CHECK ((recommended_by IS NULL) = (recommended_at IS NULL)
    AND (state NOT IN ('recommended', 'approved', 'signed', 'active') OR recommended_by IS NOT NULL)),
  CONSTRAINT application_approved CHECK ((approved_by IS NULL) = (approved_at IS NULL)
    AND (state IN ('approved', 'signed', 'active')) = (approved_by IS NOT NULL)),
  CONSTRAINT application_signed CHECK (state NOT IN ('signed', 'active') OR (code <> '' AND agreement_no <> ''))
);
CREATE UNIQUE INDEX application_open_uscc ON application (uscc) WHERE uscc <> '' AND state IN ('submitted', 'returned', 'recommended', 'approved', 'signed');
CREATE INDEX application_by_applicant ON application (applicant_id, id);
CREATE INDEX application_by_region ON application (region, state, id);
CREATE INDEX application_by_state ON application (state, id);
CREATE TRIGGER application_state_moves BEFORE UPDATE OF state ON application FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION state_moves('draft>submitted', 'returned>submitted', 'submitted>recommended', 'submitted>returned',
    'recommended>approved', 'recommended>returned', 'recommended>refused', 'returned>refused', 'approved>signed', 'signed>active');
CREATE TRIGGER application_state_begins BEFORE INSERT ON application FOR EACH ROW WHEN (NEW.state <> 'draft') EXECUTE FUNCTION state_begins();
ALTER TABLE application ENABLE ALWAYS TRIGGER application_state_moves, ENABLE ALWAYS TRIGGER application_state_begins;
COMMENT ON TABLE application IS 'home: shared. An enterprise that wants to come in. contacts are personal data: never public, never in the trail. round counts how often it was submitted, version how often it was edited. merchant_id is the enterprise that it becomes.';

CREATE TABLE application_event (
  application_id uuid        NOT NULL,
  n              integer     NOT NULL,
  at             timestamptz NOT NULL,
  actor_id       uuid        NOT NULL,
  side           text        NOT NULL,
  action         text        NOT NULL,
  state          text        NOT NULL,
  round          integer     NOT NULL,
  reason         text        NOT NULL,
  CONSTRAINT application_event_pkey PRIMARY KEY (application_id, n),
  CONSTRAINT application_event_application_fkey FOREIGN KEY (application_id) REFERENCES application (id),
  CONSTRAINT application_event_side_known CHECK (side IN ('applicant', 'county', 'platform', 'program'))
);
CREATE TRIGGER application_event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON application_event FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE application_event ENABLE ALWAYS TRIGGER application_event_append_only;
COMMENT ON TABLE application_event IS 'home: shared. What was done with an application, by whom, and the state that it led to.';

CREATE TABLE application_item (
  application_id uuid    NOT NULL,
  round          integer NOT NULL,
  n              integer NOT NULL,
  side           text    NOT NULL,
  pointer        text    NOT NULL,
  problem        text    NOT NULL,
  message        text    NOT NULL,
  CONSTRAINT application_item_pkey PRIMARY KEY (application_id, round, n),
  CONSTRAINT application_item_application_fkey FOREIGN KEY (application_id) REFERENCES application (id),
  CONSTRAINT application_item_side_known CHECK (side IN ('county', 'platform')),
  CONSTRAINT application_item_problem_known CHECK (problem IN ('missing', 'wrong', 'unreadable', 'expired', 'contradictory', 'other'))
);
CREATE TRIGGER application_item_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON application_item FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE application_item ENABLE ALWAYS TRIGGER application_item_append_only;
COMMENT ON TABLE application_item IS 'home: shared. For what an application was returned, place by place, in the round that it was submitted in; open until it is submitted again.';

CREATE TABLE agreement_acceptance (
  application_id uuid        NOT NULL,
  agreement_no   text        NOT NULL,
  version        integer     NOT NULL,
  sha256         bytea       NOT NULL,
  account_id     uuid        NOT NULL,
  name           text        NOT NULL,
  position       text        NOT NULL,
  at             timestamptz NOT NULL,
  CONSTRAINT agreement_acceptance_pkey PRIMARY KEY (application_id),
  CONSTRAINT agreement_acceptance_no_key UNIQUE (agreement_no),
  CONSTRAINT agreement_acceptance_application_fkey FOREIGN KEY (application_id) REFERENCES application (id),
  CONSTRAINT agreement_acceptance_version_fkey FOREIGN KEY (version) REFERENCES levy_agreement (version),
  CONSTRAINT agreement_acceptance_sha256_length CHECK (length(sha256) = 32),
  CONSTRAINT agreement_acceptance_named CHECK (length(name) BETWEEN 1 AND 64 AND length(position) BETWEEN 1 AND 64)
);
CREATE TRIGGER agreement_acceptance_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON agreement_acceptance FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE agreement_acceptance ENABLE ALWAYS TRIGGER agreement_acceptance_append_only;
COMMENT ON TABLE agreement_acceptance IS 'home: shared. Who promised the tenth for an enterprise, by which text, and when. The name is personal data.';

GRANT SELECT ON levy_agreement TO shiyi_app;
GRANT SELECT, INSERT, UPDATE ON application TO shiyi_app;
GRANT SELECT, INSERT ON application_event, application_item, agreement_acceptance TO shiyi_app;
