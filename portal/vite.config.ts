import { defineConfig } from "vite";

// In development the pages come from here and everything else from a running server:
// ./dev portal says where that is.
const console_ = process.env["OVERWORLD_CONSOLE"] ?? "http://127.0.0.1:7351";

export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  html: { cspNonce: "OW_NONCE_OW_NONCE_OW_N" },
  build: {
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    chunkSizeWarningLimit: 700,
  },
  server: {
    host: "127.0.0.1",
    proxy: {
      "^/(overworld\\.|v1/|session)": {
        target: console_,
        // The server takes the cookie for its own pages alone.
        headers: { Origin: console_ },
        changeOrigin: true,
      },
    },
  },
});
