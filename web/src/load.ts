import { notifications } from '@mantine/notifications';
import { useCallback, useEffect, useRef, useState } from 'react';
import { get, Problem } from './api';
import { useWords, type Key, type Values } from './i18n';

export interface Loaded<T> {
  data: T | undefined;
  problem: Problem | undefined;
  loading: boolean;
  reload: () => void;
}

/** What a GET answers; asked again when `where` changes, by reload(), and every `again` milliseconds. null: not asked. */
export function useLoad<T>(where: string | null, again?: number): Loaded<T> {
  const [data, setData] = useState<T>();
  const [problem, setProblem] = useState<Problem>();
  const [loading, setLoading] = useState(where !== null);
  const [turn, setTurn] = useState(0);
  const shown = useRef(where);
  useEffect(() => {
    if (where === null) return;
    const abort = new AbortController();
    if (shown.current !== where) {
      shown.current = where;
      setData(undefined);
    }
    setLoading(true);
    get<T>(where, abort.signal)
      .then((found) => {
        setData(found);
        setProblem(undefined);
      })
      .catch((failure) => {
        if (!abort.signal.aborted) setProblem(failure instanceof Problem ? failure : new Problem(0, ''));
      })
      .finally(() => {
        if (!abort.signal.aborted) setLoading(false);
      });
    return () => abort.abort();
  }, [where, turn]);
  useEffect(() => {
    if (!again || where === null) return;
    const timer = setInterval(() => {
      if (!document.hidden) setTurn((n) => n + 1);
    }, again);
    return () => clearInterval(timer);
  }, [again, where]);
  const reload = useCallback(() => setTurn((n) => n + 1), []);
  return { data, problem, loading, reload };
}

/** What a problem means to the person, then the server's own words. */
export function useProblemText(): (problem: unknown) => string {
  const { t } = useWords();
  return useCallback((problem: unknown) => {
    if (!(problem instanceof Problem)) return t('problem.other');
    const key: Key = problem.status === 0 ? 'problem.network' : problem.status === 403 ? 'problem.forbidden'
      : problem.status === 404 ? 'problem.gone' : problem.status === 429 ? 'problem.tooMany'
      : problem.status >= 500 ? 'problem.server' : 'problem.refused';
    return problem.message ? `${t(key)} (${problem.message})` : t(key);
  }, [t]);
}

/** Runs an act and says how it went; true when it was done. `busy` while it goes on. */
export function useAct() {
  const { t } = useWords();
  const say = useProblemText();
  const [busy, setBusy] = useState(false);
  const act = useCallback(async (work: () => Promise<unknown>, done?: Key, values?: Values): Promise<boolean> => {
    setBusy(true);
    try {
      await work();
      if (done) notifications.show({ message: t(done, values), color: 'teal', closeButtonProps: { 'aria-label': t('close') } });
      return true;
    } catch (problem) {
      notifications.show({ message: say(problem), color: 'red', autoClose: 12000, closeButtonProps: { 'aria-label': t('close') } });
      return false;
    } finally {
      setBusy(false);
    }
  }, [t, say]);
  return { act, busy };
}
