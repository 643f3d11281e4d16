-- One message of HISTORY. Times are RFC 3339 in UTC with nine digits, so that
-- they sort as text. data is the message as it was published; of an undecodable
-- one, its beginning.
CREATE TABLE event (
    row       INTEGER PRIMARY KEY,
    epoch     INTEGER NOT NULL,
    sequence  INTEGER NOT NULL,
    subject   TEXT NOT NULL,
    id        TEXT NOT NULL,
    time      TEXT NOT NULL,
    peak      TEXT NOT NULL, -- latest time up to this row: grows with row, as time nearly does
    stage     TEXT NOT NULL,
    verdict   TEXT NOT NULL,
    cloud     TEXT NOT NULL,
    cluster   TEXT NOT NULL,
    kind      TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name      TEXT NOT NULL,
    change    TEXT NOT NULL,
    cause     TEXT NOT NULL,
    source    TEXT NOT NULL,
    trace     TEXT NOT NULL,
    data      BLOB NOT NULL,
    reason    TEXT NOT NULL, -- why it is undecodable; empty for an event
    repeats   INTEGER,       -- row of the same event, published twice
    UNIQUE (epoch, sequence)
) STRICT;

-- An index on one column gives its rows in the order of history, so a page is
-- read without sorting.
CREATE INDEX event_object ON event (name, namespace, cluster, kind);
CREATE INDEX event_namespace ON event (namespace);
CREATE INDEX event_cluster ON event (cluster);
CREATE INDEX event_verdict ON event (verdict);
CREATE INDEX event_stage ON event (stage);
CREATE INDEX event_cloud ON event (cloud);
CREATE INDEX event_change ON event (change);
CREATE INDEX event_id ON event (id);
CREATE INDEX event_peak ON event (peak);

-- The last event of every stage of every exposure: a table of what the rows above say.
CREATE TABLE latest (
    cloud     TEXT NOT NULL,
    cluster   TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name      TEXT NOT NULL,
    kind      TEXT NOT NULL,
    stage     TEXT NOT NULL,
    row       INTEGER NOT NULL,
    PRIMARY KEY (cloud, cluster, namespace, name, kind, stage)
) STRICT, WITHOUT ROWID;

-- A range of HISTORY that was not read. last 0: nobody knows how far.
CREATE TABLE gap (
    number INTEGER PRIMARY KEY,
    epoch  INTEGER NOT NULL,
    first  INTEGER NOT NULL,
    last   INTEGER NOT NULL,
    before INTEGER NOT NULL, -- the row that follows
    found  TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;

-- How far history has come, and under which name it reads.
CREATE TABLE progress (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    epoch  INTEGER NOT NULL,
    last   INTEGER NOT NULL,
    reader TEXT NOT NULL,
    lag    INTEGER NOT NULL -- nanoseconds that time was behind peak at most
) STRICT;
