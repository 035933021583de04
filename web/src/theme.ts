import { createTheme, Modal, type CSSVariablesResolver, type MantineColorsTuple } from '@mantine/core';

/** Indigo as the dyers of old had it (藍). */
const ai: MantineColorsTuple = [
  '#f0f5fb', '#dfe9f4', '#bcd1e8', '#95b7dc', '#739fd0', '#5a8dc6', '#467cb8', '#2f659f', '#24507f', '#193a5e',
];

/** Greys of the dark side with a breath of the same blue. */
const dark: MantineColorsTuple = [
  '#dde2e8', '#c3cad3', '#a9b1bb', '#7d8793', '#4a535f', '#38414c', '#2a313a', '#1b2027', '#171b21', '#101317',
];

export const theme = createTheme({
  primaryColor: 'ai',
  primaryShade: { light: 7, dark: 7 },
  colors: { ai, dark },
  defaultRadius: 'md',
  cursorType: 'pointer',
  // The head of a dialog is no banner of the page.
  components: { Modal: Modal.extend({ defaultProps: { attributes: { header: { role: 'presentation' } } } }) },
  respectReducedMotion: true,
  fontFamily: '"Inter", system-ui, -apple-system, "Segoe UI", "Hiragino Sans", "Yu Gothic UI", "Noto Sans CJK JP", "Noto Sans JP", sans-serif',
  fontFamilyMonospace: 'ui-monospace, SFMono-Regular, Menlo, Consolas, "Noto Sans Mono CJK JP", monospace',
  headings: { fontWeight: '650', sizes: { h1: { fontSize: '1.6rem' }, h2: { fontSize: '1.1rem' }, h3: { fontSize: '1rem' } } },
});

/** Quiet text keeps a contrast of 4.5:1 and more on every surface it stands on. */
export const variables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-body': '#f8f8f5',
    '--mantine-color-dimmed': '#565d66',
    '--mantine-color-placeholder': '#6b727b',
    '--mantine-color-error': '#b3261e',
    '--sk-surface': '#ffffff',
    '--sk-line': '#e3e3dc',
    '--sk-plain': '#2f659f',
    '--sk-good': '#2c7a4b',
    '--sk-warn': '#a35c00',
    '--sk-bad': '#b3261e',
    '--sk-quiet': '#8a94a0',
    '--sk-wash': '#eef2f7',
  },
  dark: {
    '--mantine-color-body': '#14181d',
    '--mantine-color-dimmed': '#a9b1bb',
    '--mantine-color-placeholder': '#939ca7',
    '--mantine-color-error': '#ff8f86',
    '--sk-surface': '#1b2027',
    '--sk-line': '#2d343d',
    '--sk-plain': '#7fb0e6',
    '--sk-good': '#6fcb94',
    '--sk-warn': '#f0b35e',
    '--sk-bad': '#ff8f86',
    '--sk-quiet': '#76818d',
    '--sk-wash': '#222932',
  },
});
