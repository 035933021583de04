import { Button, Group, NativeSelect } from '@mantine/core';
import { useState } from 'react';
import { get, path, post, remove } from '../api';
import { useWords } from '../i18n';
import { useAct, useLoad } from '../load';
import { AskButton, Card, Facts, FormDialog, Loading, Note, Page, Rows, State, When } from '../parts';
import { Link, to, usePlace } from '../router';
import { useSession } from '../session';

interface Incident {
  id: number;
  account: string;
  level: string;
  step: string;
  outcome: string;
  opened_at_ms: number;
  bad_since_ms: number;
  suspended_at_ms: number;
  closed_at_ms: number;
  signals?: { signal: string; text: string; text_ja: string; points: number; first_at_ms: number; last_at_ms: number; times: number }[];
  held?: number;
  recipients_left_for?: number;
  filters_changed?: string[];
  filter_stopped?: string | null;
}
interface Held {
  mail: string;
  account: string;
  from: string;
  why: string;
  why_text: string;
  why_text_ja: string;
  created_at_ms: number;
  first_time: number;
  to: string[];
}

function Outcome({ of }: { of: Incident }) {
  const { word } = useWords();
  return <State tone={of.outcome === 'open' ? 'bad' : 'good'}>{word('incident.outcome', of.outcome)}</State>;
}

function HeldMail({ address }: { address?: string }) {
  const { t, language, number } = useWords();
  const { may } = useSession();
  const { act, busy } = useAct();
  const held = useLoad<Held[]>(path('/held', {}, { address, limit: 100 }), 15000);
  const release = async (mail: string) => {
    if (await act(() => post(path('/held/{mail}/release', { mail })), 'queue.release.done')) held.reload();
  };
  const drop = async (mail: string) => {
    const done = await act(() => remove(path('/held/{mail}', { mail })), 'queue.remove.done');
    if (done) held.reload();
    return done;
  };
  return (
    <Card title={t('incidents.held')} about={t('incidents.held.about')}>
      <Loading of={held}>
        {(list) => (
          <Rows label={t('incidents.held')} rows={list} id={(h) => h.mail} empty={t('incidents.held.none')} columns={[
            { label: t('accounts.address'), show: (h) => <Link href={`${to('trace')}?mail=${encodeURIComponent(h.mail)}`}>{h.account || h.from}</Link> },
            { label: t('queue.to'), show: (h) => t('incidents.recipients', { first: h.to[0] ?? '–', n: number(h.to.length) }) },
            { label: t('incidents.why'), show: (h) => language === 'ja' ? h.why_text_ja : h.why_text },
            { label: t('queue.since'), show: (h) => <When ms={h.created_at_ms} /> },
            { label: t('actions'), kind: 'actions', show: (h) => (
              <Group gap={6} justify="flex-end">
                {may('hold.release') && <Button size="compact-sm" disabled={busy} onClick={() => void release(h.mail)}>{t('queue.release')}</Button>}
                {may('hold.remove') && <AskButton label={t('queue.remove')} title={t('queue.remove.title')} act={() => drop(h.mail)} danger size="compact-sm"
                  text={t('queue.remove.text', { from: h.from, to: h.to.join(', ') })} />}
              </Group>
            ) },
          ]} />
        )}
      </Loading>
    </Card>
  );
}

function Restore({ of, done }: { of: Incident; done: () => void }) {
  const { t } = useWords();
  const { act, busy } = useAct();
  const [opened, setOpened] = useState(false);
  const [held, setHeld] = useState('known');
  const [filter, setFilter] = useState('off');
  const submit = async () => {
    const good = await act(() => post(path('/incidents/{id}/restore', { id: of.id }), { held, filter }), 'incidents.restored', { address: of.account });
    if (good) done();
    return good;
  };
  return (
    <>
      <Button onClick={() => setOpened(true)}>{t('incidents.restore')}</Button>
      <FormDialog title={t('incidents.restore')} opened={opened} close={() => setOpened(false)} submit={submit} label={t('incidents.restore')} busy={busy}>
        <div>{t('incidents.restore.text', { address: of.account })}</div>
        <NativeSelect label={t('incidents.restore.held')} value={held} onChange={(e) => setHeld(e.currentTarget.value)} data={[
          { value: 'known', label: t('incidents.restore.known') },
          { value: 'none', label: t('incidents.restore.none') },
          { value: 'all', label: t('incidents.restore.all') },
        ]} />
        {(of.filter_stopped || !!of.filters_changed?.length) && (
          <NativeSelect mt="sm" label={t('incidents.restore.filter')} value={filter} onChange={(e) => setFilter(e.currentTarget.value)} data={[
            { value: 'off', label: t('incidents.restore.filter.off') },
            { value: 'former', label: t('incidents.restore.filter.former') },
            { value: 'on', label: t('incidents.restore.filter.on') },
          ]} />
        )}
      </FormDialog>
    </>
  );
}

function Evidence({ id }: { id: number }) {
  const { t } = useWords();
  const { act, busy } = useAct();
  const save = () => act(async () => {
    const found = await get<unknown>(path('/incidents/{id}/evidence', { id }));
    const url = URL.createObjectURL(new Blob([JSON.stringify(found, null, 1)], { type: 'application/json' }));
    const link = document.createElement('a');
    link.href = url;
    link.download = `incident-${id}.json`;
    link.click();
    URL.revokeObjectURL(url);
  });
  return <Button variant="default" loading={busy} onClick={() => void save()}>{t('incidents.evidence')}</Button>;
}

function One({ id }: { id: string }) {
  const { t, language, number, word } = useWords();
  const { may } = useSession();
  const { act } = useAct();
  const incident = useLoad<Incident>(path('/incidents/{id}', { id }));
  const falseAlarm = async () => {
    const done = await act(() => post(path('/incidents/{id}/false-alarm', { id })), 'incidents.falseAlarm.done');
    if (done) incident.reload();
    return done;
  };
  return (
    <Page title={t('incidents.one', { id })} about={<Link href={to('incidents')}>{t('nav.incidents')}</Link>}>
      <Loading of={incident}>
        {(i) => (
          <>
            {i.outcome === 'open' && (
              <Note tone={i.suspended_at_ms ? 'bad' : 'warn'}>
                <p>{i.suspended_at_ms ? t('incidents.isSuspended') : t('incidents.isHeld')}</p>
                <div className="sk-buttons">
                  {may('incident.restore') && <Restore of={i} done={incident.reload} />}
                  {may('incident.false-alarm') && <AskButton label={t('incidents.falseAlarm')} title={t('incidents.falseAlarm')} text={t('incidents.falseAlarm.text')} act={falseAlarm} />}
                  {may('incident.evidence') && <Evidence id={i.id} />}
                </div>
              </Note>
            )}
            <Card>
              <Facts of={[
                [t('accounts.address'), <Link key="account" href={to('accounts', i.account)}>{i.account}</Link>],
                [t('state'), <Outcome key="state" of={i} />],
                [t('incidents.level'), word('incident.level', i.level)],
                [t('incidents.opened'), <When key="opened" ms={i.opened_at_ms} />],
                [t('incidents.badSince'), <When key="bad" ms={i.bad_since_ms} />],
                [t('incidents.suspendedAt'), i.suspended_at_ms ? <When key="suspended" ms={i.suspended_at_ms} /> : '–'],
                [t('incidents.heldNow'), number(i.held ?? 0)],
                [t('incidents.leftFor'), number(i.recipients_left_for ?? 0)],
                [t('incidents.filters'), i.filters_changed?.length ? i.filters_changed.join(', ') : '–'],
                [t('incidents.filterStopped'), i.filter_stopped || '–'],
              ]} />
            </Card>
            <Card title={t('incidents.signals')} about={t('incidents.signals.about')}>
              <Rows label={t('incidents.signals')} rows={i.signals ?? []} id={(s) => s.signal} empty={t('incidents.signals.none')} columns={[
                { label: t('incidents.signal'), show: (s) => language === 'ja' ? s.text_ja : s.text },
                { label: t('incidents.points'), kind: 'number', show: (s) => number(s.points) },
                { label: t('incidents.times'), kind: 'number', show: (s) => number(s.times) },
                { label: t('incidents.last'), show: (s) => <When ms={s.last_at_ms} /> },
              ]} />
            </Card>
            {may('hold.list') && <HeldMail address={i.account} />}
          </>
        )}
      </Loading>
    </Page>
  );
}

function List() {
  const { t, word } = useWords();
  const { may } = useSession();
  const incidents = useLoad<Incident[]>('/incidents?limit=100', 15000);
  return (
    <Page title={t('nav.incidents')} about={t('incidents.about')}>
      <Loading of={incidents}>
        {(list) => (
          <Card flush>
            <Rows label={t('nav.incidents')} rows={list} id={(i) => i.id} empty={t('incidents.none')} columns={[
              { label: t('accounts.address'), show: (i) => <Link href={to('incidents', String(i.id))}>{i.account}</Link> },
              { label: t('state'), show: (i) => <Outcome of={i} /> },
              { label: t('incidents.level'), show: (i) => word('incident.level', i.level) },
              { label: t('incidents.opened'), show: (i) => <When ms={i.opened_at_ms} /> },
              { label: t('incidents.closed'), show: (i) => i.closed_at_ms ? <When ms={i.closed_at_ms} /> : '–' },
            ]} />
          </Card>
        )}
      </Loading>
      {may('hold.list') && <HeldMail />}
    </Page>
  );
}

export default function Incidents() {
  const { segments } = usePlace();
  return segments[1] ? <One key={segments[1]} id={segments[1]} /> : <List />;
}
