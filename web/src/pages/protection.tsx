import { Button, NumberInput, TextInput } from '@mantine/core';
import { useState, type FormEvent } from 'react';
import { path, post, put, remove } from '../api';
import { useWords } from '../i18n';
import { useAct, useLoad } from '../load';
import { AskButton, Card, Loading, Note, Page, Rows, When } from '../parts';
import { useSession } from '../session';

interface Decoy {
  address: string;
  tried: number;
  tried_at_ms: number;
  messages: number;
}

function Decoys() {
  const { t, number } = useWords();
  const { may } = useSession();
  const { act, busy } = useAct();
  const decoys = useLoad<Decoy[]>('/decoys');
  const [address, setAddress] = useState('');
  const add = async (event: FormEvent) => {
    event.preventDefault();
    if (await act(() => post('/decoys', { address: address.trim() }), 'saved')) {
      setAddress('');
      decoys.reload();
    }
  };
  const drop = async (one: string) => {
    const done = await act(() => remove(path('/decoys/{address}', { address: one })), 'removed');
    if (done) decoys.reload();
    return done;
  };
  return (
    <Card title={t('decoys.title')} about={t('decoys.about')}>
      <Loading of={decoys}>
        {(list) => (
          <Rows label={t('decoys.title')} rows={list} id={(d) => d.address} empty={t('decoys.none')} columns={[
            { label: t('accounts.address'), show: (d) => d.address },
            { label: t('decoys.tried'), kind: 'number', show: (d) => number(d.tried) },
            { label: t('decoys.last'), show: (d) => d.tried_at_ms ? <When ms={d.tried_at_ms} /> : '–' },
            { label: t('accounts.messages'), kind: 'number', show: (d) => number(d.messages) },
            { label: t('actions'), kind: 'actions', show: (d) => may('decoy.remove') && (
              <AskButton label={t('remove')} title={t('decoys.remove')} text={t('decoys.remove.text', { address: d.address })} act={() => drop(d.address)} danger size="compact-sm" />
            ) },
          ]} />
        )}
      </Loading>
      {may('decoy.add') && (
        <form className="sk-filter" style={{ margin: '1rem 0 0' }} onSubmit={add}>
          <TextInput label={t('decoys.address')} type="email" required withAsterisk={false} value={address} onChange={(e) => setAddress(e.currentTarget.value)} />
          <Button type="submit" variant="default" loading={busy}>{t('decoys.add')}</Button>
        </form>
      )}
    </Card>
  );
}

interface Ages {
  rules: { who: string; days: number; since_ms: number }[];
  advice: { en: string; ja: string };
}

function PasswordAges() {
  const { t, language, number } = useWords();
  const { may } = useSession();
  const { act, busy } = useAct();
  const ages = useLoad<Ages>('/password-rules');
  const [who, setWho] = useState('');
  const [days, setDays] = useState<number | string>(180);
  const add = async (event: FormEvent) => {
    event.preventDefault();
    if (await act(() => put(path('/password-rules/{who}', { who: who.trim() }), { days: Number(days) }), 'saved')) {
      setWho('');
      ages.reload();
    }
  };
  const drop = async (one: string) => {
    const done = await act(() => remove(path('/password-rules/{who}', { who: one })), 'removed');
    if (done) ages.reload();
    return done;
  };
  return (
    <Card title={t('ages.title')} about={t('ages.about')}>
      <Loading of={ages}>
        {(found) => (
          <>
            <Note tone="warn">{found.advice[language]}</Note>
            <Rows label={t('ages.title')} rows={found.rules} id={(r) => r.who} empty={t('ages.none')} columns={[
              { label: t('ages.who'), show: (r) => r.who },
              { label: t('ages.days'), kind: 'number', show: (r) => number(r.days) },
              { label: t('actions'), kind: 'actions', show: (r) => may('password.rule.remove') && (
                <AskButton label={t('remove')} title={t('ages.remove')} text={t('ages.remove.text', { who: r.who })} act={() => drop(r.who)} danger size="compact-sm" />
              ) },
            ]} />
          </>
        )}
      </Loading>
      {may('password.rule.add') && (
        <form className="sk-filter" style={{ margin: '1rem 0 0' }} onSubmit={add}>
          <TextInput label={t('ages.who')} description={t('ages.who.hint')} required withAsterisk={false} value={who} onChange={(e) => setWho(e.currentTarget.value)} />
          <NumberInput label={t('ages.days')} min={30} max={3650} required withAsterisk={false} value={days} onChange={setDays} hideControls />
          <Button type="submit" variant="default" loading={busy}>{t('ages.add')}</Button>
        </form>
      )}
    </Card>
  );
}

export default function Protection() {
  const { t } = useWords();
  const { may } = useSession();
  return (
    <Page title={t('nav.protection')} about={t('protection.about')}>
      {may('decoy.list') && <Decoys />}
      {may('password.rules') && <PasswordAges />}
    </Page>
  );
}
