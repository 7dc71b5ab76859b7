import { type ChangeEvent, type FormEvent, type ReactNode, useState } from "react";
import { ask, type Info, useInfo, useNotes, useRoundTrip } from "./live.ts";

const { VITE_APP_TITLE, VITE_SUPABASE_URL } = import.meta.env;

function Fact({ name, ok, children }: { name: string; ok?: boolean; children: ReactNode }) {
  return (
    <div className="fact">
      <dt>{name}</dt>
      <dd className={ok === undefined ? "" : ok ? "good" : "bad"}>{children}</dd>
    </div>
  );
}

function Running({ info, seen }: { info: Info; seen: string[] }) {
  const roundTrip = useRoundTrip();
  const { database } = info;
  return (
    <section>
      <h2>What runs</h2>
      <dl>
        <Fact name="Release">
          <code>{info.release}</code>
        </Fact>
        <Fact name="Database" ok={database.ok}>
          {database.ok ? `PostgreSQL ${database.version?.split(" ")[0]}` : `no answer (${database.error})`}
        </Fact>
        <Fact name="WebSocket" ok={roundTrip !== undefined}>
          {roundTrip === undefined ? "not connected" : `${roundTrip.toFixed(1)} ms`}
        </Fact>
        <Fact name="Node">{info.node.slice(1)}</Fact>
        <Fact name="Started">{new Date(info.startedAt).toLocaleString()}</Fact>
        {VITE_SUPABASE_URL && <Fact name="Supabase">{new URL(VITE_SUPABASE_URL).host}</Fact>}
      </dl>
      <h3>Containers that answered</h3>
      <p className="chips">
        {seen.map((name) => (
          <code key={name} className={name === info.hostname ? "chip now" : "chip"}>
            {name}
          </code>
        ))}
      </p>
      <h3>Settings</h3>
      <p className="chips">
        {Object.entries(info.settings).map(([name, isSet]) => (
          <span key={name} className={isSet ? "chip good" : "chip quiet"}>
            {name} {isSet ? "is set" : "is not set"}
          </span>
        ))}
      </p>
    </section>
  );
}

function Notes() {
  const { notes, error, refresh } = useNotes();
  const [body, setBody] = useState("");
  const [refusal, setRefusal] = useState<string>();

  async function submit(event: FormEvent) {
    event.preventDefault();
    const headers = { "Content-Type": "application/json" };
    try {
      await ask("/api/notes", { method: "POST", headers, body: JSON.stringify({ body }) });
      setBody("");
      setRefusal(undefined);
      refresh();
    } catch (problem) {
      setRefusal((problem as Error).message);
    }
  }

  return (
    <section>
      <h2>Notes</h2>
      <form onSubmit={submit}>
        <input
          aria-label="Note"
          placeholder="Write a note into the database"
          maxLength={500}
          required
          value={body}
          onChange={(event) => setBody(event.target.value)}
        />
        <button>Save</button>
      </form>
      {(refusal ?? error) && (
        <p className="bad" role="alert">
          {refusal ?? error}
        </p>
      )}
      {!notes.length && !error && <p className="quiet">No notes yet.</p>}
      <ul>
        {notes.map(({ id, author, body, createdAt }) => (
          <li key={id}>
            {body}
            <small>
              {author}, {new Date(createdAt).toLocaleString()}
            </small>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Uploads() {
  const [result, setResult] = useState<{ text: string; ok: boolean }>();

  async function send({ target }: ChangeEvent<HTMLInputElement>) {
    const file = target.files?.[0];
    if (!file) return;
    try {
      const path = `/api/upload?name=${encodeURIComponent(file.name)}`;
      const { size, sha256 } = await ask<{ size: number; sha256: string }>(path, { method: "POST", body: file });
      setResult({ ok: true, text: `${file.name}: ${size.toLocaleString()} bytes, SHA-256 ${sha256.slice(0, 16)}…` });
    } catch (problem) {
      setResult({ ok: false, text: `${file.name}: ${(problem as Error).message}` });
    }
    target.value = "";
  }

  return (
    <section>
      <h2>Upload</h2>
      <input type="file" aria-label="File" onChange={send} />
      {result && (
        <p role="status" className={result.ok ? "good" : "bad"}>
          {result.text}
        </p>
      )}
    </section>
  );
}

export function App() {
  const { info, seen, error } = useInfo();
  return (
    <main>
      <header>
        <h1>{VITE_APP_TITLE}</h1>
        <p className={error ? "state bad" : "state good"}>{error ? "not reachable" : "running"}</p>
      </header>
      {info && <Running info={info} seen={seen} />}
      <Notes />
      <Uploads />
    </main>
  );
}
