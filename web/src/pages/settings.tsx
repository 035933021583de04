import { TextInput } from '@mantine/core';
import { useMemo, useState } from 'react';
import { useWords } from '../i18n';
import { useLoad } from '../load';
import { Card, Facts, Loading, Page, Record, State } from '../parts';

interface Option {
  name: string;
  /** As it would stand in the configuration file. */
  line: string;
  value: string;
  default: string;
  type: string;
  range: string;
  en: string;
  ja: string;
}

export default function Settings() {
  const { t, language } = useWords();
  const options = useLoad<Option[]>('/settings');
  const [filter, setFilter] = useState('');
  const shown = useMemo(() => {
    const wanted = filter.trim().toLowerCase();
    return options.data?.filter((o) => !wanted || `${o.name} ${language === 'ja' ? o.ja : o.en}`.toLowerCase().includes(wanted)) ?? [];
  }, [options.data, filter, language]);
  return (
    <Page title={t('nav.settings')} about={t('settings.about')}>
      <div className="sk-filter" role="search">
        <TextInput label={t('settings.find')} value={filter} onChange={(e) => setFilter(e.currentTarget.value)} />
      </div>
      <Loading of={options}>
        {() => shown.length ? (
          <>
            {shown.map((o) => (
              <Card key={o.name} title={o.name} about={language === 'ja' ? o.ja : o.en}>
                <Facts of={[
                  [t('settings.value'), <span key="value"><span className="sk-code">{o.value || t('settings.empty')}</span>{' '}
                    {o.value !== o.default && <State tone="plain">{t('settings.changed')}</State>}</span>],
                  [t('settings.default'), <span key="default" className="sk-code">{o.default || t('settings.empty')}</span>],
                  [t('settings.range'), o.range ? `${o.type}, ${o.range}` : o.type],
                ]} />
                <p className="sk-quiet" style={{ margin: '0.9rem 0 0' }}>{t('settings.line')}</p>
                <Record text={o.line} what={o.name} />
              </Card>
            ))}
          </>
        ) : <div className="sk-empty" role="status">{t('settings.none')}</div>}
      </Loading>
    </Page>
  );
}
