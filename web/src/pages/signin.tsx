import { Button, Group, PasswordInput, TextInput } from '@mantine/core';
import { useEffect, useRef, useState, type FormEvent, type ReactNode } from 'react';
import { post, Problem } from '../api';
import { Looks } from '../app';
import { usePasskey, type RequestOptions } from '../factor';
import { useWords, type Key } from '../i18n';
import { Gate, Icon } from '../icons';
import { useProblemText } from '../load';
import { Note, useTitle } from '../parts';
import { useSession } from '../session';
import { NewPassword } from './password';
import { Enrol } from './enrol';

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
      setWrong(refusal && (!(problem instanceof Problem) || problem.status === 401) ? refusal : say(problem));
    } finally {
      setBusy(false);
    }
  };
  return { busy, wrong, run };
}

/** What POST /session and POST /session/factor answer. */
export interface SignedIn {
  state: 'in' | 'factor' | 'enrol' | 'change';
  factors?: string[];
  passkey?: RequestOptions;
}

function Password({ done }: { done: (answer: SignedIn) => Promise<void> }) {
  const { t } = useWords();
  const { busy, wrong, run } = useStep();
  const [address, setAddress] = useState('');
  const [password, setPassword] = useState('');
  const field = useRef<HTMLInputElement>(null);
  useTitle('signIn.title');
  useEffect(() => field.current?.focus(), []);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(async () => done(await post<SignedIn>('/session', { address: address.trim(), password })), t('signIn.wrong'));
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

const CODES = ['totp', 'mail', 'sms', 'recovery'];

function Factor({ factors, passkey, done }: { factors: string[]; passkey?: RequestOptions; done: (answer: SignedIn) => Promise<void> }) {
  const { t } = useWords();
  const { signOut } = useSession();
  const { busy, wrong, run } = useStep();
  const codes = CODES.filter((c) => factors.includes(c));
  const [kind, setKind] = useState(codes[0] ?? 'totp');
  const [code, setCode] = useState('');
  const [sent, setSent] = useState('');
  const field = useRef<HTMLInputElement>(null);
  const isSent = kind === 'mail' || kind === 'sms';
  const send = () => run(async () => setSent((await post<{ sent_to: string }>('/session/factor/send', { kind })).sent_to));
  useTitle('factor.title');
  useEffect(() => field.current?.focus(), [kind]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(async () => done(await post<SignedIn>('/session/factor', { kind, code: code.replace(/\s/g, '') })), t('factor.wrong'));
  };
  const touch = () => run(async () => {
    const assertion = await usePasskey(passkey!);
    await done(await post<SignedIn>('/session/factor', { kind: 'passkey', assertion }));
  }, t('factor.passkey.wrong'));
  return (
    <GatePage title={t('factor.title')} about={t('factor.about')}>
      {wrong && <Note tone="bad">{wrong}</Note>}
      {passkey && <Button fullWidth loading={busy} mb="md" leftSection={<Icon name="key" />} onClick={() => void touch()}>{t('factor.passkey')}</Button>}
      {codes.length > 0 && (
        <form className="sk-form" onSubmit={submit}>
          {isSent && <Button variant={sent ? 'default' : 'filled'} loading={busy} fullWidth onClick={() => void send()}>{t(sent ? 'factor.send.again' : 'factor.send')}</Button>}
          <TextInput label={t(`factor.${kind}` as Key)} description={isSent ? sent && t('factor.sent', { to: sent }) : t(`factor.${kind}.about` as Key)} required withAsterisk={false} ref={field}
            inputMode={kind === 'recovery' ? 'text' : 'numeric'} autoComplete="one-time-code" value={code} onChange={(e) => setCode(e.currentTarget.value)} />
          <Button type="submit" variant={passkey || (isSent && !sent) ? 'default' : 'filled'} loading={busy} fullWidth>{t('factor.go')}</Button>
          <Group gap="xs" justify="center">
            {codes.filter((c) => c !== kind).map((c) => (
              <Button key={c} size="compact-sm" variant="subtle" onClick={() => { setKind(c); setCode(''); setSent(''); }}>{t(`factor.${c}.instead` as Key)}</Button>
            ))}
          </Group>
        </form>
      )}
      <Group justify="center" mt="md"><Button size="compact-sm" variant="subtle" color="gray" c="inherit" onClick={() => void signOut()}>{t('factor.back')}</Button></Group>
    </GatePage>
  );
}

function Change() {
  const { t } = useWords();
  const { refresh } = useSession();
  useTitle('change.title');
  return (
    <GatePage title={t('change.title')} about={t('change.about')}>
      <NewPassword done={refresh} />
    </GatePage>
  );
}

function MustEnrol() {
  const { t } = useWords();
  const { refresh, signOut } = useSession();
  useTitle('enrol.title');
  return (
    <GatePage title={t('enrol.title')} about={t('enrol.about')} wide>
      <Enrol done={refresh} />
      <Group justify="center" mt="md"><Button size="compact-sm" variant="subtle" color="gray" c="inherit" onClick={() => void signOut()}>{t('factor.back')}</Button></Group>
    </GatePage>
  );
}

export default function SignIn() {
  const { session, refresh } = useSession();
  const [answer, setAnswer] = useState<SignedIn | null>(null);
  const done = async (found: SignedIn) => {
    setAnswer(found);
    await refresh();
  };
  switch (session?.state) {
    case 'factor':
      return <Factor factors={answer?.factors ?? session.factors ?? CODES} passkey={answer?.passkey} done={done} />;
    case 'enrol':
      return <MustEnrol />;
    case 'change':
      return <Change />;
    default:
      return <Password done={done} />;
  }
}
