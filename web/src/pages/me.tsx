import { Button, TextInput } from '@mantine/core';
import { useState, type FormEvent } from 'react';
import { path, post, remove } from '../api';
import { useWords } from '../i18n';
import { useAct, useLoad } from '../load';
import { AskButton, Card, Facts, Loading, Note, Page, Record, Rows, State, When } from '../parts';
import { useSession } from '../session';
import { Devices } from './devices';
import { AddCode, AddPasskey, AddTotp, RecoveryCodes } from './enrol';
import { NewPassword } from './password';
import { useStep } from './signin';

interface Opened {
  who: string;
  mailbox: string;
  how: string;
  first_at_ms: number;
  last_at_ms: number;
}

interface Kept {
  id: number;
  name: string;
  created_at_ms: number;
  used_at_ms: number;
}
interface Factors {
  totp: boolean;
  totp_id?: number;
  passkeys: Kept[];
  codes: (Kept & { kind: 'mail' | 'sms' })[];
  codes_allowed: boolean;
  sms_available: boolean;
  recovery_left: number;
  required: boolean;
  grace_until_ms: number;
}

function SecondFactors() {
  const { t, number } = useWords();
  const { may } = useSession();
  const { act } = useAct();
  const { busy, wrong, run } = useStep();
  const factors = useLoad<Factors>('/me/factors');
  const [codes, setCodes] = useState<string[] | null>(null);
  const added = (found?: string[]) => {
    if (found?.length) setCodes(found);
    factors.reload();
  };
  const drop = async (id: number) => {
    const done = await act(() => remove(path('/me/factors/{id}', { id })), 'removed');
    if (done) factors.reload();
    return done;
  };
  const fresh = () => run(async () => {
    setCodes((await post<{ codes: string[] }>('/me/recovery')).codes);
    factors.reload();
  });
  return (
    <Card title={t('me.factors')} about={t('me.factors.about')}>
      {wrong && <Note tone="bad">{wrong}</Note>}
      {codes ? <RecoveryCodes codes={codes} done={() => setCodes(null)} /> : (
        <Loading of={factors}>
          {(f) => (
            <>
              <Facts of={[
                [t('enrol.totp.title'), f.totp ? <State key="totp" tone="good">{t('me.factor.on')}</State> : <State key="totp" tone="quiet">{t('me.factor.off')}</State>],
                [t('enrol.passkey.title'), f.passkeys.length ? f.passkeys.map((k) => k.name).join(', ') : '–'],
                [t('me.codes'), f.codes.length ? f.codes.map((c) => c.name).join(', ') : '–'],
                [t('me.recovery'), number(f.recovery_left)],
              ]} />
              <div className="sk-buttons" style={{ marginTop: '1rem' }}>
                {may('me.recovery') && (f.totp || f.passkeys.length > 0 || f.codes.length > 0) && <Button variant="default" loading={busy} onClick={() => void fresh()}>{t('me.recovery.fresh')}</Button>}
                {f.totp && f.totp_id && may('me.factor.remove') && <AskButton label={t('me.totp.remove')} title={t('me.totp.remove')} text={t('me.factor.remove.text')} act={() => drop(f.totp_id!)} danger />}
                {may('me.factor.remove') && f.passkeys.map((k) => (
                  <AskButton key={k.id} label={t('me.passkey.remove', { name: k.name })} title={t('me.passkey.remove', { name: k.name })} text={t('me.factor.remove.text')} act={() => drop(k.id)} danger />
                ))}
              </div>
              {f.codes.map((c) => may('me.factor.remove') && (
                <AskButton key={c.id} label={t('me.code.remove', { to: c.name })} title={t('me.code.remove', { to: c.name })} text={t('me.factor.remove.text')} act={() => drop(c.id)} danger mt="sm" />
              ))}
              {!f.totp && may('me.totp') && <div style={{ marginTop: '1rem' }}><AddTotp done={added} /></div>}
              {may('me.passkey.add') && <div style={{ marginTop: '1rem' }}><AddPasskey done={added} /></div>}
              {may('me.code') && f.codes_allowed && <div style={{ marginTop: '1rem' }}><AddCode sms={f.sms_available} done={added} /></div>}
            </>
          )}
        </Loading>
      )}
    </Card>
  );
}

interface App extends Kept {
  protocols: string[];
  expires_at_ms: number;
}

function AppPasswords() {
  const { t } = useWords();
  const { may } = useSession();
  const { act } = useAct();
  const { busy, wrong, run } = useStep();
  const apps = useLoad<App[]>('/me/app-passwords');
  const [name, setName] = useState('');
  const [made, setMade] = useState('');
  const add = (event: FormEvent) => {
    event.preventDefault();
    void run(async () => {
      setMade((await post<{ password: string }>('/me/app-passwords', { name: name.trim() })).password);
      setName('');
      apps.reload();
    });
  };
  const drop = async (id: number) => {
    const done = await act(() => remove(path('/me/app-passwords/{id}', { id })), 'removed');
    if (done) apps.reload();
    return done;
  };
  return (
    <Card title={t('me.apps')} about={t('me.apps.about')}>
      <Loading of={apps}>
        {(list) => (
          <Rows label={t('me.apps')} rows={list} id={(a) => a.id} empty={t('me.apps.none')} columns={[
            { label: t('me.app'), show: (a) => a.name },
            { label: t('accounts.protocols'), show: (a) => a.protocols.join(', ').toUpperCase() },
            { label: t('me.lastUsed'), show: (a) => <When ms={a.used_at_ms} /> },
            { label: t('me.app.until'), show: (a) => a.expires_at_ms ? <When ms={a.expires_at_ms} /> : t('me.app.forever') },
            { label: t('actions'), kind: 'actions', show: (a) => may('me.app.remove') && (
              <AskButton label={t('remove')} title={t('me.app.remove')} text={t('me.app.remove.text', { name: a.name })} act={() => drop(a.id)} danger size="compact-sm" />
            ) },
          ]} />
        )}
      </Loading>
      {made && <Note tone="good"><p>{t('me.app.made')}</p><Record text={made} what={t('me.app.password')} /></Note>}
      {wrong && <Note tone="bad">{wrong}</Note>}
      {may('me.app.add') && (
        <form className="sk-filter" style={{ margin: '1rem 0 0' }} onSubmit={add}>
          <TextInput label={t('me.app.name')} required withAsterisk={false} value={name} onChange={(e) => setName(e.currentTarget.value)} />
          <Button type="submit" variant="default" loading={busy}>{t('me.app.add')}</Button>
        </form>
      )}
    </Card>
  );
}

interface Access {
  id: number;
  name: string;
  scopes: string[];
  used_at_ms: number;
  expires_at_ms: number;
}

function Programs() {
  const { t, word } = useWords();
  const { may } = useSession();
  const { act } = useAct();
  const programs = useLoad<Access[]>('/me/oauth');
  const drop = async (id: number) => {
    const done = await act(() => remove(path('/me/oauth/{id}', { id })), 'removed');
    if (done) programs.reload();
    return done;
  };
  return (
    <Card title={t('me.oauth')} about={t('me.oauth.about')}>
      <Loading of={programs}>
        {(list) => (
          <Rows label={t('me.oauth')} rows={list} id={(p) => p.id} empty={t('me.oauth.none')} columns={[
            { label: t('me.app'), show: (p) => p.name },
            { label: t('me.oauth.may'), show: (p) => p.scopes.map((s) => word('scope', s)).join(', ') },
            { label: t('me.lastUsed'), show: (p) => <When ms={p.used_at_ms} /> },
            { label: t('me.app.until'), show: (p) => <When ms={p.expires_at_ms} /> },
            { label: t('actions'), kind: 'actions', show: (p) => may('me.oauth.remove') && (
              <AskButton label={t('remove')} title={t('me.oauth.remove')} text={t('me.app.remove.text', { name: p.name })} act={() => drop(p.id)} danger size="compact-sm" />
            ) },
          ]} />
        )}
      </Loading>
    </Card>
  );
}

function ChangePassword() {
  const { t } = useWords();
  const { refresh } = useSession();
  const { act } = useAct();
  return (
    <Card title={t('me.password')} about={t('me.password.about')}>
      <NewPassword done={async () => { await act(refresh, 'me.password.done'); }} />
    </Card>
  );
}

function WhoOpened() {
  const { t, word } = useWords();
  const opened = useLoad<Opened[]>('/me/opened');
  return (
    <Card title={t('me.opened')} about={t('me.opened.about')}>
      <Loading of={opened}>
        {(list) => (
          <Rows label={t('me.opened')} rows={list} id={(o) => `${o.who} ${o.mailbox} ${o.how}`} empty={t('me.opened.none')} columns={[
            { label: t('audit.who'), show: (o) => o.who },
            { label: t('me.mailbox'), show: (o) => o.mailbox },
            { label: t('me.how'), show: (o) => word('opened.how', o.how) },
            { label: t('audit.at'), show: (o) => <When ms={o.last_at_ms} /> },
          ]} />
        )}
      </Loading>
    </Card>
  );
}

export default function Me() {
  const { t, word } = useWords();
  const { session, may } = useSession();
  if (!session) return null;
  return (
    <Page title={t('nav.me')} about={t('me.about')}>
      <Card>
        <Facts of={[
          [t('accounts.name'), session.name || '–'],
          [t('accounts.address'), session.address],
          [t('me.roles'), session.roles.length ? session.roles.map((r) => word('role', r.role)).join(', ') : t('me.noRoles')],
          [t('me.until'), <When key="until" ms={session.expires_ms} />],
        ]} />
        {session.password_ends_ms && <Note tone="warn">{t('me.password.ends')} <When ms={session.password_ends_ms} /></Note>}
      </Card>
      {may('me.factors') && <SecondFactors />}
      {may('me.apps') && <AppPasswords />}
      {may('me.oauth.list') && <Programs />}
      {may('me.password') && <ChangePassword />}
      {may('me.devices') && <Devices />}
      {may('me.opened') && <WhoOpened />}
    </Page>
  );
}
