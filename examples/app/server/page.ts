import type { Server } from "node:http";
import path from "node:path";
import express, { type Express } from "express";
import { createServer as createViteServer } from "vite";

/** Vite builds the page for each request while developing; otherwise it was built before. */
export async function servePage(app: Express, server: Server): Promise<void> {
  if (process.env.NODE_ENV === "development") {
    const vite = await createViteServer({ server: { middlewareMode: true, hmr: { server } } });
    app.use(vite.middlewares);
    server.once("close", () => void vite.close());
    return;
  }
  const built = path.resolve(import.meta.dirname, "public");
  app.use(express.static(built));
  // Every other path belongs to the page, which decides what to show.
  app.use((_request, response) => response.sendFile(path.join(built, "index.html")));
}
