import { Group } from '@mantine/core';
import { path, post, remove } from '../api';
import { useWords } from '../i18n';
import { useAct, useLoad } from '../load';
import { AskButton, Card, Loading, Rows, State, When } from '../parts';
import { useSession } from '../session';

interface Device {
  id: string;
  kind: 'session' | 'browser' | 'app' | 'token' | 'program';
  name: string;
  this?: boolean;
  used_at_ms: number;
  ip?: string;
  country?: string;
  service?: string;
  protocols?: string[];
  blocked?: boolean;
}

/** What opens an account: one's own, or (address) somebody's. */
export function Devices({ address }: { address?: string }) {
  const { t, word } = useWords();
  const { may, refresh } = useSession();
  const { act } = useAct();
  const where = address ? path('/accounts/{address}/devices', { address }) : '/me/devices';
  const mayEnd = may(address ? 'account.device.revoke' : 'me.device.revoke');
  const mayEndAll = may(address ? 'account.devices.revoke' : 'me.devices.revoke');
  const devices = useLoad<Device[]>(where);
  const run = async (work: () => Promise<unknown>) => {
    const done = await act(work, 'devices.ended');
    if (done) devices.reload();
    return done;
  };
  const notMe = async () => {
    const done = await act(() => post('/me/not-me'), 'devices.notMe.done');
    if (done) await refresh();
    return done;
  };
  return (
    <Card title={t('devices.title')} about={t(address ? 'devices.about.other' : 'devices.about')}>
      <Loading of={devices}>
        {(list) => (
          <Rows label={t('devices.title')} rows={list} id={(d) => d.id} empty={t('devices.none')} columns={[
            { label: t('devices.what'), show: (d) => (
              <>
                {word('devices.kind', d.kind)}{d.service && ` (${d.service})`}{d.protocols && ` (${d.protocols.join(', ')})`}
                {' '}{d.kind === 'session' && d.this && <State tone="good">{t('me.thisOne')}</State>}
                {d.blocked && <State tone="bad">{t('devices.blocked')}</State>}
                <div className="sk-quiet">{d.name.slice(0, 120) || '–'}</div>
              </>
            ) },
            { label: t('signins.where'), show: (d) => d.ip ? `${d.ip}${d.country ? ` (${d.country})` : ''}` : '–' },
            { label: t('me.lastUsed'), show: (d) => <When ms={d.used_at_ms} /> },
            { label: t('actions'), kind: 'actions', show: (d) => mayEnd && !(d.kind === 'session' && d.this) && (d.blocked
              ? !address && <AskButton label={t('devices.allow')} title={t('devices.allow')} text={t('devices.allow.text')} size="compact-sm"
                  act={() => run(() => post(path('/me/devices/{id}/allow', { id: d.id })))} />
              : <AskButton label={t('devices.end')} title={t('devices.end')} text={word('devices.end.text', d.kind)} danger size="compact-sm"
                  act={() => run(() => remove(`${where}/${encodeURIComponent(d.id)}`))} />) },
          ]} />
        )}
      </Loading>
      <Group gap="xs" mt="md">
        {mayEndAll && <AskButton label={t('devices.endAll')} title={t('devices.endAll')} text={t(address ? 'devices.endAll.text.other' : 'devices.endAll.text')} act={() => run(() => remove(where))} />}
        {!address && may('me.not-me') && <AskButton label={t('devices.notMe')} title={t('devices.notMe')} text={t('devices.notMe.text')} act={notMe} danger />}
      </Group>
    </Card>
  );
}
