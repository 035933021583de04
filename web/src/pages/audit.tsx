import { Button, Modal, TextInput } from '@mantine/core';
import { useState, type FormEvent } from 'react';
import { get, path, post } from '../api';
import { useWords } from '../i18n';
import { useAct, useLoad } from '../load';
import { Card, Facts, Loading, Note, Page, Rows, State, When } from '../parts';
import { useSession } from '../session';

interface Row {
  number: number;
  at_ms: number;
  who: string;
  role: string;
  from: string;
  act: string;
  object?: string;
  args?: unknown;
  before?: unknown;
  after?: unknown;
  result: string;
  reason?: string;
}
interface Verdict {
  whole: boolean;
  rows: number;
  link: string;
  wrong?: number;
  why?: string;
}

const PAGE = 50;

function Json({ of }: { of: unknown }) {
  return of === undefined || of === null ? <>–</> : <pre className="sk-code" style={{ whiteSpace: 'pre-wrap', margin: 0, padding: '0.5rem' }}>{JSON.stringify(of, null, 1)}</pre>;
}

function Details({ row, close }: { row: Row; close: () => void }) {
  const { t } = useWords();
  return (
    <Modal opened onClose={close} size="lg" title={t('audit.row', { number: row.number })} closeButtonProps={{ 'aria-label': t('close') }}>
      <Facts of={[
        [t('audit.at'), <When key="at" ms={row.at_ms} />],
        [t('audit.who'), `${row.who} (${row.role})`],
        [t('audit.from'), row.from || '–'],
        [t('audit.act'), <span key="act" className="sk-code">{row.act}</span>],
        [t('audit.object'), row.object || '–'],
        [t('audit.result'), row.reason ? `${row.result}: ${row.reason}` : row.result],
        [t('audit.args'), <Json key="args" of={row.args} />],
        [t('audit.before'), <Json key="before" of={row.before} />],
        [t('audit.after'), <Json key="after" of={row.after} />],
      ]} />
    </Modal>
  );
}

export default function Audit() {
  const { t, number } = useWords();
  const { may } = useSession();
  const { act, busy } = useAct();
  const [form, setForm] = useState({ who: '', act: '', object: '' });
  const [asked, setAsked] = useState(form);
  const [older, setOlder] = useState<Row[]>([]);
  const [all, setAll] = useState(false);
  const [open, setOpen] = useState<Row | null>(null);
  const [verdict, setVerdict] = useState<Verdict | null>(null);
  const first = useLoad<Row[]>(path('/audit', {}, { ...asked, limit: PAGE }));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setOlder([]);
    setAll(false);
    setAsked(form);
    first.reload();
  };
  const more = (rows: Row[]) => act(async () => {
    const found = await get<Row[]>(path('/audit', {}, { ...asked, limit: PAGE, before_number: rows[rows.length - 1].number }));
    setOlder([...older, ...found]);
    setAll(found.length < PAGE);
  });
  const verify = () => act(async () => setVerdict(await post<Verdict>('/audit/verify')));
  return (
    <Page title={t('nav.audit')} about={t('audit.about')} actions={
      may('audit.verify') && <Button loading={busy} onClick={() => void verify()}>{t('audit.verify')}</Button>
    }>
      {verdict && (
        <Note tone={verdict.whole ? 'good' : 'bad'}>
          <p><State tone={verdict.whole ? 'good' : 'bad'}>{verdict.whole ? t('audit.whole', { n: number(verdict.rows) }) : t('audit.broken', { n: verdict.wrong ?? 0, why: verdict.why ?? '' })}</State></p>
          <p className="sk-quiet">{t('audit.link')} <span className="sk-code">{verdict.link}</span></p>
        </Note>
      )}
      <form className="sk-filter" onSubmit={submit} role="search">
        <TextInput label={t('audit.who')} value={form.who} onChange={(e) => setForm({ ...form, who: e.currentTarget.value })} />
        <TextInput label={t('audit.act')} placeholder="account.add" value={form.act} onChange={(e) => setForm({ ...form, act: e.currentTarget.value })} />
        <TextInput label={t('audit.object')} value={form.object} onChange={(e) => setForm({ ...form, object: e.currentTarget.value })} />
        <Button type="submit">{t('search')}</Button>
      </form>
      <Loading of={first}>
        {(list) => {
          const rows = [...list, ...older];
          return (
            <>
              <Card flush>
                <Rows label={t('nav.audit')} rows={rows} id={(r) => r.number} empty={t('audit.none')} columns={[
                  { label: t('audit.act'), show: (r) => <span className="sk-code">{r.act}</span> },
                  { label: t('audit.object'), show: (r) => r.object || '–' },
                  { label: t('audit.who'), show: (r) => <>{r.who}<div className="sk-quiet">{r.from}</div></> },
                  { label: t('audit.result'), show: (r) => <State tone={r.result === 'ok' ? 'good' : 'warn'}>{r.result === 'ok' ? t('audit.ok') : t('audit.refused')}</State> },
                  { label: t('audit.at'), show: (r) => <When ms={r.at_ms} /> },
                  { label: t('actions'), kind: 'actions', show: (r) => <Button size="compact-sm" variant="default" onClick={() => setOpen(r)} aria-label={t('audit.showRow', { number: r.number })}>{t('details')}</Button> },
                ]} />
              </Card>
              {list.length === PAGE && !all && <Button variant="default" loading={busy} onClick={() => void more(rows)}>{t('more')}</Button>}
            </>
          );
        }}
      </Loading>
      {open && <Details row={open} close={() => setOpen(null)} />}
    </Page>
  );
}
