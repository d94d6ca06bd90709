-- Who pushed what was built: for whoever asks that nobody decides on their own work alone.
-- The PostgreSQL twin under the same number must describe the same tables and columns; a test compares them.

-- By the name at the forge; empty where nobody pushed, or it was not noted.
ALTER TABLE build ADD COLUMN pusher TEXT NOT NULL DEFAULT '';
