import { Button, TextInput } from '@mantine/core';
import { useState, type FormEvent } from 'react';
import { encode } from 'uqr';
import { post } from '../api';
import { makePasskey, type CreationOptions } from '../factor';
import { useWords } from '../i18n';
import { Icon } from '../icons';
import { Note, Record } from '../parts';
import { useSession } from '../session';
import { useStep } from './signin';

/** Drawn, not loaded: the secret in it goes nowhere. */
export function QrCode({ text, label }: { text: string; label: string }) {
  const { data, size } = encode(text, { border: 2 });
  const dark = data.flatMap((row, y) => row.map((on, x) => (on ? `M${x} ${y}h1v1h-1z` : ''))).join('');
  return (
    <svg className="sk-qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={label} shapeRendering="crispEdges">
      <rect width={size} height={size} fill="#fff" />
      <path d={dark} fill="#000" />
    </svg>
  );
}

interface Totp {
  secret: string;
  uri: string;
}

export function AddTotp({ done }: { done: (codes?: string[]) => void }) {
  const { t } = useWords();
  const { busy, wrong, run } = useStep();
  const [made, setMade] = useState<Totp | null>(null);
  const [code, setCode] = useState('');
  const begin = () => run(async () => setMade(await post<Totp>('/me/totp')));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(async () => {
      const answer = await post<{ codes?: string[] } | null>('/me/totp/confirm', { code: code.replace(/\s/g, '') });
      setMade(null);
      done(answer?.codes);
    }, t('factor.wrong'));
  };
  return (
    <>
      {wrong && <Note tone="bad">{wrong}</Note>}
      {!made ? <Button variant="default" loading={busy} onClick={() => void begin()}>{t('enrol.totp')}</Button> : (
        <form className="sk-form" onSubmit={submit}>
          <p style={{ margin: 0 }}>{t('enrol.totp.scan')}</p>
          <QrCode text={made.uri} label={t('enrol.totp.qr')} />
          <Record text={made.secret} what={t('enrol.totp.secret')} />
          <TextInput label={t('factor.totp')} required withAsterisk={false} inputMode="numeric" autoComplete="one-time-code" value={code} onChange={(e) => setCode(e.currentTarget.value)} />
          <div><Button type="submit" loading={busy}>{t('enrol.totp.confirm')}</Button></div>
        </form>
      )}
    </>
  );
}

/** Codes that are sent: weaker than the other two, and told so. */
export function AddCode({ sms, done }: { sms: boolean; done: (codes?: string[]) => void }) {
  const { t } = useWords();
  const { busy, wrong, run } = useStep();
  const [kind, setKind] = useState<'mail' | 'sms' | null>(null);
  const [to, setTo] = useState('');
  const [number, setNumber] = useState('');
  const [code, setCode] = useState('');
  const begin = (wanted: 'mail' | 'sms') => run(async () => {
    setTo((await post<{ sent_to: string }>('/me/codes', { kind: wanted, ...(wanted === 'sms' && { number }) })).sent_to);
    setKind(wanted);
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(async () => {
      const answer = await post<{ codes?: string[] } | null>('/me/codes/confirm', { kind, code: code.replace(/\s/g, '') });
      setKind(null);
      setCode('');
      done(answer?.codes);
    }, t('factor.wrong'));
  };
  return (
    <>
      {wrong && <Note tone="bad">{wrong}</Note>}
      {!kind ? (
        <>
          <p className="sk-quiet">{t('enrol.code.about')}</p>
          <div className="sk-buttons">
            <Button variant="default" loading={busy} onClick={() => void begin('mail')}>{t('enrol.code.mail')}</Button>
          </div>
          {sms && (
            <form className="sk-filter" style={{ margin: '0.6rem 0 0' }} onSubmit={(event) => { event.preventDefault(); void begin('sms'); }}>
              <TextInput label={t('enrol.code.number')} placeholder="+81 90 1234 5678" type="tel" autoComplete="tel" required withAsterisk={false} value={number} onChange={(e) => setNumber(e.currentTarget.value)} />
              <Button type="submit" variant="default" loading={busy}>{t('enrol.code.sms')}</Button>
            </form>
          )}
        </>
      ) : (
        <form className="sk-form" onSubmit={submit}>
          <TextInput label={t('enrol.code.sent', { to })} required withAsterisk={false} inputMode="numeric" autoComplete="one-time-code" value={code} onChange={(e) => setCode(e.currentTarget.value)} />
          <div><Button type="submit" loading={busy}>{t('enrol.totp.confirm')}</Button></div>
        </form>
      )}
    </>
  );
}

export function AddPasskey({ done }: { done: (codes?: string[]) => void }) {
  const { t } = useWords();
  const { busy, wrong, run } = useStep();
  const [name, setName] = useState('');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(async () => {
      const { options } = await post<{ options: CreationOptions }>('/me/passkeys');
      const credential = await makePasskey(options);
      const answer = await post<{ codes?: string[] } | null>('/me/passkeys/confirm', { name: name.trim(), credential });
      setName('');
      done(answer?.codes);
    }, t('factor.passkey.wrong'));
  };
  return (
    <form className="sk-form" onSubmit={submit}>
      {wrong && <Note tone="bad">{wrong}</Note>}
      <TextInput label={t('enrol.passkey.name')} description={t('enrol.passkey.hint')} required withAsterisk={false} value={name} onChange={(e) => setName(e.currentTarget.value)} />
      <div><Button type="submit" variant="default" loading={busy} leftSection={<Icon name="key" />}>{t('enrol.passkey')}</Button></div>
    </form>
  );
}

/** Codes are shown this once. */
export function RecoveryCodes({ codes, done }: { codes: string[]; done: () => void }) {
  const { t } = useWords();
  return (
    <>
      <Note tone="warn">{t('enrol.codes')}</Note>
      <ul className="sk-codes">{codes.map((c) => <li key={c}>{c}</li>)}</ul>
      <Button onClick={done}>{t('enrol.codes.kept')}</Button>
    </>
  );
}

/** The first factor, for who has to have one. */
export function Enrol({ done }: { done: () => Promise<void> }) {
  const { t } = useWords();
  const { session } = useSession();
  const [codes, setCodes] = useState<string[] | null>(null);
  const finish = (found?: string[]) => (found?.length ? setCodes(found) : void done());
  if (codes) return <RecoveryCodes codes={codes} done={() => void done()} />;
  return (
    <div className="sk-columns">
      {session?.verbs.includes('me.passkey.add') && (
        <div>
          <h2 style={{ marginTop: 0 }}>{t('enrol.passkey.title')}</h2>
          <p className="sk-quiet">{t('enrol.passkey.about')}</p>
          <AddPasskey done={finish} />
        </div>
      )}
      <div>
        <h2 style={{ marginTop: 0 }}>{t('enrol.totp.title')}</h2>
        <p className="sk-quiet">{t('enrol.totp.about')}</p>
        <AddTotp done={finish} />
      </div>
    </div>
  );
}
