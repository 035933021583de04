import { Button, Group, Textarea, TextInput } from '@mantine/core';
import { useState } from 'react';
import { path, post, remove } from '../api';
import { useWords, type Key } from '../i18n';
import { Icon } from '../icons';
import { useAct, useLoad } from '../load';
import { AskButton, Card, FormDialog, Loading, Page, Rows } from '../parts';
import { useSession } from '../session';

interface Listed {
  address: string;
  member?: string[];
  target?: string[];
}

const KINDS = {
  groups: { where: '/groups', key: 'member', add: 'group.add', drop: 'group.remove' },
  aliases: { where: '/aliases', key: 'target', add: 'alias.add', drop: 'alias.remove' },
} as const;

/** Addresses from what a person typed: by lines, commas or blanks. */
export function addressesOf(text: string): string[] {
  return text.split(/[\s,;、]+/).filter(Boolean);
}

function Addresses({ kind }: { kind: keyof typeof KINDS }) {
  const { t } = useWords();
  const { may } = useSession();
  const { act, busy } = useAct();
  const of = KINDS[kind];
  const list = useLoad<Listed[]>(of.where);
  const [opened, setOpened] = useState(false);
  const [address, setAddress] = useState('');
  const [members, setMembers] = useState('');
  const text = (name: string) => t(`${kind}.${name}` as Key);
  const edit = (row?: Listed) => {
    setAddress(row?.address ?? '');
    setMembers('');
    setOpened(true);
  };
  const submit = async () => {
    const done = await act(() => post(of.where, { address: address.trim(), [of.key]: addressesOf(members) }), 'saved');
    if (done) list.reload();
    return done;
  };
  const drop = async (row: Listed, who?: string) => {
    const done = await act(() => remove(path(`${of.where}/{address}`, { address: row.address }, who ? { [of.key]: who } : {})), 'removed');
    if (done) list.reload();
    return done;
  };
  return (
    <Card title={text('title')} about={text('about')}>
      <Loading of={list}>
        {(rows) => (
          <Rows label={text('title')} rows={rows} id={(r) => r.address} empty={text('none')} columns={[
            { label: t('accounts.address'), show: (r) => r.address },
            { label: text('members'), show: (r) => (
              <Group gap={6}>
                {(r[of.key] ?? []).map((m) => (
                  <Group key={m} gap={4} wrap="nowrap">
                    <span className="sk-code">{m}</span>
                    {may(of.drop) && (
                      <AskButton label={t('takeOut')} title={text('takeOut')} text={t('takeOut.text', { who: m, address: r.address })}
                        act={() => drop(r, m)} size="compact-xs" aria-label={t('takeOut.of', { who: m })} />
                    )}
                  </Group>
                ))}
              </Group>
            ) },
            { label: t('actions'), kind: 'actions', show: (r) => (
              <Group gap={6} justify="flex-end">
                {may(of.add) && <Button size="compact-sm" variant="default" onClick={() => edit(r)}>{text('more')}</Button>}
                {may(of.drop) && <AskButton label={t('remove')} title={text('remove')} text={t('remove.text', { what: r.address })} act={() => drop(r)} danger size="compact-sm" />}
              </Group>
            ) },
          ]} />
        )}
      </Loading>
      {may(of.add) && <Button mt="md" variant="default" leftSection={<Icon name="plus" />} onClick={() => edit()}>{text('add')}</Button>}
      <FormDialog title={text('add')} opened={opened} close={() => setOpened(false)} submit={submit} label={t('save')} busy={busy}>
        <TextInput label={t('accounts.address')} required withAsterisk={false} value={address} onChange={(e) => setAddress(e.currentTarget.value)} />
        <Textarea label={text('members')} description={t('addresses.hint')} autosize minRows={3} required withAsterisk={false}
          value={members} onChange={(e) => setMembers(e.currentTarget.value)} />
      </FormDialog>
    </Card>
  );
}

export default function Groups() {
  const { t } = useWords();
  const { may } = useSession();
  return (
    <Page title={t('nav.groups')} about={t('groups.page')}>
      <Addresses kind="groups" />
      {may('alias.list') && <Addresses kind="aliases" />}
    </Page>
  );
}
