import { createHash } from "node:crypto";
import type { Request, Response } from "express";
import { recordUpload } from "./database.ts";

const LIMIT = 50 * 1024 * 1024;

function refuse(response: Response): void {
  response.set("Connection", "close").status(413).json({ error: `a file may have ${LIMIT} bytes at most` });
}

/** Takes a file as the request's body, of any content type, and records its name, size and digest. */
export async function upload(request: Request, response: Response): Promise<void> {
  if (Number(request.headers["content-length"] ?? 0) > LIMIT) return refuse(response);
  const digest = createHash("sha256");
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > LIMIT) return refuse(response);
    digest.update(chunk);
  }
  const name = String(request.query.name ?? "unnamed").slice(0, 255);
  const file = { name, size, sha256: digest.digest("hex") };
  await recordUpload(file);
  response.status(201).json(file);
}
