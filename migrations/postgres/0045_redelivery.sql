-- Deliveries that were dealt with once more, lists of deliveries by what became of them, and runners that are told to rest.
-- The SQLite twin under the same number must describe the same tables and columns; a test compares them.

-- The delivery whose bytes these are, where somebody had it dealt with once more.
ALTER TABLE delivery ADD COLUMN again_of TEXT;

CREATE INDEX delivery_by_state ON delivery (state, id DESC);
CREATE INDEX delivery_by_both ON delivery (repository_id, state, id DESC);

-- Who told the runner to take nothing new, and when; it keeps that over its restarts.
ALTER TABLE runner ADD COLUMN drained_by TEXT;
ALTER TABLE runner ADD COLUMN drained_at BIGINT;
