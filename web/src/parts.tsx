import { Button, CopyButton, Group, Loader, Modal, type ButtonProps } from '@mantine/core';
import { useEffect, useId, useState, type FormEvent, type ReactNode } from 'react';
import { useWords, type Key } from './i18n';
import { Icon, type IconName } from './icons';
import { useProblemText, type Loaded } from './load';

export type Tone = 'good' | 'warn' | 'bad' | 'plain' | 'quiet';

/** A page with its heading, which is also the document's title. */
export function Page({ title, about, actions, children }: { title: string; about?: ReactNode; actions?: ReactNode; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} – Sekisho`;
  }, [title]);
  return (
    <div className="sk-page">
      <div className="sk-head">
        <div>
          <h1 tabIndex={-1}>{title}</h1>
          {about && <p>{about}</p>}
        </div>
        {actions && <Group gap="xs">{actions}</Group>}
      </div>
      {children}
    </div>
  );
}

/** `many`: one of a list, whose titles may be alike; it is no landmark of its own then. */
export function Card({ title, about, flush, many, children }: { title?: string; about?: ReactNode; flush?: boolean; many?: boolean; children: ReactNode }) {
  const id = useId();
  const Frame = many ? 'div' : 'section';
  return (
    <Frame className={`sk-card${flush ? ' sk-card-flush' : ''}`} aria-labelledby={title && !many ? id : undefined}>
      {title && <h2 id={id}>{title}</h2>}
      {about && <p>{about}</p>}
      {children}
    </Frame>
  );
}

export function Note({ tone = 'plain', children }: { tone?: Tone; children: ReactNode }) {
  return <div className={`sk-note sk-${tone}`} role={tone === 'bad' ? 'alert' : undefined}>{children}</div>;
}

/** A state never speaks by its colour alone. */
export function State({ tone, children }: { tone: Tone; children: ReactNode }) {
  return (
    <span className={`sk-state sk-${tone}`}>
      <Icon name={tone as IconName} />
      {children}
    </span>
  );
}

export function When({ ms }: { ms: number | null | undefined }) {
  const { time, t } = useWords();
  return ms ? <time dateTime={new Date(ms).toISOString()}>{time(ms)}</time> : <>{t('never')}</>;
}

/** What was loaded, or why it is not there. What is there already stays while it is asked again. */
export function Loading<T>({ of, children }: { of: Loaded<T>; children: (data: T) => ReactNode }) {
  const { t } = useWords();
  const say = useProblemText();
  return (
    <>
      {of.problem && (
        <Note tone="bad">
          <p>{say(of.problem)}</p>
          <Button size="xs" variant="default" onClick={of.reload}>{t('again')}</Button>
        </Note>
      )}
      {of.data !== undefined ? children(of.data) : of.loading && (
        <div className="sk-empty" role="status">
          <Loader size="sm" aria-hidden="true" />
          <div>{t('loading')}</div>
        </div>
      )}
    </>
  );
}

export interface Column<T> {
  label: string;
  show: (row: T) => ReactNode;
  kind?: 'number' | 'actions';
}

/** A table, which on a phone is a list of cards. */
export function Rows<T>({ label, rows, columns, id, empty }: {
  label: string; rows: T[]; columns: Column<T>[]; id: (row: T) => string | number; empty: string;
}) {
  if (!rows.length) return <div className="sk-empty">{empty}</div>;
  return (
    <table className="sk-rows" role="table" aria-label={label}>
      <thead role="rowgroup">
        <tr role="row">
          {columns.map((c) => (
            <th key={c.label} role="columnheader" scope="col" className={c.kind && `sk-${c.kind}`}>{c.label}</th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => (
          <tr key={id(row)} role="row">
            {columns.map((c) => (
              <td key={c.label} role="cell" data-label={c.label} className={c.kind && `sk-${c.kind}`}>
                <div>{c.show(row)}</div>
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function Facts({ of }: { of: [string, ReactNode][] }) {
  return (
    <dl className="sk-facts">
      {of.map(([name, value]) => [<dt key={`${name} `}>{name}</dt>, <dd key={name}>{value}</dd>])}
    </dl>
  );
}

export function Figure({ name, value, more }: { name: string; value: ReactNode; more?: ReactNode }) {
  return (
    <div className="sk-figure">
      <dt>{name}</dt>
      <dd>{value}{more && <small>{more}</small>}</dd>
    </div>
  );
}

/** A text to take along as it stands. */
export function Record({ text, what }: { text: string; what: string }) {
  const { t } = useWords();
  return (
    <div className="sk-record">
      <code>{text}</code>
      <CopyButton value={text}>
        {({ copied, copy }) => (
          <Button size="compact-sm" variant="default" onClick={copy} leftSection={<Icon name={copied ? 'check' : 'copy'} width={15} />}
            aria-label={t('copyOf', { what })}>
            {copied ? t('copied') : t('copy')}
          </Button>
        )}
      </CopyButton>
    </div>
  );
}

/** A dialog with a form; closed again when its work is done. */
export function FormDialog({ title, opened, close, submit, label, danger, children, busy }: {
  title: string; opened: boolean; close: () => void; submit: () => Promise<boolean>; label: string; danger?: boolean; busy: boolean; children: ReactNode;
}) {
  const { t } = useWords();
  const send = async (event: FormEvent) => {
    event.preventDefault();
    if (await submit()) close();
  };
  return (
    <Modal opened={opened} onClose={close} title={title} closeButtonProps={{ 'aria-label': t('close') }} centered>
      <form className="sk-form" onSubmit={send}>
        {children}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={close}>{t('cancel')}</Button>
          <Button type="submit" color={danger ? 'red.9' : undefined} loading={busy}>{label}</Button>
        </Group>
      </form>
    </Modal>
  );
}

/** A button that asks first. */
export function AskButton({ label, title, text, act, danger, ...rest }: {
  label: string; title: string; text: ReactNode; act: () => Promise<boolean>; danger?: boolean;
} & ButtonProps) {
  const [opened, setOpened] = useState(false);
  const [busy, setBusy] = useState(false);
  const submit = async () => {
    setBusy(true);
    try {
      return await act();
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <Button variant="default" onClick={() => setOpened(true)} {...rest}>{label}</Button>
      <FormDialog title={title} opened={opened} close={() => setOpened(false)} submit={submit} label={label} danger={danger} busy={busy}>
        <div>{text}</div>
      </FormDialog>
    </>
  );
}

const TONES: { [state: string]: Tone } = {
  ok: 'good', active: 'good', hint: 'plain', unknown: 'quiet', warning: 'warn', missing: 'bad', wrong: 'bad',
  suspended: 'bad', left: 'quiet', waiting: 'plain', held: 'warn', quarantined: 'bad', sending: 'plain',
};

/** A word of the server for a state, in the reader's language. */
export function StateWord({ prefix, value }: { prefix: string; value: string }) {
  const { word } = useWords();
  return <State tone={TONES[value] ?? 'plain'}>{word(prefix, value)}</State>;
}

export function useTitle(key: Key) {
  const { t } = useWords();
  useEffect(() => {
    document.title = `${t(key)} – Sekisho`;
  }, [key, t]);
}
