import { Button, NativeSelect, TextInput } from '@mantine/core';
import { useState } from 'react';
import { path, post, remove } from '../api';
import { useWords, type Key } from '../i18n';
import { useAct, useLoad } from '../load';
import { AskButton, Card, FormDialog, Loading, Note, Page, Rows, State, When } from '../parts';
import { useSession } from '../session';

interface Rule {
  id: number;
  action: 'allow' | 'deny';
  services: string;
  who: string;
  from: string;
  note: string;
}
interface Access {
  rules: Rule[];
  preset: { in_force: boolean; services: string; only_from: string };
  /** A change that shuts people out waits until then, and is taken back. */
  confirm_by_ms?: number;
}

const SERVICES = ['all', 'smtp-auth', 'imap', 'pop3', 'sieve', 'web', 'api', 'admin'] as const;

function AddRule({ done }: { done: () => void }) {
  const { t } = useWords();
  const { act, busy } = useAct();
  const [opened, setOpened] = useState(false);
  const [form, setForm] = useState({ action: 'deny', services: 'smtp-auth', who: '', from: '', note: '' });
  const submit = async () => {
    const given = Object.fromEntries(Object.entries(form).map(([k, v]) => [k, v.trim()]).filter(([, v]) => v));
    const good = await act(() => post('/access', given), 'added');
    if (good) done();
    return good;
  };
  const field = (name: 'who' | 'from' | 'note') => (
    <TextInput label={t(`access.${name}`)} description={name === 'note' ? undefined : t(`access.${name}.hint` as Key)} value={form[name]}
      onChange={(e) => setForm({ ...form, [name]: e.currentTarget.value })} />
  );
  return (
    <>
      <Button onClick={() => setOpened(true)}>{t('access.add')}</Button>
      <FormDialog title={t('access.add')} opened={opened} close={() => setOpened(false)} submit={submit} label={t('access.add')} busy={busy}>
        <NativeSelect label={t('access.action')} value={form.action} onChange={(e) => setForm({ ...form, action: e.currentTarget.value })}
          data={[{ value: 'deny', label: t('access.deny') }, { value: 'allow', label: t('access.allow') }]} />
        <NativeSelect label={t('access.services')} value={form.services} onChange={(e) => setForm({ ...form, services: e.currentTarget.value })} data={[...SERVICES]} />
        {field('who')}{field('from')}{field('note')}
      </FormDialog>
    </>
  );
}

function Pending({ until, done }: { until: number; done: () => void }) {
  const { t } = useWords();
  const { act, busy } = useAct();
  return (
    <Note tone="warn">
      <p>{t('access.pending')} <When ms={until} /></p>
      <Button loading={busy} onClick={() => void act(() => post('/access/confirm'), 'access.confirmed').then(done)}>{t('access.confirm')}</Button>
    </Note>
  );
}

function Explain() {
  const { t } = useWords();
  const { act, busy } = useAct();
  const [form, setForm] = useState({ ip: '', service: 'imap', address: '' });
  const [asked, setAsked] = useState<string | null>(null);
  const verdict = useLoad<{ verdict: string; decided_by: string }>(asked);
  const ask = () => act(async () => setAsked(path('/access/explain', {}, { ...form, address: form.address.trim() })));
  return (
    <Card title={t('access.explain')} about={t('access.explain.about')}>
      <form className="sk-filter" onSubmit={(e) => { e.preventDefault(); void ask(); }}>
        <TextInput label={t('signins.ip')} required withAsterisk={false} value={form.ip} onChange={(e) => setForm({ ...form, ip: e.currentTarget.value })} />
        <NativeSelect label={t('access.services')} value={form.service} onChange={(e) => setForm({ ...form, service: e.currentTarget.value })} data={SERVICES.slice(1)} />
        <TextInput label={t('accounts.address')} value={form.address} onChange={(e) => setForm({ ...form, address: e.currentTarget.value })} />
        <Button type="submit" variant="default" loading={busy}>{t('access.ask')}</Button>
      </form>
      <div aria-live="polite">
        {asked && <Loading of={verdict}>{(v) => <State tone={v.verdict === 'allowed' ? 'good' : 'bad'}>{v.verdict === 'allowed' ? t('access.allowed') : t('access.refused')}</State>}</Loading>}
      </div>
    </Card>
  );
}

export default function AccessRules() {
  const { t } = useWords();
  const { may } = useSession();
  const { act } = useAct();
  const access = useLoad<Access>('/access');
  const drop = async (id: number) => {
    const done = await act(() => remove(path('/access/{id}', { id })), 'removed');
    if (done) access.reload();
    return done;
  };
  return (
    <Page title={t('nav.access')} about={t('access.about')}>
      <Loading of={access}>
        {(a) => (
          <>
            {a.confirm_by_ms !== undefined && may('access.confirm') && <Pending until={a.confirm_by_ms} done={access.reload} />}
            {a.preset.in_force && <Note><p>{t('access.preset', { country: a.preset.only_from })}</p></Note>}
            <Card flush>
              <Rows label={t('nav.access')} rows={a.rules} id={(r) => r.id} empty={t('access.none')} columns={[
                { label: t('access.action'), show: (r) => <State tone={r.action === 'allow' ? 'good' : 'bad'}>{t(`access.${r.action}`)}</State> },
                { label: t('access.services'), show: (r) => r.services },
                { label: t('access.who'), show: (r) => r.who || t('access.anyone') },
                { label: t('access.from'), show: (r) => r.from || t('access.anywhere') },
                { label: t('access.note'), show: (r) => r.note },
                { label: t('actions'), kind: 'actions', show: (r) => may('access.remove') && (
                  <AskButton label={t('remove')} title={t('access.remove')} text={t('access.remove.text')} act={() => drop(r.id)} danger size="compact-sm"
                    aria-label={t('access.removeOf', { id: r.id })} />
                ) },
              ]} />
            </Card>
            {may('access.add') && <AddRule done={access.reload} />}
          </>
        )}
      </Loading>
      {may('access.explain') && <div style={{ marginTop: '1.25rem' }}><Explain /></div>}
    </Page>
  );
}
