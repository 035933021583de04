import { createContext, useCallback, useContext, useEffect, useMemo, useState, type ReactNode } from 'react';
import { get, Problem, remove, setCsrf, whenSignedOut } from './api';

export interface Session {
  address: string;
  name: string;
  roles: { role: string; scope?: string }[];
  verbs: string[];
  csrf: string;
  /** in; factor, enrol or change: something has to be done first. */
  state: 'in' | 'factor' | 'enrol' | 'change';
  factors?: string[];
  expires_ms: number;
  /** The password has to be changed by then; told two weeks before. */
  password_ends_ms?: number;
}

interface Held {
  /** undefined: not known yet; null: nobody is signed in. */
  session: Session | null | undefined;
  /** The server cannot be asked. */
  away: boolean;
  refresh: () => Promise<void>;
  signOut: () => Promise<void>;
  may: (verb: string) => boolean;
}

const Context = createContext<Held | null>(null);

export function SessionProvider({ children }: { children: ReactNode }) {
  const [session, setSession] = useState<Session | null | undefined>(undefined);
  const [away, setAway] = useState(false);
  const take = useCallback((found: Session | null) => {
    setCsrf(found?.csrf ?? '');
    setSession(found);
  }, []);
  const refresh = useCallback(async () => {
    try {
      take(await get<Session>('/session'));
      setAway(false);
    } catch (problem) {
      const gone = problem instanceof Problem && problem.status === 401;
      setAway(!gone);
      if (gone) take(null);
    }
  }, [take]);
  useEffect(() => {
    whenSignedOut(() => take(null));
    void refresh();
  }, [refresh, take]);
  const held = useMemo<Held>(() => ({
    session,
    away,
    refresh,
    signOut: async () => {
      try {
        await remove('/session');
      } catch {
        // A session that the server has forgotten already is as good as ended.
      }
      take(null);
      window.location.hash = '';
    },
    may: (verb) => session?.state === 'in' && session.verbs.includes(verb),
  }), [session, away, refresh, take]);
  return <Context.Provider value={held}>{children}</Context.Provider>;
}

export function useSession(): Held {
  const held = useContext(Context);
  if (!held) throw new Error('outside of SessionProvider');
  return held;
}
