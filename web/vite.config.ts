import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  base: "./", // the built files work below any path of any static host
  plugins: [react()],
  build: { target: "es2023" },
});
