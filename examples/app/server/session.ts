import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import { parse, serialize } from "cookie";
import type { Request, Response } from "express";

const COOKIE = "session";
const HEADER = encode({ alg: "HS256", typ: "JWT" });

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function sign(text: string): string {
  return createHmac("sha256", process.env.JWT_SECRET!).update(text).digest("base64url");
}

/** Name of the visitor who sent the request, if the session cookie was signed by any replica of this app. */
export function visitor(request: Request): string | null {
  const token = parse(request.headers.cookie ?? "")[COOKIE] ?? "";
  const [header, payload, signature] = token.split(".");
  if (header !== HEADER || !payload || !signature) return null;
  const given = Buffer.from(signature);
  const expected = Buffer.from(sign(`${header}.${payload}`));
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null;
  return JSON.parse(Buffer.from(payload, "base64url").toString()).sub;
}

/** The visitor's name; one who has none yet gets one, and with it a cookie. */
export function welcome(request: Request, response: Response): string {
  const known = visitor(request);
  if (known) return known;
  const name = `visitor-${randomUUID().slice(0, 8)}`;
  const content = `${HEADER}.${encode({ sub: name })}`;
  // The patched cookie package adds Path, HttpOnly and SameSite.
  response.append("Set-Cookie", serialize(COOKIE, `${content}.${sign(content)}`, { secure: request.secure }));
  return name;
}
