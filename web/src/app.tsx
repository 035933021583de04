import { ActionIcon, AppShell, Burger, Button, Loader, Menu, useComputedColorScheme, useMantineColorScheme } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { lazy, Suspense, useEffect, useRef, type ComponentType } from 'react';
import { useWords, type Key } from './i18n';
import { Gate, Icon, type IconName } from './icons';
import { Note, Page } from './parts';
import { Link, to, usePlace } from './router';
import { useSession } from './session';

interface PageOf {
  place: string;
  title: Key;
  icon: IconName;
  group: Key;
  /** Shown to whoever may do this; nothing: to everybody who is signed in. */
  verb?: string;
  show: ComponentType;
}

const pages: PageOf[] = [
  { place: 'overview', title: 'nav.overview', icon: 'overview', group: 'nav.today', verb: 'status', show: lazy(() => import('./pages/overview')) },
  { place: 'queue', title: 'nav.queue', icon: 'queue', group: 'nav.today', verb: 'queue.list', show: lazy(() => import('./pages/queue')) },
  { place: 'trace', title: 'nav.trace', icon: 'trace', group: 'nav.today', verb: 'trace', show: lazy(() => import('./pages/trace')) },
  { place: 'incidents', title: 'nav.incidents', icon: 'incidents', group: 'nav.today', verb: 'incident.list', show: lazy(() => import('./pages/incidents')) },
  { place: 'posture', title: 'nav.posture', icon: 'check', group: 'nav.today', verb: 'posture', show: lazy(() => import('./pages/posture')) },
  { place: 'accounts', title: 'nav.accounts', icon: 'accounts', group: 'nav.people', verb: 'account.list', show: lazy(() => import('./pages/accounts')) },
  { place: 'groups', title: 'nav.groups', icon: 'groups', group: 'nav.people', verb: 'group.list', show: lazy(() => import('./pages/groups')) },
  { place: 'domains', title: 'nav.domains', icon: 'domains', group: 'nav.server', verb: 'domain.list', show: lazy(() => import('./pages/domains')) },
  { place: 'signins', title: 'nav.signins', icon: 'signins', group: 'nav.server', verb: 'signin.list', show: lazy(() => import('./pages/signins')) },
  { place: 'access', title: 'nav.access', icon: 'key', group: 'nav.server', verb: 'access.list', show: lazy(() => import('./pages/access')) },
  { place: 'alerts', title: 'nav.alerts', icon: 'warn', group: 'nav.today', verb: 'alert.list', show: lazy(() => import('./pages/alerts')) },
  { place: 'audit', title: 'nav.audit', icon: 'audit', group: 'nav.server', verb: 'audit.list', show: lazy(() => import('./pages/audit')) },
  { place: 'settings', title: 'nav.settings', icon: 'settings', group: 'nav.server', verb: 'settings.list', show: lazy(() => import('./pages/settings')) },
  { place: 'search', title: 'nav.search', icon: 'search', group: 'nav.mine', verb: 'me.search', show: lazy(() => import('./pages/search')) },
  { place: 'me', title: 'nav.me', icon: 'me', group: 'nav.mine', show: lazy(() => import('./pages/me')) },
];

const Setup = lazy(() => import('./pages/setup'));
const SignIn = lazy(() => import('./pages/signin'));
const Authorize = lazy(() => import('./pages/authorize'));

/** Language and light or dark: on every page, signed in or not. */
export function Looks() {
  const { language, setLanguage, t } = useWords();
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme('light');
  return (
    <>
      <Button variant="subtle" color="gray" size="compact-sm" c="inherit" leftSection={<Icon name="language" />}
        onClick={() => setLanguage(language === 'ja' ? 'en' : 'ja')} lang={language === 'ja' ? 'en' : 'ja'}>
        {language === 'ja' ? 'English' : '日本語'}
      </Button>
      <ActionIcon variant="subtle" color="gray" c="inherit" aria-label={scheme === 'dark' ? t('looks.light') : t('looks.dark')}
        onClick={() => setColorScheme(scheme === 'dark' ? 'light' : 'dark')}>
        <Icon name={scheme === 'dark' ? 'sun' : 'moon'} />
      </ActionIcon>
    </>
  );
}

function Waiting() {
  const { t } = useWords();
  return <div className="sk-empty" role="status"><Loader size="sm" aria-hidden="true" /><div>{t('loading')}</div></div>;
}

function Navigation({ shown, current, leave }: { shown: PageOf[]; current: string; leave: () => void }) {
  const { t } = useWords();
  const groups = [...new Set(shown.map((p) => p.group))];
  return groups.map((group) => (
    <div key={group}>
      <div className="sk-nav-group" id={`nav-${group}`}>{t(group)}</div>
      <ul className="sk-nav" aria-labelledby={`nav-${group}`}>
        {shown.filter((p) => p.group === group).map((p) => (
          <li key={p.place}>
            <a href={to(p.place)} aria-current={p.place === current ? 'page' : undefined} onClick={leave}>
              <Icon name={p.icon} />
              {t(p.title)}
            </a>
          </li>
        ))}
      </ul>
    </div>
  ));
}

function NoSuchPage() {
  const { t } = useWords();
  return <Page title={t('noSuchPage.title')}><Note tone="warn"><p>{t('noSuchPage')}</p><Link href="#/">{t('noSuchPage.back')}</Link></Note></Page>;
}

function Shell() {
  const { session, signOut, may } = useSession();
  const { t } = useWords();
  const { segments } = usePlace();
  const [opened, { toggle, close }] = useDisclosure();
  const main = useRef<HTMLElement>(null);
  const shown = pages.filter((p) => !p.verb || may(p.verb));
  const wanted = segments[0] ?? shown[0]?.place;
  const page = shown.find((p) => p.place === wanted);
  // Who moves on by keyboard or screen reader begins at the new page's heading.
  const where = segments.join('/');
  const first = useRef(true);
  useEffect(() => {
    if (!first.current) main.current?.focus();
    first.current = false;
    window.scrollTo(0, 0);
  }, [where]);
  return (
    <AppShell header={{ height: 58 }} navbar={{ width: 232, breakpoint: 'sm', collapsed: { mobile: !opened } }} padding={{ base: 'md', sm: 'xl' }}>
      <AppShell.Header className="sk-header">
        <a className="sk-skip" href="#main" onClick={(event) => { event.preventDefault(); main.current?.focus(); }}>{t('skip')}</a>
        <div style={{ display: 'flex', alignItems: 'center', gap: '0.6rem', height: '100%', padding: '0 1rem' }}>
          <Burger opened={opened} onClick={toggle} hiddenFrom="sm" size="sm" aria-label={t('nav.menu')} aria-expanded={opened} />
          <a className="sk-brand" href="#/"><Gate />{t('brand')}</a>
          <div style={{ flex: 1 }} />
          <Looks />
          <Menu position="bottom-end" withinPortal>
            <Menu.Target>
              <ActionIcon variant="subtle" color="gray" c="inherit" aria-label={t('nav.account')}><Icon name="me" width={22} height={22} /></ActionIcon>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Label>{session?.name || session?.address}</Menu.Label>
              <Menu.Item leftSection={<Icon name="me" />} component="a" href={to('me')}>{t('nav.me')}</Menu.Item>
              <Menu.Item leftSection={<Icon name="out" />} onClick={() => void signOut()}>{t('signOut')}</Menu.Item>
            </Menu.Dropdown>
          </Menu>
        </div>
      </AppShell.Header>
      <AppShell.Navbar className="sk-navbar" p="xs" component="nav" aria-label={t('nav.menu')}>
        <AppShell.Section grow style={{ overflowY: 'auto' }}>
          <Navigation shown={shown} current={page?.place ?? ''} leave={close} />
        </AppShell.Section>
      </AppShell.Navbar>
      <AppShell.Main id="main" tabIndex={-1} ref={main} style={{ outline: 'none' }}>
        <Suspense fallback={<Waiting />}>
          {page ? <page.show key={wanted} /> : <NoSuchPage />}
        </Suspense>
      </AppShell.Main>
    </AppShell>
  );
}

export function App() {
  const { session, away, refresh } = useSession();
  const { t } = useWords();
  const { segments } = usePlace();
  if (session === undefined) {
    return (
      <div className="sk-gate">
        {away ? <Note tone="bad"><p>{t('problem.network')}</p><Button variant="default" onClick={() => void refresh()}>{t('again')}</Button></Note> : <Waiting />}
      </div>
    );
  }
  if (window.location.pathname === '/oauth/authorize') return <Suspense fallback={<Waiting />}><Authorize /></Suspense>;
  if (segments[0] === 'setup') return <Suspense fallback={<Waiting />}><Setup /></Suspense>;
  return session?.state === 'in' ? <Shell /> : <Suspense fallback={<Waiting />}><SignIn /></Suspense>;
}
