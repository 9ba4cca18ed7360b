-- +goose Up
CREATE TABLE account (
  id            uuid        NOT NULL,
  phone         text,
  email         text,
  name          text        NOT NULL,
  password_hash text        NOT NULL,
  state         text        NOT NULL,
  created_at    timestamptz NOT NULL,
  updated_at    timestamptz NOT NULL,
  CONSTRAINT account_pkey PRIMARY KEY (id),
  CONSTRAINT account_phone_key UNIQUE (phone),
  CONSTRAINT account_email_key UNIQUE (email),
  CONSTRAINT account_has_a_login CHECK (phone IS NOT NULL OR email IS NOT NULL),
  CONSTRAINT account_phone_is_e164 CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),
  CONSTRAINT account_email_is_lower CHECK (email = lower(email) AND length(email) <= 254),
  CONSTRAINT account_name_length CHECK (length(name) BETWEEN 1 AND 64),
  CONSTRAINT account_state_known CHECK (state IN ('active', 'suspended'))
);
COMMENT ON TABLE account IS 'home: shared. A person who can sign in, by phone or by e-mail.';

CREATE TABLE role_grant (
  account_id  uuid        NOT NULL,
  role        text        NOT NULL,
  merchant_id uuid        NOT NULL,
  granted_at  timestamptz NOT NULL,
  granted_by  uuid,
  CONSTRAINT role_grant_pkey PRIMARY KEY (account_id, role, merchant_id),
  CONSTRAINT role_grant_account_fkey FOREIGN KEY (account_id) REFERENCES account (id),
  CONSTRAINT role_grant_role_known CHECK (role IN ('merchant', 'operator', 'fund_admin', 'auditor', 'institution')),
  CONSTRAINT role_grant_scope CHECK ((role = 'merchant') = (merchant_id <> '00000000-0000-0000-0000-000000000000'))
);
COMMENT ON TABLE role_grant IS 'home: shared. What an account may do beyond buying; merchant_id is the enterprise it sells for, or all zeros.';

CREATE TABLE session (
  id         uuid        NOT NULL,
  account_id uuid        NOT NULL,
  token_hash bytea       NOT NULL,
  user_agent text        NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  revoked_at timestamptz,
  CONSTRAINT session_pkey PRIMARY KEY (id),
  CONSTRAINT session_token_hash_key UNIQUE (token_hash),
  CONSTRAINT session_account_fkey FOREIGN KEY (account_id) REFERENCES account (id),
  CONSTRAINT session_token_hash_is_sha256 CHECK (length(token_hash) = 32),
  CONSTRAINT session_user_agent_length CHECK (length(user_agent) <= 256),
  CONSTRAINT session_expires_later CHECK (expires_at > created_at)
);
CREATE INDEX session_account ON session (account_id, id);
CREATE INDEX session_expires_at ON session (expires_at);
COMMENT ON TABLE session IS 'home: shared. A sign-in; only the SHA-256 of its token is kept.';

GRANT SELECT, INSERT, UPDATE ON account TO shiyi_app;
GRANT SELECT, INSERT, DELETE ON role_grant TO shiyi_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON session TO shiyi_app;
