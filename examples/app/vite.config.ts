import path from "node:path";
import { defineConfig } from "vite";

// index.html names it: without a value the page would show the placeholder.
process.env.VITE_APP_TITLE ??= "MonOPCO example";

export default defineConfig({
  root: path.resolve(import.meta.dirname, "client"),
  envDir: import.meta.dirname,
  build: {
    outDir: path.resolve(import.meta.dirname, "dist/public"),
    emptyOutDir: true,
  },
});
