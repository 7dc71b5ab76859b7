import { createServer, type Server } from "node:http";
import express from "express";
import { api, identity } from "./api.ts";
import { closeDatabase } from "./database.ts";
import { servePage } from "./page.ts";
import { serveSocket } from "./socket.ts";

/** Answers what is under way, takes nothing new, and lets go of everything: the process then ends by itself. */
async function stop(server: Server, closeSockets: () => void): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  closeSockets();
  // A connection that becomes idle after the close would be kept for its next request.
  const sweep = setInterval(() => server.closeIdleConnections(), 100);
  await closed;
  clearInterval(sweep);
  await closeDatabase();
  console.log("stopped");
}

async function start(): Promise<void> {
  if (!process.env.JWT_SECRET) throw new Error("JWT_SECRET is not set: sessions cannot be signed");
  const app = express();
  const server = createServer(app);
  app.set("trust proxy", "uniquelocal").disable("x-powered-by");
  app.use("/api", api());
  const closeSockets = serveSocket(server);
  await servePage(app, server);
  const port = Number(process.env.PORT ?? 3000);
  server.listen(port, () => console.log(`release ${identity.release} listens on port ${port}`));
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => void stop(server, closeSockets));
  }
}

start().catch((error: Error) => {
  console.error(error.message);
  process.exit(1);
});
