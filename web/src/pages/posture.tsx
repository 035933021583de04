import { useWords } from '../i18n';
import { useLoad } from '../load';
import { Card, Loading, Note, Page, State, When, type Tone } from '../parts';
import { Link, to } from '../router';

interface Check {
  code: string;
  state: 'ok' | 'unknown' | 'warning' | 'wrong';
  en: string;
  ja: string;
  do_en: string;
  do_ja: string;
  page: string;
  details: string[];
}
interface Posture {
  at_ms: number;
  open: number;
  checks: Check[];
}

const TONES: Record<Check['state'], Tone> = { ok: 'good', unknown: 'quiet', warning: 'warn', wrong: 'bad' };
const ORDER: Check['state'][] = ['wrong', 'warning', 'unknown', 'ok'];

function One({ of }: { of: Check }) {
  const { t, language } = useWords();
  return (
    <Card title={language === 'ja' ? of.ja : of.en}>
      <p><State tone={TONES[of.state]}>{t(`posture.${of.state}`)}</State></p>
      {of.details.length > 0 && <ul>{of.details.map((d, i) => <li key={i}>{d}</li>)}</ul>}
      {of.state !== 'ok' && (
        <p>{language === 'ja' ? of.do_ja : of.do_en} <Link href={to(of.page)}>{t('posture.go')}</Link></p>
      )}
    </Card>
  );
}

export default function PosturePage() {
  const { t, number } = useWords();
  const posture = useLoad<Posture>('/posture');
  return (
    <Page title={t('nav.posture')} about={t('posture.about')}>
      <Loading of={posture}>
        {(p) => (
          <>
            <Note tone={p.open ? 'warn' : 'good'}>
              <p>{p.open ? t('posture.open', { n: number(p.open) }) : t('posture.none')} <When ms={p.at_ms} /></p>
            </Note>
            {ORDER.flatMap((state) => p.checks.filter((c) => c.state === state)).map((c) => <One key={c.code} of={c} />)}
          </>
        )}
      </Loading>
    </Page>
  );
}
