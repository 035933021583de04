import { useSyncExternalStore, type AnchorHTMLAttributes } from 'react';

// Places are kept behind the "#": addresses and ids of mails then reach neither logs nor other servers.

function subscribe(changed: () => void) {
  window.addEventListener('hashchange', changed);
  return () => window.removeEventListener('hashchange', changed);
}

export interface Place {
  segments: string[];
  query: URLSearchParams;
}

export function readPlace(hash: string): Place {
  const [where = '', search = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const segments = where.split('/').filter(Boolean).map((s) => {
    try {
      return decodeURIComponent(s);
    } catch {
      return s;
    }
  });
  return { segments, query: new URLSearchParams(search) };
}

export function usePlace(): Place {
  return readPlace(useSyncExternalStore(subscribe, () => window.location.hash));
}

/** '#/accounts/a%40b': the address of a place of the console. */
export function to(...segments: string[]): string {
  return `#/${segments.map(encodeURIComponent).join('/')}`;
}

export function go(where: string) {
  window.location.hash = where;
}

export function Link(props: AnchorHTMLAttributes<HTMLAnchorElement>) {
  return <a className="sk-link" {...props} />;
}
