import { Button, Group, NativeSelect, PasswordInput, Textarea, TextInput } from '@mantine/core';
import { useMemo, useState } from 'react';
import { path, post, put, remove } from '../api';
import { useWords } from '../i18n';
import { Icon } from '../icons';
import { useAct, useLoad } from '../load';
import { AskButton, Card, Facts, FormDialog, Loading, Note, Page, Rows, State, StateWord, When } from '../parts';
import { go, Link, to, usePlace } from '../router';
import { useSession } from '../session';
import { Devices } from './devices';

interface Account {
  id: number;
  address: string;
  name: string;
  state: string;
  messages: number;
  octets: number;
  created_at_ms: number;
  aliases?: string[];
  protocols?: string[];
  roles?: { role: string; scope?: string }[];
  handed_to?: { address?: string; to?: string; at_ms: number }[];
}
interface Quota {
  octets: number;
  octets_limit: number | null;
  messages: number;
  reached_percent: number;
}
interface Domain {
  domain: string;
}

/** A password that is easy to say over the phone and hard to guess: 100 bits in five groups. */
export function makePassword(): string {
  const letters = 'abcdefghijkmnpqrstuvwxyz23456789';
  const octets = crypto.getRandomValues(new Uint8Array(20));
  const text = [...octets].map((o) => letters[o & 31]).join('');
  return text.match(/.{4}/g)!.join('-');
}

function PasswordField({ value, change }: { value: string; change: (value: string) => void }) {
  const { t } = useWords();
  return (
    <div>
      <PasswordInput label={t('password.new')} description={t('password.rules')} required withAsterisk={false} autoComplete="new-password"
        visibilityToggleButtonProps={{ 'aria-label': t('signIn.show') }} value={value} onChange={(e) => change(e.currentTarget.value)} />
      <Button mt="xs" size="compact-sm" variant="default" onClick={() => change(makePassword())}>{t('password.make')}</Button>
      {value && <p className="sk-quiet" style={{ margin: '0.5rem 0 0' }}>{t('password.tell')}</p>}
    </div>
  );
}

function Add({ opened, close, done }: { opened: boolean; close: () => void; done: () => void }) {
  const { t } = useWords();
  const { may } = useSession();
  const { act, busy } = useAct();
  const domains = useLoad<Domain[]>(opened ? '/domains' : null);
  const names = domains.data?.map((d) => d.domain) ?? [];
  const [local, setLocal] = useState('');
  const [domain, setDomain] = useState<string | null>(null);
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const withPassword = may('account.password');
  const submit = async () => {
    const address = `${local.trim()}@${domain ?? names[0]}`;
    const made = await act(async () => {
      await post('/accounts', { address, ...(name.trim() && { name: name.trim() }) });
      if (withPassword && password) await put(path('/accounts/{address}/password', { address }), { password });
    }, 'accounts.added', { address });
    if (made) {
      setLocal('');
      setName('');
      done();
    }
    return made;
  };
  return (
    <FormDialog title={t('accounts.add')} opened={opened} close={close} submit={submit} label={t('accounts.add')} busy={busy}>
      <TextInput label={t('accounts.name')} value={name} onChange={(e) => setName(e.currentTarget.value)} autoComplete="off" />
      <Group gap="xs" align="flex-end" wrap="nowrap">
        <TextInput label={t('accounts.local')} required withAsterisk={false} value={local} onChange={(e) => setLocal(e.currentTarget.value)} autoComplete="off" style={{ flex: 1 }} />
        <NativeSelect label={t('accounts.domain')} data={names} value={domain ?? names[0] ?? ''} onChange={(e) => setDomain(e.currentTarget.value)} style={{ flex: 1 }} />
      </Group>
      {withPassword && <PasswordField value={password} change={setPassword} />}
    </FormDialog>
  );
}

function List() {
  const { t, size, number } = useWords();
  const { may } = useSession();
  const [adding, setAdding] = useState(false);
  const [filter, setFilter] = useState('');
  const accounts = useLoad<Account[]>('/accounts');
  const shown = useMemo(() => {
    const wanted = filter.trim().toLowerCase();
    return accounts.data?.filter((a) => !wanted || a.address.toLowerCase().includes(wanted) || a.name.toLowerCase().includes(wanted)) ?? [];
  }, [accounts.data, filter]);
  return (
    <Page title={t('nav.accounts')} about={t('accounts.about')} actions={
      may('account.add') && <Button leftSection={<Icon name="plus" />} onClick={() => setAdding(true)}>{t('accounts.add')}</Button>
    }>
      <div className="sk-filter" role="search">
        <TextInput label={t('accounts.find')} value={filter} onChange={(e) => setFilter(e.currentTarget.value)} />
      </div>
      <Loading of={accounts}>
        {() => (
          <Card flush>
            <Rows label={t('nav.accounts')} rows={shown} id={(a) => a.id} empty={t('accounts.none')} columns={[
              { label: t('accounts.address'), show: (a) => <><Link href={to('accounts', a.address)}>{a.address}</Link><div className="sk-quiet">{a.name}</div></> },
              { label: t('state'), show: (a) => <StateWord prefix="account.state" value={a.state} /> },
              { label: t('accounts.messages'), kind: 'number', show: (a) => number(a.messages) },
              { label: t('size'), kind: 'number', show: (a) => size(a.octets) },
              { label: t('accounts.since'), show: (a) => <When ms={a.created_at_ms} /> },
            ]} />
          </Card>
        )}
      </Loading>
      <Add opened={adding} close={() => setAdding(false)} done={accounts.reload} />
    </Page>
  );
}

function NewPassword({ address }: { address: string }) {
  const { t } = useWords();
  const { act, busy } = useAct();
  const [opened, setOpened] = useState(false);
  const [password, setPassword] = useState('');
  return (
    <>
      <Button variant="default" leftSection={<Icon name="key" />} onClick={() => { setPassword(''); setOpened(true); }}>{t('accounts.password')}</Button>
      <FormDialog title={t('accounts.password')} opened={opened} close={() => setOpened(false)} label={t('save')} busy={busy}
        submit={() => act(() => put(path('/accounts/{address}/password', { address }), { password }), 'accounts.password.done')}>
        <PasswordField value={password} change={setPassword} />
      </FormDialog>
    </>
  );
}

function Actions({ of, reload }: { of: Account; reload: () => void }) {
  const { t } = useWords();
  const { may } = useSession();
  const { act } = useAct();
  const { address } = of;
  const run = async (what: 'suspend' | 'resume' | 'logout') => {
    const done = await act(() => post(path(`/accounts/{address}/${what}`, { address })), `accounts.${what}.done`);
    if (done) reload();
    return done;
  };
  const drop = async () => {
    const done = await act(() => remove(path('/accounts/{address}', { address })), 'accounts.remove.done', { address });
    if (done) go(to('accounts'));
    return done;
  };
  return (
    <Card title={t('accounts.actions')}>
      <div className="sk-buttons">
        {may('account.password') && <NewPassword address={address} />}
        {may('account.logout') && <AskButton label={t('accounts.logout')} title={t('accounts.logout')} text={t('accounts.logout.text')} act={() => run('logout')} />}
        {of.state === 'suspended'
          ? may('account.resume') && <AskButton label={t('accounts.resume')} title={t('accounts.resume')} text={t('accounts.resume.text')} act={() => run('resume')} />
          : may('account.suspend') && <AskButton label={t('accounts.suspend')} title={t('accounts.suspend')} text={t('accounts.suspend.text')} act={() => run('suspend')} danger />}
        {may('account.remove') && <AskButton label={t('accounts.remove')} title={t('accounts.remove')} text={t('accounts.remove.text', { address })} act={drop} danger />}
      </div>
    </Card>
  );
}

/** As in store/account/roles.def, without "everyone". */
const ROLES = ['system', 'domain-admin', 'user-admin', 'helpdesk', 'auditor', 'archive-searcher', 'approver', 'list-manager', 'bulk-author',
  'bulk-sender', 'provisioning'];

function Roles({ of, reload }: { of: Account; reload: () => void }) {
  const { t, word } = useWords();
  const { may } = useSession();
  const { act, busy } = useAct();
  const [role, setRole] = useState('');
  const address = of.address;
  const held = of.roles ?? [];
  const give = async () => {
    if (await act(() => put(path('/accounts/{address}/roles/{role}', { address, role })), 'saved')) {
      setRole('');
      reload();
    }
  };
  const take = async (one: { role: string; scope?: string }) => {
    const done = await act(() => remove(path('/accounts/{address}/roles/{role}', { address, role: one.role }, { scope: one.scope })), 'removed');
    if (done) reload();
    return done;
  };
  return (
    <Card title={t('me.roles')} about={t('accounts.roles.about')}>
      <Rows label={t('me.roles')} rows={held} id={(r) => `${r.role} ${r.scope}`} empty={t('me.noRoles')} columns={[
        { label: t('accounts.role'), show: (r) => word('role', r.role) },
        { label: t('accounts.scope'), show: (r) => r.scope || t('accounts.scope.all') },
        { label: t('actions'), kind: 'actions', show: (r) => may('role.take') && (
          <AskButton label={t('takeOut')} title={t('accounts.role.take')} text={t('accounts.role.take.text', { role: word('role', r.role), address })} act={() => take(r)} danger size="compact-sm" />
        ) },
      ]} />
      {may('role.give') && (
        <div className="sk-filter" style={{ margin: '1rem 0 0' }}>
          <NativeSelect label={t('accounts.role.give')} value={role} onChange={(e) => setRole(e.currentTarget.value)}
            data={[{ value: '', label: '–' }, ...ROLES.map((r) => ({ value: r, label: word('role', r) }))]} />
          <Button variant="default" disabled={!role} loading={busy} onClick={() => void give()}>{t('accounts.role.give')}</Button>
        </div>
      )}
    </Card>
  );
}

interface Plan {
  at_ms: number;
  state: string;
  to: string;
  asked_by: string;
}

function Offboard({ of, reload }: { of: Account; reload: () => void }) {
  const { t, word } = useWords();
  const { may } = useSession();
  const { act, busy } = useAct();
  const address = of.address;
  const plan = useLoad<Plan>(may('offboard.show') ? path('/accounts/{address}/offboard', { address }) : null);
  const planned = plan.data && plan.data.state !== 'cancelled' ? plan.data : null;
  const [opened, setOpened] = useState(false);
  const [to, setTo] = useState('');
  const [at, setAt] = useState('');
  const [reply, setReply] = useState('');
  const submit = async () => {
    const done = await act(() => post(path('/accounts/{address}/offboard', { address }), {
      ...(at && { at_ms: new Date(at).getTime() }),
      ...(to.trim() && { to: to.trim() }),
      ...(reply.trim() && { reply: reply.trim() }),
    }), 'offboard.done');
    if (done) {
      plan.reload();
      reload();
    }
    return done;
  };
  const cancel = async () => {
    const done = await act(() => remove(path('/accounts/{address}/offboard', { address })), 'offboard.cancelled');
    if (done) plan.reload();
    return done;
  };
  return (
    <Card title={t('offboard.title')} about={t('offboard.about')}>
      {planned && (
        <Facts of={[
          [t('state'), word('offboard.state', planned.state)],
          [t('offboard.at'), <When key="at" ms={planned.at_ms} />],
          [t('offboard.to'), planned.to || '–'],
          [t('offboard.askedBy'), planned.asked_by],
        ]} />
      )}
      <div className="sk-buttons" style={{ marginTop: planned ? '1rem' : 0 }}>
        {!planned && <Button variant="default" onClick={() => setOpened(true)}>{t('offboard.add')}</Button>}
        {planned && may('offboard.cancel') && <AskButton label={t('offboard.cancel')} title={t('offboard.cancel')} text={t('offboard.cancel.text')} act={cancel} />}
      </div>
      <FormDialog title={t('offboard.add')} opened={opened} close={() => setOpened(false)} submit={submit} label={t('offboard.go')} danger busy={busy}>
        <div>{t('offboard.text', { address })}</div>
        <TextInput type="datetime-local" label={t('offboard.at')} description={t('offboard.at.hint')} value={at} onChange={(e) => setAt(e.currentTarget.value)} />
        <TextInput label={t('offboard.to')} description={t('offboard.to.hint')} value={to} onChange={(e) => setTo(e.currentTarget.value)} />
        <Textarea label={t('offboard.reply')} autosize minRows={2} value={reply} onChange={(e) => setReply(e.currentTarget.value)} />
      </FormDialog>
    </Card>
  );
}

function One({ address }: { address: string }) {
  const { t, size, number } = useWords();
  const { may } = useSession();
  const account = useLoad<Account>(path('/accounts/{address}', { address }));
  const quota = useLoad<Quota>(may('quota.show') ? path('/quotas/{address}', { address }) : null);
  return (
    <Page title={address} about={<Link href={to('accounts')}>{t('nav.accounts')}</Link>}>
      <Loading of={account}>
        {(a) => (
          <>
            {a.state === 'suspended' && <Note tone="warn">{t('accounts.isSuspended')}</Note>}
            <Card>
              <Facts of={[
                [t('accounts.name'), a.name || '–'],
                [t('state'), <StateWord key="state" prefix="account.state" value={a.state} />],
                [t('accounts.aliases'), a.aliases?.length ? a.aliases.join(', ') : '–'],
                [t('accounts.protocols'), a.protocols?.join(', ').toUpperCase() || '–'],
                [t('accounts.messages'), number(a.messages)],
                [t('accounts.keeps'), quota.data?.octets_limit
                  ? <>{t('accounts.ofLimit', { size: size(a.octets), limit: size(quota.data.octets_limit) })} {quota.data.reached_percent > 0 && <State tone="warn">{t('accounts.reached', { n: quota.data.reached_percent })}</State>}</>
                  : size(a.octets)],
                [t('accounts.since'), <When key="since" ms={a.created_at_ms} />],
              ]} />
            </Card>
            <Actions of={a} reload={account.reload} />
            {a.roles && may('role.list') && <Roles of={a} reload={account.reload} />}
            {may('account.devices') && <Devices address={a.address} />}
            {may('offboard.add') && <Offboard of={a} reload={account.reload} />}
          </>
        )}
      </Loading>
    </Page>
  );
}

export default function Accounts() {
  const { segments } = usePlace();
  return segments[1] ? <One key={segments[1]} address={segments[1]} /> : <List />;
}
