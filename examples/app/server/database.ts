import pg from "pg";

export interface Note {
  id: string;
  author: string;
  body: string;
  createdAt: string;
}

export interface Upload {
  name: string;
  size: number;
  sha256: string;
}

export interface DatabaseState {
  ok: boolean;
  version?: string;
  error?: string;
}

const pool = new pg.Pool({
  connectionString: process.env.DATABASE_URL,
  max: 5,
  connectionTimeoutMillis: 3000,
});
// A connection that breaks while nobody uses it is replaced by the next query.
pool.on("error", (error) => console.error(`database: ${error.message}`));

export async function databaseState(): Promise<DatabaseState> {
  try {
    const { rows } = await pool.query<{ server_version: string }>("SHOW server_version");
    return { ok: true, version: rows[0]?.server_version };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { ok: false, error: code ?? message };
  }
}

export async function latestNotes(): Promise<Note[]> {
  const { rows } = await pool.query<Note>(
    'SELECT id, author, body, created_at AS "createdAt" FROM notes ORDER BY created_at DESC LIMIT 20',
  );
  return rows;
}

export async function writeNote(author: string, body: string): Promise<Note> {
  const { rows } = await pool.query<Note>(
    'INSERT INTO notes (author, body) VALUES ($1, $2) RETURNING id, author, body, created_at AS "createdAt"',
    [author, body],
  );
  return rows[0]!;
}

export async function recordUpload({ name, size, sha256 }: Upload): Promise<void> {
  await pool.query("INSERT INTO uploads (name, size, sha256) VALUES ($1, $2, $3)", [name, size, sha256]);
}

export const closeDatabase = () => pool.end();
