-- Retention: what goes when it is old, and what is needed to find it without reading everything.
-- The PostgreSQL twin under the same number must describe the same tables and columns; a test compares them.

ALTER TABLE step ADD COLUMN log_state TEXT NOT NULL DEFAULT 'loose';  -- loose compact removed
ALTER TABLE step ADD COLUMN log_removed_at INTEGER;
CREATE INDEX step_log_to_compact ON step (finished_at) WHERE log_state = 'loose';
CREATE INDEX step_log_to_remove ON step (finished_at) WHERE log_state <> 'removed';

ALTER TABLE delivery ADD COLUMN payload_removed_at INTEGER;
CREATE INDEX delivery_with_payload ON delivery (received_at) WHERE payload_removed_at IS NULL;
CREATE INDEX delivery_without_payload ON delivery (received_at) WHERE payload_removed_at IS NOT NULL;

-- What names a row that goes is found without a search.
CREATE INDEX delivery_by_build ON delivery (build_id);
CREATE INDEX ref_head_by_build ON ref_head (build_id);
CREATE INDEX release_by_source ON release (source_release_id);

-- The one server that collects now, and when a round ended last.
CREATE TABLE collection (
    name TEXT PRIMARY KEY,
    held_by TEXT NOT NULL,
    held_until INTEGER NOT NULL,
    finished_at INTEGER
) STRICT;
