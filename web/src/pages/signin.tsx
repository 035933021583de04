import { Button, PasswordInput, TextInput } from '@mantine/core';
import { useEffect, useRef, useState, type FormEvent, type ReactNode } from 'react';
import { post, Problem } from '../api';
import { Looks } from '../app';
import { useWords } from '../i18n';
import { Gate, Icon } from '../icons';
import { useProblemText } from '../load';
import { Note, useTitle } from '../parts';
import { useSession } from '../session';

export function GatePage({ title, about, wide, children }: { title: string; about?: ReactNode; wide?: boolean; children: ReactNode }) {
  const { t } = useWords();
  return (
    <main className="sk-gate">
      <div className={`sk-gate-card${wide ? ' sk-gate-wide' : ''}`}>
        <div className="sk-gate-brand"><Gate /><strong>{t('brand')}</strong></div>
        <div className="sk-card">
          <h1>{title}</h1>
          {about && <p className="sk-quiet" style={{ margin: '0 0 1.2rem', lineHeight: 1.6 }}>{about}</p>}
          {children}
        </div>
        <div className="sk-gate-foot"><Looks /></div>
      </div>
    </main>
  );
}

/** Runs a step of signing in; what was refused is said where the person looks. */
export function useStep() {
  const say = useProblemText();
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState('');
  const run = async (work: () => Promise<void>, refusal?: string) => {
    setBusy(true);
    setWrong('');
    try {
      await work();
    } catch (problem) {
      setWrong(refusal && problem instanceof Problem && problem.status === 401 ? refusal : say(problem));
    } finally {
      setBusy(false);
    }
  };
  return { busy, wrong, setWrong, run };
}

function Password() {
  const { t } = useWords();
  const { refresh } = useSession();
  const { busy, wrong, run } = useStep();
  const [address, setAddress] = useState('');
  const [password, setPassword] = useState('');
  const field = useRef<HTMLInputElement>(null);
  useTitle('signIn.title');
  useEffect(() => field.current?.focus(), []);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(async () => {
      await post('/session', { address: address.trim(), password });
      await refresh();
    }, t('signIn.wrong'));
  };
  return (
    <GatePage title={t('signIn.title')} about={t('signIn.about')}>
      <form className="sk-form" onSubmit={submit}>
        {wrong && <Note tone="bad">{wrong}</Note>}
        <TextInput label={t('signIn.address')} type="email" autoComplete="username" required withAsterisk={false} ref={field}
          value={address} onChange={(e) => setAddress(e.currentTarget.value)} />
        <PasswordInput label={t('signIn.password')} autoComplete="current-password" required withAsterisk={false}
          visibilityToggleButtonProps={{ 'aria-label': t('signIn.show') }}
          value={password} onChange={(e) => setPassword(e.currentTarget.value)} />
        <Button type="submit" loading={busy} leftSection={<Icon name="key" />} fullWidth>{t('signIn.go')}</Button>
      </form>
    </GatePage>
  );
}

export default function SignIn() {
  return <Password />;
}
