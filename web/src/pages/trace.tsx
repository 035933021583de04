import { Button, TextInput } from '@mantine/core';
import { useState, type FormEvent } from 'react';
import { path } from '../api';
import { useWords, type Key } from '../i18n';
import { useLoad } from '../load';
import { Card, Loading, Page, When } from '../parts';
import { go, to, usePlace } from '../router';

interface Step {
  at_ms: number;
  step: string;
  text: string;
  text_ja: string;
  subject?: string;
  from?: string;
  to?: string;
}
interface Message {
  mail: string;
  steps: Step[];
}

const FIELDS = ['from', 'to', 'subject', 'message_id', 'mail'] as const;
const LIMIT = 50;

const BAD = new Set(['failed', 'refused', 'rejected', 'quarantined', 'filter-failed', 'removed']);
const WARN = new Set(['deferred', 'held', 'junked', 'odd', 'left-out', 'notice']);
const GOOD = new Set(['delivered', 'sent', 'filtered', 'released']);

function toneOf(step: string): string {
  if (BAD.has(step)) return 'sk-bad';
  if (WARN.has(step)) return 'sk-warn';
  return GOOD.has(step) ? 'sk-good' : 'sk-plain';
}

function Story({ of }: { of: Message }) {
  const { t, language } = useWords();
  const first = of.steps.find((s) => s.subject !== undefined) ?? of.steps[0];
  const sender = of.steps.find((s) => s.from)?.from;
  return (
    <Card many title={first?.subject || t('trace.noSubject')} about={<>{sender && <>{t('trace.sender', { from: sender })} · </>}<span className="sk-code">{of.mail}</span></>}>
      <ol className="sk-timeline">
        {of.steps.map((s, i) => (
          <li key={i} className={toneOf(s.step)}>
            <When ms={s.at_ms} />
            {language === 'ja' ? s.text_ja : s.text}
          </li>
        ))}
      </ol>
    </Card>
  );
}

export default function Trace() {
  const { t } = useWords();
  const { query } = usePlace();
  const asked = Object.fromEntries(FIELDS.map((f) => [f, query.get(f) ?? '']));
  const [form, setForm] = useState(asked);
  const found = useLoad<Message[]>(path('/trace', {}, { ...asked, limit: LIMIT }));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const search = new URLSearchParams(Object.entries(form).filter(([, value]) => value.trim()).map(([name, value]) => [name, value.trim()]));
    go(search.size ? `${to('trace')}?${search}` : to('trace'));
    found.reload();
  };
  return (
    <Page title={t('nav.trace')} about={t('trace.about')}>
      <Card>
        <form className="sk-filter" onSubmit={submit} style={{ marginBottom: 0 }} role="search">
          {FIELDS.map((f) => (
            <TextInput key={f} label={t(`trace.${f}` as Key)} value={form[f]} onChange={(event) => setForm({ ...form, [f]: event.currentTarget.value })} />
          ))}
          <Button type="submit">{t('search')}</Button>
        </form>
      </Card>
      <Loading of={found}>
        {(list) => list.length
          ? <div aria-live="polite">{list.map((m) => <Story key={m.mail} of={m} />)}</div>
          : <div className="sk-empty" role="status">{t('trace.none')}</div>}
      </Loading>
    </Page>
  );
}
