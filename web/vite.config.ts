import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

// Everything has a hashed name below /assets/ and nothing is written into the page itself: the policy (CSP) allows neither
// inline scripts nor data: addresses.
export default defineConfig({
  plugins: [react()],
  build: {
    outDir: 'dist',
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
    reportCompressedSize: false,
  },
  test: { include: ['test/**/*.test.ts'] },
});
