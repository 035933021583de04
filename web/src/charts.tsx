import { useState, type MouseEvent } from 'react';
import { useWords } from './i18n';

export interface Series {
  name: string;
  colour: string;
  values: number[];
}

const WIDTH = 640;
const HEIGHT = 200;
const LEFT = 38;
const TOP = 8;
const BOTTOM = 22;

/** The end of an axis: 1, 2 or 5 times a power of ten, never below 4, so that its quarter marks are whole at least from 4. */
export function axisEnd(most: number): number {
  let end = 4;
  for (let power = 1; end < most; power *= 10) {
    for (const step of [4, 8, 20]) {
      end = step * power;
      if (end >= most) break;
    }
  }
  return end;
}

/** Bars of the hours, one series on the other; the figures are below as a table. */
export function HourBars({ label, hours, series }: { label: string; hours: number[]; series: Series[] }) {
  const { t, time, number, language } = useWords();
  const [at, setAt] = useState<number | null>(null);
  const totals = hours.map((_, i) => series.reduce((sum, s) => sum + s.values[i], 0));
  const end = axisEnd(Math.max(0, ...totals));
  const wide = (WIDTH - LEFT) / Math.max(hours.length, 1);
  const y = (n: number) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - n / end);
  const tick = new Intl.DateTimeFormat(language === 'ja' ? 'ja-JP' : 'en-GB', { hour: 'numeric', minute: '2-digit' });
  const every = Math.max(1, Math.ceil(hours.length / 6));
  const find = (event: MouseEvent<SVGSVGElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    const i = Math.floor((((event.clientX - box.left) / box.width) * WIDTH - LEFT) / wide);
    setAt(i >= 0 && i < hours.length ? i : null);
  };
  return (
    <div className="sk-chart-frame">
      <ul className="sk-legend">
        {series.map((s) => (
          <li key={s.name}><i style={{ background: s.colour }} />{s.name}: {number(s.values.reduce((a, b) => a + b, 0))}</li>
        ))}
      </ul>
      <svg className="sk-chart" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label} onMouseMove={find} onMouseLeave={() => setAt(null)}>
        {[0, 0.25, 0.5, 0.75, 1].map((part) => (
          <g key={part}>
            <line className="sk-grid" x1={LEFT} x2={WIDTH} y1={y(end * part)} y2={y(end * part)} />
            {(part === 0 || part === 0.5 || part === 1) && (
              <text x={LEFT - 6} y={y(end * part) + 4} textAnchor="end">{number(end * part)}</text>
            )}
          </g>
        ))}
        {hours.map((hour, i) => {
          let below = 0;
          return (
            <g key={hour}>
              {at === i && <rect x={LEFT + i * wide} y={TOP} width={wide} height={HEIGHT - TOP - BOTTOM} fill="var(--sk-wash)" />}
              {series.map((s) => {
                const value = s.values[i];
                const from = below;
                below += value;
                return value > 0 && (
                  <rect key={s.name} x={LEFT + i * wide + wide * 0.12} width={wide * 0.76} y={y(below)} height={Math.max(1, y(from) - y(below))}
                    fill={s.colour} rx={Math.min(2, wide * 0.1)} />
                );
              })}
              {i % every === 0 && <text x={LEFT + (i + 0.5) * wide} y={HEIGHT - 5} textAnchor="middle">{tick.format(hour)}</text>}
            </g>
          );
        })}
      </svg>
      {at !== null && (
        <div className="sk-tip" style={{ left: `${Math.min(85, Math.max(15, ((LEFT + (at + 0.5) * wide) / WIDTH) * 100))}%` }}>
          <strong>{time(hours[at])}</strong>
          {series.map((s) => <div key={s.name}>{s.name}: {number(s.values[at])}</div>)}
        </div>
      )}
      <details className="sk-figures-table">
        <summary>{t('chart.asTable')}</summary>
        <div tabIndex={0} role="region" aria-label={label}>
          <table className="sk-rows">
            <thead>
              <tr><th scope="col">{t('chart.hour')}</th>{series.map((s) => <th scope="col" key={s.name}>{s.name}</th>)}</tr>
            </thead>
            <tbody>
              {hours.map((hour, i) => (
                <tr key={hour}>
                  <td data-label={t('chart.hour')}>{time(hour)}</td>
                  {series.map((s) => <td key={s.name} data-label={s.name} className="sk-number">{number(s.values[i])}</td>)}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </div>
  );
}
