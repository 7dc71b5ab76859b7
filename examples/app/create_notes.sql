-- Notes that everybody reads; a note of a user belongs to that user alone.
CREATE TABLE IF NOT EXISTS notes (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id UUID REFERENCES auth.users(id) ON DELETE CASCADE,
  author VARCHAR(64) NOT NULL,
  body VARCHAR(500) NOT NULL CHECK (body <> ''),
  created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS idx_notes_created_at ON notes (created_at DESC);

ALTER TABLE notes ENABLE ROW LEVEL SECURITY;

CREATE POLICY "Visitors' and own notes can be read"
  ON notes FOR SELECT
  USING (user_id IS NULL OR auth.uid() = user_id);

CREATE POLICY "Visitors' and own notes can be written"
  ON notes FOR INSERT
  WITH CHECK (user_id IS NULL OR auth.uid() = user_id);

CREATE POLICY "Own notes can be deleted"
  ON notes FOR DELETE
  USING (auth.uid() = user_id);

ALTER PUBLICATION supabase_realtime ADD TABLE notes;

COMMENT ON COLUMN notes.author IS 'Visitor''s identity from the session cookie';
