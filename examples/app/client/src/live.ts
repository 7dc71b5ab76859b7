import { useCallback, useEffect, useState } from "react";

export interface Info {
  release: string;
  hostname: string;
  startedAt: string;
  node: string;
  database: { ok: boolean; version?: string; error?: string };
  settings: Record<string, boolean>;
}

export interface Note {
  id: string;
  author: string;
  body: string;
  createdAt: string;
}

/** The answer's JSON. Rejects with the message that the server gave. */
export async function ask<T>(path: string, request?: RequestInit): Promise<T> {
  const response = await fetch(path, request);
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error ?? `${response.status} ${response.statusText}`);
  return answer;
}

/** What runs, asked every few seconds: a deploy shows itself, and so do the replicas that answer in turn. */
export function useInfo(): { info?: Info; seen: string[]; error?: string } {
  const [state, setState] = useState<{ info?: Info; seen: string[]; error?: string }>({ seen: [] });
  useEffect(() => {
    const refresh = () =>
      ask<Info>("/api/info").then(
        (info) =>
          setState(({ info: last, seen }) => {
            const known = last?.release === info.release ? seen : [];
            return { info, seen: known.includes(info.hostname) ? known : [...known, info.hostname].sort() };
          }),
        (error: Error) => setState((state) => ({ ...state, error: error.message })),
      );
    void refresh();
    const timer = setInterval(refresh, 3000);
    return () => clearInterval(timer);
  }, []);
  return state;
}

/** Round trip over the WebSocket in milliseconds; undefined while it is not connected. It comes back by itself. */
export function useRoundTrip(): number | undefined {
  const [milliseconds, setMilliseconds] = useState<number>();
  useEffect(() => {
    let socket: WebSocket;
    let retry: ReturnType<typeof setTimeout>;
    const connect = () => {
      socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/ws`);
      const ping = () => socket.readyState === WebSocket.OPEN && socket.send(`ping ${performance.now()}`);
      const timer = setInterval(ping, 3000);
      socket.onopen = ping;
      socket.onmessage = ({ data }) => {
        const [word, sent] = String(data).split(" ");
        if (word === "ping") setMilliseconds(performance.now() - Number(sent));
      };
      socket.onclose = () => {
        clearInterval(timer);
        setMilliseconds(undefined);
        retry = setTimeout(connect, 1000);
      };
    };
    connect();
    return () => {
      socket.onclose = null;
      socket.close();
      clearTimeout(retry);
    };
  }, []);
  return milliseconds;
}

export function useNotes(): { notes: Note[]; error?: string; refresh: () => void } {
  const [state, setState] = useState<{ notes: Note[]; error?: string }>({ notes: [] });
  const refresh = useCallback(() => {
    ask<Note[]>("/api/notes").then(
      (notes) => setState({ notes }),
      (error: Error) => setState(({ notes }) => ({ notes, error: error.message })),
    );
  }, []);
  useEffect(refresh, [refresh]);
  return { ...state, refresh };
}
