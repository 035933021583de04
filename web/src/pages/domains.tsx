import { Button, TextInput } from '@mantine/core';
import { useState } from 'react';
import { path, post, remove } from '../api';
import { useWords } from '../i18n';
import { Icon } from '../icons';
import { useAct, useLoad } from '../load';
import { AskButton, Card, FormDialog, Loading, Page, Rows, StateWord, When } from '../parts';
import { go, Link, to, usePlace } from '../router';
import { useSession } from '../session';
import { DmarcAdvice, DnsFindings, DnsRecords, DnsRules, type Report } from './dns';

interface Domain {
  domain: string;
  catch_all: string;
  accounts: number;
  created_at_ms: number;
}
interface Checked {
  domain: string;
  state: string;
  checked_at_ms: number;
}

function List() {
  const { t, number } = useWords();
  const { may } = useSession();
  const { act, busy } = useAct();
  const domains = useLoad<Domain[]>('/domains');
  const dns = useLoad<Checked[]>(may('dns.list') ? '/dns' : null);
  const [adding, setAdding] = useState(false);
  const [name, setName] = useState('');
  const add = async () => {
    const done = await act(() => post('/domains', { domain: name.trim() }), 'domains.added', { domain: name.trim() });
    if (done) go(to('domains', name.trim()));
    return done;
  };
  const stateOf = (domain: string) => dns.data?.find((d) => d.domain === domain);
  return (
    <Page title={t('nav.domains')} about={t('domains.about')} actions={
      may('domain.add') && <Button leftSection={<Icon name="plus" />} onClick={() => setAdding(true)}>{t('domains.add')}</Button>
    }>
      <Loading of={domains}>
        {(list) => (
          <Card flush>
            <Rows label={t('nav.domains')} rows={list} id={(d) => d.domain} empty={t('domains.none')} columns={[
              { label: t('domains.domain'), show: (d) => <Link href={to('domains', d.domain)}>{d.domain}</Link> },
              { label: 'DNS', show: (d) => <StateWord prefix="dns" value={stateOf(d.domain)?.state ?? 'unknown'} /> },
              { label: t('domains.checked'), show: (d) => <When ms={stateOf(d.domain)?.checked_at_ms} /> },
              { label: t('nav.accounts'), kind: 'number', show: (d) => number(d.accounts) },
              { label: t('domains.catchAll'), show: (d) => d.catch_all || '–' },
            ]} />
          </Card>
        )}
      </Loading>
      <FormDialog title={t('domains.add')} opened={adding} close={() => setAdding(false)} submit={add} label={t('domains.add')} busy={busy}>
        <TextInput label={t('domains.domain')} placeholder="example.co.jp" required withAsterisk={false} value={name} onChange={(e) => setName(e.currentTarget.value)} />
      </FormDialog>
    </Page>
  );
}

function One({ domain }: { domain: string }) {
  const { t } = useWords();
  const { may } = useSession();
  const { act, busy } = useAct();
  const last = useLoad<Report | null>(may('dns.last') ? path('/domains/{domain}/dns', { domain }) : null);
  const [fresh, setFresh] = useState<Report | null>(null);
  const report = fresh ?? last.data;
  const never = last.problem?.status === 404 && !fresh;
  const check = () => act(async () => setFresh(await post<Report>(path('/domains/{domain}/dns/check', { domain }))), 'domains.checkedNow');
  const drop = async () => {
    const done = await act(() => remove(path('/domains/{domain}', { domain })), 'removed');
    if (done) go(to('domains'));
    return done;
  };
  return (
    <Page title={domain} about={<Link href={to('domains')}>{t('nav.domains')}</Link>} actions={
      <>
        {may('dns.check') && <Button loading={busy} leftSection={<Icon name="refresh" />} onClick={() => void check()}>{t('domains.check')}</Button>}
        {may('domain.remove') && <AskButton label={t('domains.remove')} title={t('domains.remove')} text={t('domains.remove.text', { domain })} act={drop} danger />}
      </>
    }>
      {never ? <Card><div className="sk-empty">{t('domains.never')}</div></Card> : report ? (
        <>
          <Card title={t('domains.state')} about={<>{t('domains.checked')} <When ms={report.checked_at_ms} /></>}>
            <StateWord prefix="dns" value={report.state} />
          </Card>
          <DnsFindings of={report} />
          <DnsRecords of={report} />
          {may('dmarc.advice') && <DmarcAdvice domain={domain} />}
          <DnsRules of={report} />
        </>
      ) : <Loading of={last}>{() => null}</Loading>}
    </Page>
  );
}

export default function Domains() {
  const { segments } = usePlace();
  return segments[1] ? <One key={segments[1]} domain={segments[1]} /> : <List />;
}
