import { Button, NativeSelect, TextInput } from '@mantine/core';
import { useState, type FormEvent } from 'react';
import { get, path } from '../api';
import { useWords } from '../i18n';
import { useAct, useLoad } from '../load';
import { Card, Loading, Page, Rows, State, When } from '../parts';
import { Link, to } from '../router';

interface SignIn {
  id: number;
  at_ms: number;
  last_ms: number;
  times: number;
  account: string | null;
  login?: string;
  service: string;
  outcome: string;
  ip: string;
  country: string;
  asn: number;
  network: string;
  client: string;
  familiarity: string;
  why: { en: string; ja: string } | null;
}

const PAGE = 100;

export default function SignIns() {
  const { t, language, word, number } = useWords();
  const { act, busy } = useAct();
  const [form, setForm] = useState({ address: '', ip: '', outcome: '' });
  const [asked, setAsked] = useState(form);
  const [older, setOlder] = useState<SignIn[]>([]);
  const [all, setAll] = useState(false);
  const first = useLoad<SignIn[]>(path('/sign-ins', {}, { ...asked, limit: PAGE }));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setOlder([]);
    setAll(false);
    setAsked(form);
    first.reload();
  };
  const more = (rows: SignIn[]) => act(async () => {
    const found = await get<SignIn[]>(path('/sign-ins', {}, { ...asked, limit: PAGE, before_id: rows[rows.length - 1].id }));
    setOlder([...older, ...found]);
    setAll(found.length < PAGE);
  });
  return (
    <Page title={t('nav.signins')} about={t('signins.about')}>
      <form className="sk-filter" onSubmit={submit} role="search">
        <TextInput label={t('accounts.address')} value={form.address} onChange={(e) => setForm({ ...form, address: e.currentTarget.value })} />
        <TextInput label={t('signins.ip')} value={form.ip} onChange={(e) => setForm({ ...form, ip: e.currentTarget.value })} />
        <NativeSelect label={t('signins.outcome')} value={form.outcome} onChange={(e) => setForm({ ...form, outcome: e.currentTarget.value })}
          data={[{ value: '', label: t('signins.any') }, { value: 'in', label: t('signins.in') }, { value: 'wrong-password', label: t('signins.wrong') }]} />
        <Button type="submit">{t('search')}</Button>
      </form>
      <Loading of={first}>
        {(list) => {
          const rows = [...list, ...older];
          return (
            <>
              <Card flush>
                <Rows label={t('nav.signins')} rows={rows} id={(r) => r.id} empty={t('signins.none')} columns={[
                  { label: t('signins.who'), show: (r) => r.account
                    ? <Link href={to('accounts', r.account)}>{r.account}</Link>
                    : <span className="sk-quiet">{t('signins.unknown')} {r.login && <span className="sk-code">{r.login.slice(0, 8)}</span>}</span> },
                  { label: t('signins.outcome'), show: (r) => (
                    <>
                      <State tone={r.outcome === 'in' ? 'good' : 'warn'}>{r.outcome === 'in' ? t('signins.in') : t('signins.failed')}</State>
                      {r.outcome !== 'in' && r.why && <div className="sk-quiet">{language === 'ja' ? r.why.ja : r.why.en}</div>}
                      {r.times > 1 && <div className="sk-quiet">{t('signins.times', { n: number(r.times) })}</div>}
                    </>
                  ) },
                  { label: t('signins.where'), show: (r) => (
                    <>{r.ip}<div className="sk-quiet">{[r.country, r.asn ? `AS${r.asn}` : '', r.network].filter(Boolean).join(' ')}</div></>
                  ) },
                  { label: t('signins.with'), show: (r) => <>{r.service}<div className="sk-quiet">{r.client.slice(0, 80)}</div></> },
                  { label: t('signins.familiar'), show: (r) => word('signin.familiarity', r.familiarity) },
                  { label: t('audit.at'), show: (r) => <When ms={r.last_ms || r.at_ms} /> },
                ]} />
              </Card>
              {list.length === PAGE && !all && <Button variant="default" loading={busy} onClick={() => void more(rows)}>{t('more')}</Button>}
            </>
          );
        }}
      </Loading>
    </Page>
  );
}
