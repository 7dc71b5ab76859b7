import type { Server } from "node:http";
import { type WebSocket, WebSocketServer } from "ws";
import { identity } from "./api.ts";

/** Tells each client who it talks to, then sends back what it says. Returns a function that ends all of them. */
export function serveSocket(server: Server): () => void {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 64 * 1024 });
  sockets.on("connection", (socket: WebSocket) => {
    socket.on("error", () => socket.terminate());
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
    socket.send(JSON.stringify(identity));
  });
  server.on("upgrade", (request, connection, head) => {
    const path = request.url?.split("?")[0];
    if (path === "/ws") sockets.handleUpgrade(request, connection, head, (socket) => sockets.emit("connection", socket));
    // While developing, Vite has a socket of its own on this server.
    else if (process.env.NODE_ENV !== "development") connection.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n");
  });
  return () => sockets.clients.forEach((socket) => socket.close(1001, "the server stops"));
}
