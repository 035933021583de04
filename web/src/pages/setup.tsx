import { Button, Group, PasswordInput, TextInput } from '@mantine/core';
import { useEffect, useState, type FormEvent, type ReactNode } from 'react';
import { call, path, post, put } from '../api';
import { useWords, type Key } from '../i18n';
import { useAct, useLoad } from '../load';
import { Loading, Note, Record, useTitle } from '../parts';
import { go, to, usePlace } from '../router';
import { useSession } from '../session';
import { makePassword } from './accounts';
import { DnsFindings, DnsRecords, type Report } from './dns';
import SignIn, { GatePage, useStep } from './signin';

const STEPS = ['code', 'domain', 'administrator', 'dns', 'certificate', 'account'] as const;
type Step = (typeof STEPS)[number];

function Frame({ step, children }: { step: Step; children: ReactNode }) {
  const { t } = useWords();
  useTitle('setup.title');
  const at = STEPS.indexOf(step);
  return (
    <GatePage title={t(`setup.${step}.title` as Key)} about={t(`setup.${step}.about` as Key)} wide>
      <ol className="sk-steps" aria-label={t('setup.title')}>
        {STEPS.map((s, i) => (
          <li key={s} data-done={i < at} aria-current={i === at ? 'step' : undefined}><span>{t(`setup.${s}` as Key)}</span></li>
        ))}
      </ol>
      {children}
    </GatePage>
  );
}

function Code({ first, done }: { first: string; done: (code: string) => void }) {
  const { t } = useWords();
  const { busy, wrong, run } = useStep();
  const [code, setCode] = useState(first);
  const check = (value: string) => run(async () => {
    await call('GET', '/status', { token: value.trim() });
    done(value.trim());
  }, t('setup.code.wrong'));
  // A link that was printed by the server has the code in it already.
  useEffect(() => {
    if (first) void check(first);
  }, [first]);
  return (
    <Frame step="code">
      <form className="sk-form" onSubmit={(event: FormEvent) => { event.preventDefault(); void check(code); }}>
        {wrong && <Note tone="bad">{wrong}</Note>}
        <TextInput label={t('setup.code')} required withAsterisk={false} autoComplete="off" value={code} onChange={(e) => setCode(e.currentTarget.value)} />
        <div><Button type="submit" loading={busy}>{t('factor.go')}</Button></div>
      </form>
    </Frame>
  );
}

function DomainStep({ code, done }: { code: string; done: (domain: string) => void }) {
  const { t } = useWords();
  const { busy, wrong, run } = useStep();
  const [domain, setDomain] = useState('');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(async () => {
      const wanted = domain.trim().toLowerCase();
      const known = await call<{ domain: string }[]>('GET', '/domains', { token: code });
      if (!known.some((d) => d.domain === wanted)) await call('POST', '/domains', { body: { domain: wanted }, token: code });
      done(wanted);
    });
  };
  return (
    <Frame step="domain">
      <form className="sk-form" onSubmit={submit}>
        {wrong && <Note tone="bad">{wrong}</Note>}
        <TextInput label={t('domains.domain')} placeholder="example.co.jp" required withAsterisk={false} autoComplete="off" value={domain} onChange={(e) => setDomain(e.currentTarget.value)} />
        <div><Button type="submit" loading={busy}>{t('factor.go')}</Button></div>
      </form>
    </Frame>
  );
}

function Administrator({ code, domain, done }: { code: string; domain: string; done: () => Promise<void> }) {
  const { t } = useWords();
  const { busy, wrong, run } = useStep();
  const [name, setName] = useState('');
  const [local, setLocal] = useState('admin');
  const [password, setPassword] = useState('');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(async () => {
      const address = `${local.trim()}@${domain}`;
      const known = await call<{ address: string }[]>('GET', '/accounts', { token: code });
      if (!known.some((a) => a.address === address)) await call('POST', '/accounts', { body: { address, ...(name.trim() && { name: name.trim() }) }, token: code });
      await call('PUT', path('/accounts/{address}/password', { address }), { body: { password }, token: code });
      // The last of the three: with it the code opens nothing any more.
      await call('PUT', path('/accounts/{address}/roles/{role}', { address, role: 'system' }), { token: code });
      await post('/session', { address, password });
      await done();
    });
  };
  return (
    <Frame step="administrator">
      <form className="sk-form" onSubmit={submit}>
        {wrong && <Note tone="bad">{wrong}</Note>}
        <TextInput label={t('accounts.name')} autoComplete="name" value={name} onChange={(e) => setName(e.currentTarget.value)} />
        <TextInput label={t('accounts.local')} description={`@${domain}`} required withAsterisk={false} autoComplete="username" value={local} onChange={(e) => setLocal(e.currentTarget.value)} />
        <PasswordInput label={t('password.new')} description={t('password.rules')} required withAsterisk={false} autoComplete="new-password"
          visibilityToggleButtonProps={{ 'aria-label': t('signIn.show') }} value={password} onChange={(e) => setPassword(e.currentTarget.value)} />
        <div><Button type="submit" loading={busy}>{t('setup.administrator.go')}</Button></div>
      </form>
    </Frame>
  );
}

function Dns({ domain, done }: { domain: string; done: () => void }) {
  const { t } = useWords();
  const { act, busy } = useAct();
  const [report, setReport] = useState<Report | null>(null);
  const check = () => act(async () => setReport(await post<Report>(path('/domains/{domain}/dns/check', { domain }))));
  useEffect(() => {
    void check();
  }, [domain]);
  return (
    <Frame step="dns">
      {report ? <><DnsFindings of={report} /><DnsRecords of={report} /></> : <p className="sk-quiet" role="status">{t('loading')}</p>}
      <Group gap="xs">
        <Button variant="default" loading={busy} onClick={() => void check()}>{t('setup.dns.again')}</Button>
        <Button onClick={done}>{t('factor.go')}</Button>
      </Group>
    </Frame>
  );
}

function Certificate({ done }: { done: () => void }) {
  const { t } = useWords();
  return (
    <Frame step="certificate">
      <p>{t('setup.certificate.now')}</p>
      <p>{t('setup.certificate.do')}</p>
      <Record text="sekisho acme account register --accept-terms" what={t('setup.certificate')} />
      <p className="sk-quiet">{t('setup.certificate.own')}</p>
      <Record text="sekisho certificate install CHAIN.pem KEY.pem" what={t('setup.certificate.file')} />
      <Button mt="md" onClick={done}>{t('factor.go')}</Button>
    </Frame>
  );
}

function Account({ domain, done }: { domain: string; done: () => void }) {
  const { t } = useWords();
  const { busy, wrong, run } = useStep();
  const [name, setName] = useState('');
  const [local, setLocal] = useState('');
  const [made, setMade] = useState<{ address: string; password: string } | null>(null);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(async () => {
      const address = `${local.trim()}@${domain}`;
      const password = makePassword();
      await post('/accounts', { address, ...(name.trim() && { name: name.trim() }) });
      await put(path('/accounts/{address}/password', { address }), { password, change: true });
      setMade({ address, password });
    });
  };
  return (
    <Frame step="account">
      {made ? (
        <>
          <Note tone="good">{t('setup.account.made', { address: made.address })}</Note>
          <Record text={made.password} what={t('me.app.password')} />
          <p className="sk-quiet">{t('password.tell')}</p>
        </>
      ) : (
        <form className="sk-form" onSubmit={submit}>
          {wrong && <Note tone="bad">{wrong}</Note>}
          <TextInput label={t('accounts.name')} autoComplete="off" value={name} onChange={(e) => setName(e.currentTarget.value)} />
          <TextInput label={t('accounts.local')} description={`@${domain}`} required withAsterisk={false} autoComplete="off" value={local} onChange={(e) => setLocal(e.currentTarget.value)} />
          <div><Button type="submit" loading={busy}>{t('accounts.add')}</Button></div>
        </form>
      )}
      <Button mt="lg" variant={made ? 'filled' : 'default'} onClick={done}>{made ? t('setup.finish') : t('setup.later')}</Button>
    </Frame>
  );
}

/** What is left once there is an administrator, who does it signed in. */
function Rest() {
  const { session } = useSession();
  const domains = useLoad<{ domain: string }[]>('/domains');
  const [step, setStep] = useState<Step>('dns');
  return (
    <Loading of={domains}>
      {(list) => {
        const domain = session?.address.split('@').pop() ?? list[0]?.domain ?? '';
        if (step === 'dns') return <Dns domain={domain} done={() => setStep('certificate')} />;
        if (step === 'certificate') return <Certificate done={() => setStep('account')} />;
        return <Account domain={domain} done={() => go(to('overview'))} />;
      }}
    </Loading>
  );
}

export default function Setup() {
  const { session, refresh } = useSession();
  const { query } = usePlace();
  const [code, setCode] = useState('');
  const [domain, setDomain] = useState('');
  const first = query.get('code') ?? '';
  if (session) return session.state === 'in' ? <Rest /> : <SignIn />;
  if (!code) {
    return <Code first={first} done={(found) => {
      setCode(found);
      // It does not stay in the address, where the browser's history would keep it.
      history.replaceState(null, '', to('setup'));
    }} />;
  }
  return domain ? <Administrator code={code} domain={domain} done={refresh} /> : <DomainStep code={code} done={setDomain} />;
}
