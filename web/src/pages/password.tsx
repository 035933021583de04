import { Button, PasswordInput } from '@mantine/core';
import { useState, type FormEvent } from 'react';
import { post } from '../api';
import { useWords } from '../i18n';
import { Note } from '../parts';
import { useStep } from './signin';

/** A new password for oneself; the one that is has to be shown. */
export function NewPassword({ done }: { done: () => Promise<void> }) {
  const { t } = useWords();
  const { busy, wrong, run } = useStep();
  const [old, setOld] = useState('');
  const [fresh, setFresh] = useState('');
  const [again, setAgain] = useState('');
  const differs = again !== '' && again !== fresh;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (fresh !== again) return;
    void run(async () => {
      await post('/me/password', { old, new: fresh });
      setOld('');
      setFresh('');
      setAgain('');
      await done();
    });
  };
  const eye = { visibilityToggleButtonProps: { 'aria-label': t('signIn.show') } };
  return (
    <form className="sk-form" onSubmit={submit}>
      {wrong && <Note tone="bad">{wrong}</Note>}
      <PasswordInput label={t('password.old')} required withAsterisk={false} autoComplete="current-password" value={old} onChange={(e) => setOld(e.currentTarget.value)} {...eye} />
      <PasswordInput label={t('password.new')} description={t('password.rules')} required withAsterisk={false} autoComplete="new-password" value={fresh} onChange={(e) => setFresh(e.currentTarget.value)} {...eye} />
      <PasswordInput label={t('password.again')} required withAsterisk={false} autoComplete="new-password" error={differs && t('password.differs')} value={again} onChange={(e) => setAgain(e.currentTarget.value)} {...eye} />
      <div><Button type="submit" loading={busy}>{t('password.change')}</Button></div>
    </form>
  );
}
