import { Button, Checkbox, NativeSelect, TextInput } from '@mantine/core';
import { useState, type FormEvent } from 'react';
import { post, Problem } from '../api';
import { useWords } from '../i18n';
import { useLoad, useProblemText } from '../load';
import { Card, Loading, Note, Page, Rows, State, When } from '../parts';

interface Mailbox {
  name: string;
  own: boolean;
  messages: number;
}
interface Found {
  mailbox: string;
  uid: number;
  received_at_ms: number;
  size: number;
  seen: boolean;
  flagged: boolean;
  subject: string;
  from: string;
  preview: string;
  attachments: number;
}
interface Answer {
  messages: Found[];
  total: number | null;
  after: string | null;
}

const EMPTY = {
  text: '', from: '', to: '', subject: '', attachment: '', mailbox: '', since: '', before: '', unread: false, flagged: false, attachments: false, fuzzy: false,
};
type Form = typeof EMPTY;

/** Words apart by blanks; what stands in "" or 「」 stays together. */
export function wordsOf(text: string): string[] {
  return [...text.matchAll(/"([^"]+)"|「([^」]+)」|(\S+)/g)].map((m) => m[1] ?? m[2] ?? m[3]);
}

/** The midnight that begins a day of this calendar. */
function midnight(day: string, later = 0): number | undefined {
  const [year, month, date] = day.split('-').map(Number);
  return date ? new Date(year, month - 1, date + later).getTime() : undefined;
}

function queryOf(form: Form) {
  const list = (text: string) => (text.trim() ? wordsOf(text) : undefined);
  return {
    text: list(form.text), from: list(form.from), to: list(form.to), subject: list(form.subject), attachment: list(form.attachment),
    mailbox: form.mailbox ? [form.mailbox] : undefined,
    since_ms: midnight(form.since), before_ms: midnight(form.before, 1),
    seen: form.unread ? false : undefined, flagged: form.flagged || undefined, attachments: form.attachments || undefined,
    fuzzy: form.fuzzy || undefined, order: form.fuzzy && form.text.trim() ? 'relevance' : undefined,
  };
}

function Results({ rows }: { rows: Found[] }) {
  const { t, number } = useWords();
  return (
    <Card flush>
      <Rows label={t('find.results')} rows={rows} id={(m) => `${m.mailbox} ${m.uid}`} empty={t('find.none')} columns={[
        { label: t('find.subject'), show: (m) => (
          <>
            <span className={m.seen ? undefined : 'sk-unread'}>{m.subject || t('trace.noSubject')}</span>{' '}
            {m.flagged && <State tone="warn">{t('find.flagged')}</State>}{' '}
            {m.attachments > 0 && <State tone="plain">{t('find.files', { n: number(m.attachments) })}</State>}
            <div className="sk-quiet sk-preview">{m.preview.slice(0, 160)}</div>
          </>
        ) },
        { label: t('find.from'), show: (m) => m.from },
        { label: t('find.mailbox'), show: (m) => m.mailbox },
        { label: t('find.at'), show: (m) => <When ms={m.received_at_ms} /> },
      ]} />
    </Card>
  );
}

export default function Search() {
  const { t, number } = useWords();
  const say = useProblemText();
  const mailboxes = useLoad<Mailbox[]>('/me/mailboxes');
  const [form, setForm] = useState(EMPTY);
  const [asked, setAsked] = useState(EMPTY);
  const [found, setFound] = useState<Answer>();
  const [problem, setProblem] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const field = (name: keyof Form) => ({
    label: t(`find.${name}`),
    value: String(form[name]),
    onChange: (event: { currentTarget: { value: string } }) => setForm({ ...form, [name]: event.currentTarget.value }),
  });
  const box = (name: keyof Form) => (
    <Checkbox label={t(`find.${name}`)} checked={form[name] === true} onChange={(event) => setForm({ ...form, [name]: event.currentTarget.checked })} />
  );
  // The words go in the body of a POST: neither the address bar nor a log on the way keeps them.
  const run = async (query: Form, before?: Answer) => {
    setBusy(true);
    try {
      const more = await post<Answer>('/me/search', { ...queryOf(query), after: before?.after ?? undefined });
      setFound(before ? { ...more, messages: [...before.messages, ...more.messages] } : more);
      setProblem(undefined);
    } catch (failure) {
      setProblem(failure instanceof Problem ? failure : new Problem(0, ''));
    } finally {
      setBusy(false);
    }
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setAsked(form);
    void run(form);
  };
  return (
    <Page title={t('nav.search')} about={t('find.about')}>
      <Card>
        <form onSubmit={submit} role="search">
          <div className="sk-filter">
            <TextInput {...field('text')} style={{ flexBasis: '100%' }} autoComplete="off" />
            {(['from', 'to', 'subject', 'attachment'] as const).map((name) => <TextInput key={name} {...field(name)} autoComplete="off" />)}
            <Loading of={mailboxes}>
              {(list) => (
                <NativeSelect {...field('mailbox')} data={[{ value: '', label: t('find.everywhere') }, ...list.map((m) => ({ value: m.name, label: m.name }))]} />
              )}
            </Loading>
            <TextInput type="date" {...field('since')} />
            <TextInput type="date" {...field('before')} />
          </div>
          <div className="sk-filter" style={{ marginBottom: 0 }}>
            {box('unread')}{box('flagged')}{box('attachments')}{box('fuzzy')}
            <Button type="submit" loading={busy}>{t('search')}</Button>
          </div>
        </form>
      </Card>
      {problem !== undefined && <Note tone="bad"><p>{say(problem)}</p></Note>}
      {found && (
        <div aria-live="polite">
          {found.total !== null && <p className="sk-quiet">{t('find.total', { n: number(found.total) })}</p>}
          <Results rows={found.messages} />
          {found.after && <Button variant="default" loading={busy} onClick={() => void run(asked, found)}>{t('more')}</Button>}
        </div>
      )}
    </Page>
  );
}
