import { path } from '../api';
import { useWords } from '../i18n';
import { useLoad } from '../load';
import { Card, Facts, Loading, Note, Record, Rows, State, StateWord, type Tone } from '../parts';

export interface DnsRecord {
  subject: string;
  state: string;
  name: string;
  host: string;
  type: string;
  value: string;
  optional: boolean;
  seen: string[];
  line: string;
}
export interface Finding {
  code: string;
  subject: string;
  state: string;
  name: string;
  seen: string;
  en: string;
  en_do: string;
  ja: string;
  ja_do: string;
}
interface Rule {
  provider: string;
  item: string;
  bulk: boolean;
  met: boolean;
  state: string;
  en: string;
  ja: string;
}
export interface Report {
  domain: string;
  state: string;
  checked_at_ms: number;
  records: DnsRecord[];
  findings: Finding[];
  subjects: { [subject: string]: string };
  requirements: Rule[];
}
interface Advice {
  policy: string;
  step: string;
  en: string;
  ja: string;
  days_with_reports: number;
  messages: number;
  aligned: number;
  share: number | null;
}

const NOTES: { [state: string]: Tone } = { hint: 'plain', unknown: 'plain', warning: 'warn', missing: 'bad', wrong: 'bad' };

/** What is wrong, and what to do about it, the worst first. */
export function DnsFindings({ of }: { of: Report }) {
  const { t, language } = useWords();
  const order = ['wrong', 'missing', 'warning', 'unknown', 'hint'];
  const shown = of.findings.filter((f) => f.state !== 'ok').sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
  if (!shown.length) return <Note tone="good"><State tone="good">{t('dns.allGood')}</State></Note>;
  return (
    <Card title={t('dns.findings')} about={t('dns.findings.about')}>
      {shown.map((f) => (
        <Note key={`${f.code} ${f.name} ${f.seen}`} tone={NOTES[f.state] === 'bad' ? 'warn' : NOTES[f.state]}>
          <p><StateWord prefix="dns" value={f.state} /> <strong>{f.name}</strong></p>
          <p>{language === 'ja' ? f.ja : f.en}</p>
          {(language === 'ja' ? f.ja_do : f.en_do) && <p>{language === 'ja' ? f.ja_do : f.en_do}</p>}
          {f.seen && <p className="sk-quiet">{t('dns.seen')} <span className="sk-code">{f.seen}</span></p>}
        </Note>
      ))}
    </Card>
  );
}

/** The records to publish, each to be copied as it stands. */
export function DnsRecords({ of }: { of: Report }) {
  const { t, word } = useWords();
  const subjects = [...new Set(of.records.map((r) => r.subject))];
  return (
    <Card title={t('dns.records')} about={t('dns.records.about')}>
      {subjects.map((subject) => (
        <section key={subject} aria-label={word('dns.subject', subject)} style={{ marginTop: '1.1rem' }}>
          <h3 style={{ margin: '0 0 0.3rem', display: 'flex', gap: '0.8rem', alignItems: 'center', flexWrap: 'wrap' }}>
            {word('dns.subject', subject)}
            {of.subjects[subject] && <StateWord prefix="dns" value={of.subjects[subject]} />}
          </h3>
          {of.records.filter((r) => r.subject === subject).map((r) => (
            <div key={`${r.name} ${r.type} ${r.value}`}>
              <div className="sk-quiet" style={{ fontSize: '0.86rem' }}>
                <StateWord prefix="dns" value={r.state} /> {r.optional && `(${t('dns.optional')})`} {t('dns.host')} <span className="sk-code">{r.host || '@'}</span> {t('dns.type')} <span className="sk-code">{r.type}</span>
              </div>
              <Record text={r.value} what={`${r.type} ${r.name}`} />
            </div>
          ))}
        </section>
      ))}
    </Card>
  );
}

export function DnsRules({ of }: { of: Report }) {
  const { t, language } = useWords();
  return (
    <Card title={t('dns.rules')} about={t('dns.rules.about')}>
      <Rows label={t('dns.rules')} rows={of.requirements} id={(r) => `${r.provider} ${r.item} ${r.bulk}`} empty="–" columns={[
        { label: t('dns.rule'), show: (r) => language === 'ja' ? r.ja : r.en },
        { label: t('dns.provider'), show: (r) => r.provider },
        { label: t('dns.bulk'), show: (r) => r.bulk ? t('dns.bulkOnly') : t('dns.everybody') },
        { label: t('state'), show: (r) => <State tone={r.met ? 'good' : 'warn'}>{r.met ? t('dns.met') : t('dns.notMet')}</State> },
      ]} />
    </Card>
  );
}

export function DmarcAdvice({ domain }: { domain: string }) {
  const { t, language, number } = useWords();
  const advice = useLoad<Advice>(path('/domains/{domain}/dmarc', { domain }));
  return (
    <Card title={t('dmarc.title')} about={t('dmarc.about')}>
      <Loading of={advice}>
        {(a) => (
          <>
            <Note>{language === 'ja' ? a.ja : a.en}</Note>
            <Facts of={[
              [t('dmarc.policy'), <span key="policy" className="sk-code">{a.policy}</span>],
              [t('dmarc.days'), number(a.days_with_reports)],
              [t('dmarc.messages'), number(a.messages)],
              [t('dmarc.share'), a.share === null ? '–' : `${(a.share * 100).toFixed(1)} %`],
            ]} />
          </>
        )}
      </Loading>
    </Card>
  );
}
