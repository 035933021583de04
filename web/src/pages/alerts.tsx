import { Button, NumberInput, Switch, TextInput } from '@mantine/core';
import { useState } from 'react';
import { path, post, remove } from '../api';
import { useWords } from '../i18n';
import { useAct, useLoad } from '../load';
import { AskButton, Card, FormDialog, Loading, Page, Rows, State, When } from '../parts';
import { useSession } from '../session';

interface Alert {
  id: number;
  rule: string;
  at_ms: number;
  acked_at_ms: number;
  acked_by: string;
  note: string;
  row?: { number: number; act: string; who: string; object: string };
}
interface Rule {
  id: number;
  name: string;
  act: string;
  who: string;
  result: string;
  outside: string;
  times: number;
  minutes: number;
}

function Acknowledge({ of, done }: { of: Alert; done: () => void }) {
  const { t } = useWords();
  const { act, busy } = useAct();
  const [opened, setOpened] = useState(false);
  const [note, setNote] = useState('');
  const submit = async () => {
    const good = await act(() => post(path('/alerts/{id}/ack', { id: of.id }), note.trim() ? { note: note.trim() } : {}), 'alerts.acked');
    if (good) done();
    return good;
  };
  return (
    <>
      <Button size="compact-sm" variant="default" onClick={() => setOpened(true)} aria-label={t('alerts.ackOf', { rule: of.rule, id: of.id })}>{t('alerts.ack')}</Button>
      <FormDialog title={t('alerts.ack')} opened={opened} close={() => setOpened(false)} submit={submit} label={t('alerts.ack')} busy={busy}>
        <TextInput label={t('alerts.note')} value={note} onChange={(e) => setNote(e.currentTarget.value)} />
      </FormDialog>
    </>
  );
}

function AddRule({ done }: { done: () => void }) {
  const { t } = useWords();
  const { act, busy } = useAct();
  const [opened, setOpened] = useState(false);
  const [form, setForm] = useState({ name: '', act: '', times: 1, minutes: 60 });
  const submit = async () => {
    const many = form.times > 1 ? { times: form.times, minutes: form.minutes } : {};
    const good = await act(() => post('/alerts/rules', { name: form.name.trim(), act: form.act.trim(), ...many }), 'added');
    if (good) done();
    return good;
  };
  return (
    <>
      <Button onClick={() => setOpened(true)}>{t('alerts.addRule')}</Button>
      <FormDialog title={t('alerts.addRule')} opened={opened} close={() => setOpened(false)} submit={submit} label={t('alerts.addRule')} busy={busy}>
        <TextInput label={t('alerts.name')} required withAsterisk={false} value={form.name} onChange={(e) => setForm({ ...form, name: e.currentTarget.value })} />
        <TextInput label={t('alerts.act')} description={t('alerts.act.hint')} required withAsterisk={false} value={form.act} onChange={(e) => setForm({ ...form, act: e.currentTarget.value })} />
        <NumberInput label={t('alerts.times')} min={1} allowDecimal={false} hideControls value={form.times} onChange={(n) => setForm({ ...form, times: Number(n) || 1 })} />
        <NumberInput label={t('alerts.minutes')} min={1} allowDecimal={false} hideControls value={form.minutes} onChange={(n) => setForm({ ...form, minutes: Number(n) || 1 })} />
      </FormDialog>
    </>
  );
}

function Rules() {
  const { t, number } = useWords();
  const { may } = useSession();
  const { act } = useAct();
  const rules = useLoad<Rule[]>('/alerts/rules');
  const drop = async (id: number) => {
    const done = await act(() => remove(path('/alerts/rules/{id}', { id })), 'removed');
    if (done) rules.reload();
    return done;
  };
  return (
    <Card title={t('alerts.rules')} about={t('alerts.rules.about')}>
      <Loading of={rules}>
        {(list) => (
          <Rows label={t('alerts.rules')} rows={list} id={(r) => r.id} empty={t('alerts.noRules')} columns={[
            { label: t('alerts.name'), show: (r) => r.name },
            { label: t('alerts.act'), show: (r) => <span className="sk-code">{r.act}</span> },
            { label: t('alerts.when'), show: (r) => (r.times > 1 ? t('alerts.often', { n: number(r.times), minutes: number(r.minutes) }) : t('alerts.each')) },
            { label: t('actions'), kind: 'actions', show: (r) => may('alert.remove') && (
              <AskButton label={t('remove')} title={t('alerts.removeRule')} text={t('alerts.removeRule.text', { name: r.name })} act={() => drop(r.id)} danger
                size="compact-sm" aria-label={t('alerts.removeOf', { name: r.name })} />
            ) },
          ]} />
        )}
      </Loading>
      {may('alert.add') && <AddRule done={rules.reload} />}
    </Card>
  );
}

export default function Alerts() {
  const { t } = useWords();
  const { may } = useSession();
  const [open, setOpen] = useState(true);
  const alerts = useLoad<Alert[]>(path('/alerts', {}, { open: open || undefined, limit: 200 }), 30000);
  return (
    <Page title={t('nav.alerts')} about={t('alerts.about')}>
      <div className="sk-filter">
        <Switch label={t('alerts.openOnly')} checked={open} onChange={(e) => setOpen(e.currentTarget.checked)} />
      </div>
      <Loading of={alerts}>
        {(list) => (
          <Card flush>
            <Rows label={t('nav.alerts')} rows={list} id={(a) => a.id} empty={t('alerts.none')} columns={[
              { label: t('alerts.name'), show: (a) => a.rule },
              { label: t('alerts.act'), show: (a) => a.row && <><span className="sk-code">{a.row.act}</span> {a.row.object}<div className="sk-quiet">{a.row.who}</div></> },
              { label: t('audit.at'), show: (a) => <When ms={a.at_ms} /> },
              { label: t('state'), show: (a) => a.acked_at_ms
                ? <><State tone="good">{t('alerts.seen')}</State><div className="sk-quiet">{a.acked_by} {a.note}</div></>
                : <State tone="warn">{t('alerts.unseen')}</State> },
              { label: t('actions'), kind: 'actions', show: (a) => !a.acked_at_ms && may('alert.ack') && <Acknowledge of={a} done={alerts.reload} /> },
            ]} />
          </Card>
        )}
      </Loading>
      {may('alert.rules') && <Rules />}
    </Page>
  );
}
