import { Button, Group } from '@mantine/core';
import { lazy, Suspense, useEffect, useRef, useState } from 'react';
import { post } from '../api';
import { useWords } from '../i18n';
import { useProblemText } from '../load';
import { Note, useTitle } from '../parts';
import { useSession } from '../session';
import { GatePage, useStep } from './signin';

const SignIn = lazy(() => import('./signin'));

/** The server looked at the request before it served this page: the program and its address are known. */
export const AUTHORIZE = '/oauth/authorize';

interface Answer {
  redirect?: string;
  needs?: 'signin' | 'consent';
  name?: string;
  scopes?: string[];
}

const NAMES = ['client_id', 'redirect_uri', 'scope', 'state', 'nonce', 'code_challenge', 'prompt'];

function request(search: string): Record<string, unknown> {
  const query = new URLSearchParams(search);
  const body: Record<string, unknown> = {};
  for (const name of NAMES) {
    const value = query.get(name);
    if (value !== null) body[name] = value;
  }
  const age = query.get('max_age') ?? '';
  if (/^\d{1,9}$/.test(age)) body.max_age = Number(age);
  return body;
}

/** The server writes the answer, so that it goes where the program is registered and nowhere else. */
function refuse(error: string) {
  window.location.replace(`${AUTHORIZE}${window.location.search}&refuse=${error}`);
}

function Consent({ answer, allow }: { answer: Answer; allow: () => Promise<void> }) {
  const { t, word } = useWords();
  const { session, signOut } = useSession();
  const { busy, wrong, run } = useStep();
  useTitle('authorize.title');
  return (
    <GatePage title={t('authorize.of', { name: answer.name ?? '' })} about={t('authorize.about', { address: session?.address ?? '' })}>
      {wrong && <Note tone="bad">{wrong}</Note>}
      <ul className="sk-scopes">
        {(answer.scopes ?? []).map((scope) => <li key={scope}>{word('scope', scope)}</li>)}
      </ul>
      <p className="sk-quiet">{t('authorize.later')}</p>
      <Group grow>
        <Button variant="default" onClick={() => refuse('access_denied')}>{t('authorize.deny')}</Button>
        <Button loading={busy} onClick={() => void run(allow)}>{t('authorize.allow')}</Button>
      </Group>
      <Group justify="center" mt="md"><Button size="compact-sm" variant="subtle" color="gray" c="inherit" onClick={() => void signOut()}>{t('authorize.other')}</Button></Group>
    </GatePage>
  );
}

export default function Authorize() {
  const { t } = useWords();
  const { session, signOut } = useSession();
  const say = useProblemText();
  const [answer, setAnswer] = useState<Answer | null>(null);
  const [wrong, setWrong] = useState('');
  const asked = useRef('');
  const silent = new URLSearchParams(window.location.search).get('prompt') === 'none';
  const inside = session?.state === 'in';
  const who = inside ? session.csrf : '';
  const ask = async (allow: boolean) => {
    const found = await post<Answer>('/me/oauth/authorize', { ...request(window.location.search), ...(allow ? { allow } : {}) });
    if (found.redirect) window.location.replace(found.redirect);
    else if (silent) refuse(found.needs === 'signin' ? 'login_required' : 'consent_required');
    else if (found.needs === 'signin') await signOut();
    else setAnswer(found);
  };
  useEffect(() => {
    if (!who) {
      asked.current = '';
      setAnswer(null);
      if (silent) refuse('login_required');
    } else if (asked.current !== who) {
      asked.current = who;
      setWrong('');
      ask(false).catch((problem: unknown) => setWrong(say(problem)));
    }
  });
  if (!inside) return silent ? null : <Suspense fallback={null}><SignIn /></Suspense>;
  if (wrong) return <GatePage title={t('authorize.title')}><Note tone="bad">{wrong}</Note></GatePage>;
  return answer && <Consent answer={answer} allow={() => ask(true)} />;
}
