import { Button } from '@mantine/core';
import { path } from '../api';
import { HourBars } from '../charts';
import { useWords } from '../i18n';
import { Icon } from '../icons';
import { useLoad } from '../load';
import { Card, Facts, Figure, Loading, Page, StateWord, When } from '../parts';
import { Link, to } from '../router';
import { useSession } from '../session';

interface Status {
  queued: number;
  held: number;
  oldest_at_ms: number;
  accounts: number;
  messages: number;
  body_octets: number;
  sessions: number;
  disk_free: number;
}
interface Hours {
  from_ms: number;
  hours: number;
  series: Record<string, number[]>;
}
interface Checked {
  domain: string;
  state: string;
  checked_at_ms: number;
}
interface Row {
  number: number;
  at_ms: number;
  who: string;
  act: string;
  object?: string;
  result: string;
}

const HOURS = 24;

function Plots({ of }: { of: Hours }) {
  const { t } = useWords();
  const { may } = useSession();
  const hours = Array.from({ length: of.hours }, (_, i) => of.from_ms + i * 3600000);
  const values = (name: string) => of.series[name] ?? hours.map(() => 0);
  return (
    <div className="sk-columns">
      <Card title={t('overview.mail')} about={t('overview.mail.about')}>
        <HourBars label={t('overview.mail')} hours={hours} series={[
          { name: t('overview.in'), colour: 'var(--sk-plain)', values: values('received') },
          { name: t('overview.submitted'), colour: 'var(--sk-good)', values: values('submitted') },
        ]} />
      </Card>
      <Card title={t('overview.stopped')} about={t('overview.stopped.about')}>
        <HourBars label={t('overview.stopped')} hours={hours} series={[
          { name: t('overview.refused'), colour: 'var(--sk-bad)', values: values('refused') },
          { name: t('overview.held'), colour: 'var(--sk-warn)', values: values('held') },
          { name: t('overview.junk'), colour: 'var(--sk-quiet)', values: values('junk') },
        ]} />
      </Card>
      <Card title={t('overview.queue')} about={t('overview.queue.about')}>
        <HourBars label={t('overview.queue')} hours={hours} series={[
          { name: t('overview.waiting'), colour: 'var(--sk-plain)', values: values('queue') },
        ]} />
      </Card>
      {may('signin.list') && (
        <Card title={t('overview.signins')} about={t('overview.signins.about')}>
          <HourBars label={t('overview.signins')} hours={hours} series={[
            { name: t('overview.signinsGood'), colour: 'var(--sk-good)', values: values('signins') },
            { name: t('overview.signinsBad'), colour: 'var(--sk-bad)', values: values('signins_failed') },
          ]} />
        </Card>
      )}
    </div>
  );
}

function Domains() {
  const { t } = useWords();
  const dns = useLoad<Checked[]>('/dns');
  return (
    <Card title={t('overview.dns')} about={t('overview.dns.about')}>
      <Loading of={dns}>
        {(list) => list.length
          ? <Facts of={list.map((d) => [d.domain, <Link key={d.domain} href={to('domains', d.domain)}><StateWord prefix="dns" value={d.state} /></Link>])} />
          : <p className="sk-quiet">{t('overview.dns.none')}</p>}
      </Loading>
    </Card>
  );
}

function Acts() {
  const { t } = useWords();
  const rows = useLoad<Row[]>(path('/audit', {}, { limit: 8 }));
  return (
    <Card title={t('overview.acts')} about={t('overview.acts.about')}>
      <Loading of={rows}>
        {(list) => (
          <ol className="sk-timeline">
            {list.map((r) => (
              <li key={r.number} className={r.result === 'ok' ? 'sk-plain' : 'sk-warn'}>
                <When ms={r.at_ms} />
                {r.who}: <span className="sk-code">{r.act}</span> {r.object}
              </li>
            ))}
          </ol>
        )}
      </Loading>
    </Card>
  );
}

export default function Overview() {
  const { t, number, size } = useWords();
  const { may } = useSession();
  const status = useLoad<Status>('/status', 15000);
  const hours = useLoad<Hours>(may('stats.hours') ? path('/stats/hours', {}, { hours: HOURS }) : null, 60000);
  return (
    <Page title={t('nav.overview')} about={t('overview.about')} actions={
      <Button variant="default" leftSection={<Icon name="refresh" />} onClick={() => { status.reload(); hours.reload(); }}>{t('refresh')}</Button>
    }>
      <Loading of={status}>
        {(s) => (
          <dl className="sk-figures">
            <Figure name={t('overview.waiting')} value={number(s.queued)} more={s.oldest_at_ms ? <>{t('overview.oldest')} <When ms={s.oldest_at_ms} /></> : t('overview.nothingWaits')} />
            <Figure name={t('overview.heldNow')} value={number(s.held)} />
            <Figure name={t('overview.accounts')} value={number(s.accounts)} more={t('overview.messages', { n: number(s.messages) })} />
            <Figure name={t('overview.sessions')} value={number(s.sessions)} />
            <Figure name={t('overview.disk')} value={size(s.disk_free)} more={t('overview.bodies', { size: size(s.body_octets) })} />
          </dl>
        )}
      </Loading>
      {may('stats.hours') && <Loading of={hours}>{(h) => <Plots of={h} />}</Loading>}
      <div className="sk-columns">
        {may('dns.list') && <Domains />}
        {may('audit.list') && <Acts />}
      </div>
    </Page>
  );
}
