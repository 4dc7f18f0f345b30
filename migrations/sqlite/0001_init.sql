-- Instants are microseconds since 1970.
-- Issuers and clients are interned: rows elsewhere carry small integers.
CREATE TABLE issuers (
  id integer PRIMARY KEY AUTOINCREMENT,
  issuer text NOT NULL UNIQUE
);

-- metadata is null for a client that events named but nobody registered.
CREATE TABLE clients (
  id integer PRIMARY KEY AUTOINCREMENT,
  issuer integer NOT NULL,
  client_id text NOT NULL,
  metadata text,
  version integer NOT NULL DEFAULT 0,
  UNIQUE (issuer, client_id)
);

CREATE TABLE keys (
  issuer integer NOT NULL,
  kid text NOT NULL,
  first_seen integer NOT NULL,
  PRIMARY KEY (issuer, kid)
);

-- The row that openers and session logouts lock. touched_at: the end of the hour in which somebody did
-- so last; the same for a whole hour, so that it is mostly written without its index. Until the row has
-- ended it says nothing: it may go, and comes back.
CREATE TABLE provider_sessions (
  issuer integer NOT NULL,
  session_id text NOT NULL,
  ended_at integer,
  logout_id integer,
  touched_at integer NOT NULL,
  PRIMARY KEY (issuer, session_id)
);
CREATE INDEX provider_sessions_touched ON provider_sessions (touched_at);

-- sid is '' where the client saw none: it is part of the key.
-- held: a logout covered it and it was left alone; a later logout may want it.
-- id: what a page of sessions ends with; a cursor of the key would tell session ids.
CREATE TABLE sessions (
  id integer PRIMARY KEY,
  issuer integer NOT NULL,
  session_id text NOT NULL,
  client integer NOT NULL,
  sid text NOT NULL,
  sub text NOT NULL,
  subject text NOT NULL,
  opened_at integer NOT NULL,
  expires_at integer NOT NULL,
  offline boolean NOT NULL DEFAULT 0,
  held boolean NOT NULL DEFAULT 0,
  UNIQUE (issuer, session_id, client, sid)
);
CREATE INDEX sessions_subject ON sessions (issuer, subject);
CREATE INDEX sessions_client ON sessions (client);
CREATE INDEX sessions_expires ON sessions (issuer, expires_at);
CREATE INDEX sessions_held ON sessions (expires_at) WHERE held;

-- A closing may arrive before the opening it closes.
CREATE TABLE closings (
  issuer integer NOT NULL,
  session_id text NOT NULL,
  client integer NOT NULL,
  closed_at integer NOT NULL,
  PRIMARY KEY (issuer, session_id, client)
);
CREATE INDEX closings_closed ON closings (closed_at);

-- scope 0: key is the provider session; 1: key is the subject; 2: all; 1 and 2 at one client if named.
-- A row of scope 1 or 2 is also the fence that late openings meet.
-- forget_from: what retention counts from; accepted_at, and later where the row was still needed then.
CREATE TABLE logouts (
  id integer PRIMARY KEY AUTOINCREMENT,
  issuer integer NOT NULL,
  event_id text NOT NULL,
  scope integer NOT NULL,
  key text NOT NULL,
  client integer,
  cause integer NOT NULL,
  initiator text,
  exclude_initiator boolean NOT NULL,
  happened_at integer NOT NULL,
  accepted_at integer NOT NULL,
  same_as integer,
  forget_from integer NOT NULL,
  UNIQUE (issuer, event_id)
);
CREATE INDEX logouts_key ON logouts (issuer, key, scope, happened_at);
CREATE INDEX logouts_forget ON logouts (forget_from);

-- Logouts that cover too much for one transaction. Their sessions are walked by client and id; a row
-- goes when its walk is over.
CREATE TABLE expansions (
  logout_id integer PRIMARY KEY,
  at_client integer NOT NULL DEFAULT 0,
  after_id integer NOT NULL DEFAULT 0,
  due_at integer NOT NULL
);

-- The working table. due_at of a leased row is the lease's end.
-- state: 0 pending, 2 abandoned, 3 skipped; delivered rows (1) move to `delivered`.
CREATE TABLE deliveries (
  id integer PRIMARY KEY AUTOINCREMENT,
  logout_id integer NOT NULL,
  due_at integer NOT NULL,
  lease integer,
  issuer integer NOT NULL,
  client integer NOT NULL,
  state integer NOT NULL,
  why integer,
  cause integer NOT NULL,
  tries integer NOT NULL DEFAULT 0,
  attempts integer NOT NULL DEFAULT 0,
  streak_outcome integer,
  streak_count integer NOT NULL DEFAULT 0,
  last_outcome integer,
  last_status integer,
  whole_subject boolean NOT NULL DEFAULT 0,
  bulk boolean NOT NULL DEFAULT 0,
  session_id text NOT NULL,
  sid text NOT NULL,
  sub text NOT NULL,
  accepted_at integer NOT NULL,
  created_at integer NOT NULL,
  armed_at integer NOT NULL,
  streak_since integer,
  tried_at integer,
  settled_at integer
);
CREATE INDEX deliveries_due ON deliveries (client, due_at) WHERE state = 0;
CREATE INDEX deliveries_owed ON deliveries (client, armed_at) WHERE state = 0;
CREATE INDEX deliveries_logout ON deliveries (logout_id);
CREATE INDEX deliveries_rest ON deliveries (client, id) WHERE state > 0;
CREATE INDEX deliveries_settled ON deliveries (settled_at) WHERE state > 0;

-- Append only; the last attempt is in the row, earlier ones in `attempts`.
CREATE TABLE delivered (
  id integer PRIMARY KEY,
  logout_id integer NOT NULL,
  issuer integer NOT NULL,
  client integer NOT NULL,
  attempts integer NOT NULL,
  status integer,
  whole_subject boolean NOT NULL,
  session_id text NOT NULL,
  sid text NOT NULL,
  sub text NOT NULL,
  created_at integer NOT NULL,
  settled_at integer NOT NULL,
  started_at integer NOT NULL,
  took_us integer NOT NULL,
  jti blob,
  kid text,
  detail text NOT NULL
);
CREATE INDEX delivered_logout ON delivered (logout_id);
CREATE INDEX delivered_settled ON delivered (settled_at);

-- Attempts that did not deliver.
CREATE TABLE attempts (
  delivery_id integer NOT NULL,
  number integer NOT NULL,
  lease integer NOT NULL,
  started_at integer NOT NULL,
  took_us integer NOT NULL,
  outcome integer NOT NULL,
  status integer,
  jti blob,
  kid text,
  detail text NOT NULL,
  PRIMARY KEY (delivery_id, number, lease)
);
