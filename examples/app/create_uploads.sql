-- What was uploaded: the name, size and digest of each file, not the file.
CREATE TABLE IF NOT EXISTS uploads (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id UUID REFERENCES auth.users(id) ON DELETE CASCADE,
  name VARCHAR(255) NOT NULL,
  size INTEGER NOT NULL CHECK (size >= 0),
  sha256 CHAR(64) NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

ALTER TABLE uploads ENABLE ROW LEVEL SECURITY;

CREATE POLICY "Visitors' and own uploads can be read"
  ON uploads FOR SELECT
  USING (user_id IS NULL OR auth.uid() = user_id);

CREATE POLICY "Visitors' and own uploads can be recorded"
  ON uploads FOR INSERT
  WITH CHECK (user_id IS NULL OR auth.uid() = user_id);

CREATE OR REPLACE FUNCTION refuse_changed_upload()
RETURNS TRIGGER AS $$
BEGIN
  RAISE EXCEPTION 'an upload is recorded once; it cannot be changed';
END;
$$ LANGUAGE plpgsql;

CREATE TRIGGER uploads_are_final
  BEFORE UPDATE ON uploads
  FOR EACH ROW
  EXECUTE FUNCTION refuse_changed_upload();

ALTER PUBLICATION supabase_realtime ADD TABLE uploads;
