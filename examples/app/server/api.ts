import { hostname } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import express, { type ErrorRequestHandler, type Request, type Response } from "express";
import { databaseState, latestNotes, writeNote } from "./database.ts";
import { visitor, welcome } from "./session.ts";
import { upload } from "./upload.ts";

/** Environment whose presence the page shows; the values stay here. */
const SETTINGS = ["DATABASE_URL", "JWT_SECRET", "RESEND_API_KEY", "PAPPERS_API_KEY"];

const startedAt = new Date().toISOString();

export const identity = { release: process.env.RELEASE ?? "none", hostname: hostname() };

async function info(_request: Request, response: Response): Promise<void> {
  response.json({
    ...identity,
    startedAt,
    node: process.version,
    database: await databaseState(),
    settings: Object.fromEntries(SETTINGS.map((name) => [name, Boolean(process.env[name])])),
  });
}

/** In the form of a batched tRPC call, which is how MonOPCO's own client asks who is signed in. */
function me(request: Request, response: Response): void {
  response.json([{ result: { data: { json: visitor(request) } } }]);
}

/** A line per second: an answer that is under way while the app is replaced. */
async function slow(request: Request, response: Response): Promise<void> {
  const seconds = Math.min(Math.max(Number(request.query.seconds) || 10, 1), 120);
  response.type("text/plain").set("X-Accel-Buffering", "no");
  for (let second = 1; second <= seconds && !response.closed; second++) {
    response.write(`${second}\n`);
    await pause(1000);
  }
  response.end("done\n");
}

async function addNote(request: Request, response: Response): Promise<void> {
  const body = String(request.body?.body ?? "").trim();
  if (!body || body.length > 500) {
    response.status(400).json({ error: "body: must be a text of 1 to 500 characters" });
    return;
  }
  response.status(201).json(await writeNote(welcome(request, response), body));
}

const explain: ErrorRequestHandler = (error, request, response, next) => {
  console.error(`${request.method} ${request.path}: ${error.message}`);
  if (response.headersSent) return next(error);
  response.status(error.status ?? 500).json({ error: error.expose ? error.message : "the request failed" });
};

export function api(): express.Router {
  const router = express.Router();
  router.get("/info", info);
  router.get("/trpc/auth.me", me);
  router.get("/slow", slow);
  router.get("/notes", async (_request, response) => void response.json(await latestNotes()));
  router.post("/notes", express.json({ limit: "10kb" }), addNote);
  router.post("/upload", upload);
  router.use((request, response) => void response.status(404).json({ error: `no ${request.method} ${request.originalUrl}` }));
  router.use(explain);
  return router;
}
