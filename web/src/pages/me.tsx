import { useWords } from '../i18n';
import { path, remove } from '../api';
import { useAct, useLoad } from '../load';
import { AskButton, Card, Facts, Loading, Page, Rows, State, When } from '../parts';
import { useSession } from '../session';

interface WebSession {
  id: number;
  this: boolean;
  factor: boolean;
  created_at_ms: number;
  used_at_ms: number;
  expires_at_ms: number;
  ip: string;
  agent: string;
}
interface Opened {
  who: string;
  mailbox: string;
  how: string;
  first_at_ms: number;
  last_at_ms: number;
}

function Sessions() {
  const { t } = useWords();
  const { may } = useSession();
  const { act } = useAct();
  const sessions = useLoad<WebSession[]>('/me/sessions');
  const end = async (id: number) => {
    const done = await act(() => remove(path('/me/sessions/{id}', { id })), 'me.session.ended');
    if (done) sessions.reload();
    return done;
  };
  return (
    <Card title={t('me.sessions')} about={t('me.sessions.about')}>
      <Loading of={sessions}>
        {(list) => (
          <Rows label={t('me.sessions')} rows={list} id={(s) => s.id} empty="–" columns={[
            { label: t('me.browser'), show: (s) => <>{s.agent.slice(0, 120) || '–'} {s.this && <State tone="good">{t('me.thisOne')}</State>}</> },
            { label: t('signins.where'), show: (s) => s.ip },
            { label: t('me.signedIn'), show: (s) => <When ms={s.created_at_ms} /> },
            { label: t('me.lastUsed'), show: (s) => <When ms={s.used_at_ms} /> },
            { label: t('actions'), kind: 'actions', show: (s) => !s.this && may('me.session.end') && (
              <AskButton label={t('me.session.end')} title={t('me.session.end')} text={t('me.session.end.text')} act={() => end(s.id)} size="compact-sm" />
            ) },
          ]} />
        )}
      </Loading>
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
      </Card>
      {may('me.sessions') && <Sessions />}
      {may('me.opened') && <WhoOpened />}
    </Page>
  );
}
