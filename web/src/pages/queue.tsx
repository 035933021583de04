import { Button, Group } from '@mantine/core';
import { path, post, remove } from '../api';
import { useWords } from '../i18n';
import { Icon } from '../icons';
import { useAct, useLoad } from '../load';
import { AskButton, Card, Loading, Page, Rows, StateWord, When } from '../parts';
import { Link, to } from '../router';
import { useSession } from '../session';

interface Waiting {
  mail: string;
  from: string;
  to: string;
  domain: string;
  state: string;
  created_at_ms: number;
  next_at_ms: number;
  attempts: number;
  size: number;
  reason: string | null;
}

export default function Queue() {
  const { t, size, number } = useWords();
  const { may } = useSession();
  const { act, busy } = useAct();
  const queue = useLoad<Waiting[]>('/queue?limit=500', 15000);
  const run = async (mail: string, what: 'retry' | 'hold' | 'release') => {
    if (await act(() => post(path(`/queue/{mail}/${what}`, { mail })), `queue.${what}.done`)) queue.reload();
  };
  const drop = async (mail: string) => {
    const done = await act(() => remove(path('/queue/{mail}', { mail })), 'queue.remove.done');
    if (done) queue.reload();
    return done;
  };
  const buttons = (w: Waiting) => (
    <Group gap={6} justify="flex-end">
      {w.state !== 'held' && w.state !== 'quarantined' && may('queue.retry') && (
        <Button size="compact-sm" variant="default" disabled={busy} onClick={() => void run(w.mail, 'retry')}>{t('queue.retry')}</Button>
      )}
      {w.state === 'held' || w.state === 'quarantined'
        ? may('queue.release') && <Button size="compact-sm" disabled={busy} onClick={() => void run(w.mail, 'release')}>{t('queue.release')}</Button>
        : may('queue.hold') && <Button size="compact-sm" variant="default" disabled={busy} onClick={() => void run(w.mail, 'hold')}>{t('queue.hold')}</Button>}
      {may('queue.remove') && (
        <AskButton label={t('queue.remove')} title={t('queue.remove.title')} text={t('queue.remove.text', { from: w.from, to: w.to })}
          act={() => drop(w.mail)} danger size="compact-sm" />
      )}
    </Group>
  );
  return (
    <Page title={t('nav.queue')} about={t('queue.about')} actions={
      <Button variant="default" leftSection={<Icon name="refresh" />} onClick={queue.reload}>{t('refresh')}</Button>
    }>
      <Loading of={queue}>
        {(list) => (
          <Card flush>
            <Rows label={t('nav.queue')} rows={list} id={(w) => `${w.mail} ${w.to}`} empty={t('queue.empty')} columns={[
              { label: t('queue.to'), show: (w) => (
                <>
                  <Link href={`${to('trace')}?mail=${encodeURIComponent(w.mail)}`}>{w.to}</Link>
                  <div className="sk-quiet">{t('queue.fromWhom', { from: w.from })}</div>
                </>
              ) },
              { label: t('state'), show: (w) => <StateWord prefix="queue.state" value={w.state} /> },
              { label: t('queue.why'), show: (w) => w.reason || t('queue.noReply') },
              { label: t('queue.since'), show: (w) => <When ms={w.created_at_ms} /> },
              { label: t('queue.next'), show: (w) => <><When ms={w.next_at_ms} /><div className="sk-quiet">{t('queue.attempts', { n: number(w.attempts) })}</div></> },
              { label: t('size'), kind: 'number', show: (w) => size(w.size) },
              { label: t('actions'), kind: 'actions', show: buttons },
            ]} />
          </Card>
        )}
      </Loading>
    </Page>
  );
}
