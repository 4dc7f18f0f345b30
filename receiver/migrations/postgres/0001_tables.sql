-- Keys are SHA-256 in base64url: short, of one length, whatever a provider puts into its names.

-- One row for each login of a local session. by_sub and by_other are the names that logouts find it by.
CREATE TABLE signoff_receiver_logins (
  session text COLLATE "C" NOT NULL,
  client text COLLATE "C" NOT NULL,
  by_sub text COLLATE "C" NOT NULL,
  by_other text COLLATE "C" NOT NULL,
  registration text NOT NULL,
  last_second bigint NOT NULL,
  PRIMARY KEY (session, client)
);
CREATE INDEX signoff_receiver_logins_by_sub ON signoff_receiver_logins (by_sub, session);
CREATE INDEX signoff_receiver_logins_by_other ON signoff_receiver_logins (by_other, session);
CREATE INDEX signoff_receiver_logins_last_second ON signoff_receiver_logins (last_second);

CREATE TABLE signoff_receiver_tombstones (
  name text COLLATE "C" PRIMARY KEY,
  at bigint NOT NULL,
  last_second bigint NOT NULL
);
CREATE INDEX signoff_receiver_tombstones_last_second ON signoff_receiver_tombstones (last_second);

CREATE TABLE signoff_receiver_tokens (
  token text COLLATE "C" PRIMARY KEY,
  done boolean NOT NULL,
  last_second bigint NOT NULL
);
CREATE INDEX signoff_receiver_tokens_last_second ON signoff_receiver_tokens (last_second);
