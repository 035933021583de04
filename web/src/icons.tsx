import type { SVGProps } from 'react';

/** Line icons on a grid of 24, drawn for this console. */
const drawings = {
  overview: 'M4 13h6V4H4zM14 20h6v-9h-6zM14 4h6v4h-6zM4 17h6v3H4z',
  accounts: 'M12 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM5 20c0-3.6 3-6 7-6s7 2.4 7 6',
  domains: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM3.5 12h17M12 3c3 2.6 3.9 5.6 3.9 9s-.9 6.4-3.9 9c-3-2.6-3.9-5.6-3.9-9S9 5.6 12 3Z',
  groups: 'M9 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM3 19c0-3 2.5-5 6-5s6 2 6 5M16 5.4a3 3 0 0 1 0 5.2M17.5 14.4c2.1.6 3.5 2.2 3.5 4.6',
  queue: 'M4 6h16M4 12h16M4 18h9M17 15.5V21M14.5 18.5 17 21l2.5-2.5',
  trace: 'M6 5.5a2 2 0 1 0 0-.01M18 18.5a2 2 0 1 0 0-.01M6 7.5V11a3 3 0 0 0 3 3h6a3 3 0 0 1 3 3v.5',
  signins: 'M14 4h4a2 2 0 0 1 2 2v12a2 2 0 0 1-2 2h-4M4 12h11M11 8l4 4-4 4',
  audit: 'M7 3h8l4 4v14H7zM15 3v4h4M10 12h6M10 16h6',
  incidents: 'M12 3 20 6v6c0 4.5-3.2 7.6-8 9-4.8-1.4-8-4.5-8-9V6zM12 8.5v4.5M12 16v.01',
  settings: 'M4 7h9M17 7h3M4 17h3M11 17h9M15 9.2a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4ZM9 19.2a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4Z',
  me: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM12 12.5a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM6.5 18.6c1-2 3-3.1 5.5-3.1s4.5 1.1 5.5 3.1',
  search: 'M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13ZM15.3 15.3 20.5 20.5',
  good: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM8 12.3l2.8 2.8L16 9.5',
  warn: 'M12 4 2.8 19.5h18.4zM12 10v4.5M12 17v.01',
  bad: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM9 9l6 6M15 9l-6 6',
  plain: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM12 11v5.5M12 7.8v.01',
  quiet: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM8.5 12h7',
  sun: 'M12 16.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9ZM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4',
  moon: 'M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5Z',
  language: 'M3.5 6h10M8.5 3.5V6M11.5 6c-.6 3.6-3.2 6.6-7 8M6 9c1 2.2 3 4 5.5 5M12.5 20.5 16.5 11l4 9.5M14 17.5h5',
  key: 'M8 16.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9ZM12.3 11H21M18 11v3M15 11v2',
  copy: 'M9 9h11v11H9zM15 9V4H4v11h5',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  out: 'M10 4H6a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h4M10 12h10M16 8l4 4-4 4',
  refresh: 'M20 11.5A8 8 0 0 0 6 6.6L4 8.5M4 4.5v4h4M4 12.5A8 8 0 0 0 18 17.4l2-1.9M20 19.5v-4h-4',
  plus: 'M12 5v14M5 12h14',
} as const;

export type IconName = keyof typeof drawings;

export function Icon({ name, ...rest }: { name: IconName } & SVGProps<SVGSVGElement>) {
  return (
    <svg viewBox="0 0 24 24" width="18" height="18" fill="none" stroke="currentColor" strokeWidth="1.7" strokeLinecap="round"
      strokeLinejoin="round" aria-hidden="true" focusable="false" {...rest}>
      <path d={drawings[name]} />
    </svg>
  );
}

/** The gate of a checkpoint, as in icon.svg. */
export function Gate() {
  return (
    <svg viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="7" fill="#24507f" />
      <path d="M4.5 11h23M9 6.5V26M23 6.5V26M16 11v15M9 18.5h14" fill="none" stroke="#fff" strokeWidth="2.1" strokeLinecap="round" />
    </svg>
  );
}
