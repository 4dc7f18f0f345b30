-- Issuers and clients are interned: rows elsewhere carry small integers.
CREATE TABLE issuers (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  issuer text COLLATE "C" NOT NULL UNIQUE
);

-- metadata is null for a client that events named but nobody registered.
CREATE TABLE clients (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  issuer int NOT NULL,
  client_id text COLLATE "C" NOT NULL,
  metadata jsonb,
  version bigint NOT NULL DEFAULT 0,
  UNIQUE (issuer, client_id)
);

CREATE TABLE keys (
  issuer int NOT NULL,
  kid text COLLATE "C" NOT NULL,
  first_seen timestamptz NOT NULL,
  PRIMARY KEY (issuer, kid)
);

-- The row that openers and session logouts lock. touched_at: the end of the hour in which somebody did
-- so last; the same for a whole hour, so that it is mostly written without its index. Until the row has
-- ended it says nothing: it may go, and comes back.
CREATE TABLE provider_sessions (
  issuer int NOT NULL,
  session_id text COLLATE "C" NOT NULL,
  ended_at timestamptz,
  logout_id bigint,
  touched_at timestamptz NOT NULL,
  PRIMARY KEY (issuer, session_id)
) WITH (fillfactor = 85);
CREATE INDEX provider_sessions_touched ON provider_sessions (touched_at);

-- sid is '' where the client saw none: it is part of the key.
-- held: a logout covered it and it was left alone; a later logout may want it.
-- id: what a page of sessions ends with; a cursor of the key would tell session ids.
CREATE TABLE sessions (
  id bigint GENERATED ALWAYS AS IDENTITY,
  issuer int NOT NULL,
  session_id text COLLATE "C" NOT NULL,
  client int NOT NULL,
  sid text COLLATE "C" NOT NULL,
  sub text NOT NULL,
  subject text COLLATE "C" NOT NULL,
  opened_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  offline boolean NOT NULL DEFAULT false,
  held boolean NOT NULL DEFAULT false,
  PRIMARY KEY (issuer, session_id, client, sid)
) WITH (fillfactor = 85);
CREATE INDEX sessions_subject ON sessions (issuer, subject, id);
CREATE INDEX sessions_client ON sessions (client, id);
CREATE INDEX sessions_expires ON sessions (issuer, expires_at);
CREATE INDEX sessions_held ON sessions (expires_at) WHERE held;

-- A closing may arrive before the opening it closes.
CREATE TABLE closings (
  issuer int NOT NULL,
  session_id text COLLATE "C" NOT NULL,
  client int NOT NULL,
  closed_at timestamptz NOT NULL,
  PRIMARY KEY (issuer, session_id, client)
);
CREATE INDEX closings_closed ON closings (closed_at);

-- scope 0: key is the provider session; 1: key is the subject; 2: all; 1 and 2 at one client if named.
-- A row of scope 1 or 2 is also the fence that late openings meet.
-- forget_from: what retention counts from; accepted_at, and later where the row was still needed then.
CREATE TABLE logouts (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  issuer int NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  scope smallint NOT NULL,
  key text COLLATE "C" NOT NULL,
  client int,
  cause smallint NOT NULL,
  initiator text,
  exclude_initiator boolean NOT NULL,
  happened_at timestamptz NOT NULL,
  accepted_at timestamptz NOT NULL,
  same_as bigint,
  forget_from timestamptz NOT NULL,
  UNIQUE (issuer, event_id)
);
CREATE INDEX logouts_key ON logouts (issuer, key, scope, happened_at);
CREATE INDEX logouts_forget ON logouts (forget_from);

-- Logouts that cover too much for one transaction. Their sessions are walked by client and id; a row
-- goes when its walk is over.
CREATE TABLE expansions (
  logout_id bigint PRIMARY KEY,
  at_client int NOT NULL DEFAULT 0,
  after_id bigint NOT NULL DEFAULT 0,
  due_at timestamptz NOT NULL
);

-- The working table. due_at of a leased row is the lease's end.
-- state: 0 pending, 2 abandoned, 3 skipped; delivered rows (1) move to `delivered`.
CREATE TABLE deliveries (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  logout_id bigint NOT NULL,
  due_at timestamptz NOT NULL,
  lease bigint,
  issuer int NOT NULL,
  client int NOT NULL,
  state smallint NOT NULL,
  why smallint,
  cause smallint NOT NULL,
  tries smallint NOT NULL DEFAULT 0,
  attempts smallint NOT NULL DEFAULT 0,
  streak_outcome smallint,
  streak_count smallint NOT NULL DEFAULT 0,
  last_outcome smallint,
  last_status smallint,
  whole_subject boolean NOT NULL DEFAULT false,
  bulk boolean NOT NULL DEFAULT false,
  session_id text COLLATE "C" NOT NULL,
  sid text COLLATE "C" NOT NULL,
  sub text NOT NULL,
  accepted_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL,
  armed_at timestamptz NOT NULL,
  streak_since timestamptz,
  tried_at timestamptz,
  settled_at timestamptz
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX deliveries_due ON deliveries (client, due_at) WHERE state = 0;
CREATE INDEX deliveries_owed ON deliveries (client, armed_at) WHERE state = 0;
CREATE INDEX deliveries_logout ON deliveries (logout_id);
CREATE INDEX deliveries_rest ON deliveries (client, id) WHERE state > 0;
CREATE INDEX deliveries_settled ON deliveries (settled_at) WHERE state > 0;

-- Append only; the last attempt is in the row, earlier ones in `attempts`.
CREATE TABLE delivered (
  id bigint PRIMARY KEY,
  logout_id bigint NOT NULL,
  issuer int NOT NULL,
  client int NOT NULL,
  attempts smallint NOT NULL,
  status smallint,
  whole_subject boolean NOT NULL,
  session_id text COLLATE "C" NOT NULL,
  sid text COLLATE "C" NOT NULL,
  sub text NOT NULL,
  created_at timestamptz NOT NULL,
  settled_at timestamptz NOT NULL,
  started_at timestamptz NOT NULL,
  took_us bigint NOT NULL,
  jti uuid,
  kid text,
  detail text NOT NULL
);
CREATE INDEX delivered_logout ON delivered (logout_id);
CREATE INDEX delivered_settled ON delivered (settled_at);

-- Attempts that did not deliver.
CREATE TABLE attempts (
  delivery_id bigint NOT NULL,
  number smallint NOT NULL,
  lease bigint NOT NULL,
  started_at timestamptz NOT NULL,
  took_us bigint NOT NULL,
  outcome smallint NOT NULL,
  status smallint,
  jti uuid,
  kid text,
  detail text NOT NULL,
  PRIMARY KEY (delivery_id, number, lease)
);
