import { createContext, useContext, useEffect, useMemo, useState, type ReactNode } from 'react';
import { en } from './texts/en';
import { ja } from './texts/ja';

export type Key = keyof typeof en;
export type Language = 'ja' | 'en';
export type Values = Record<string, string | number>;

const texts: Record<Language, Record<Key, string>> = { en, ja };

/** The text with {names} put in; a name that is not given stays as it is. */
export function fill(text: string, values: Values = {}): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in values ? String(values[name]) : whole));
}

interface Words {
  language: Language;
  setLanguage: (language: Language) => void;
  t: (key: Key, values?: Values) => string;
  /** The text for a word of the server, or the word itself when there is none. */
  word: (prefix: string, value: string) => string;
  time: (ms: number) => string;
  day: (ms: number) => string;
  number: (n: number) => string;
  size: (octets: number) => string;
}

const Context = createContext<Words | null>(null);
const KEPT = 'sekisho-language';

function preferred(): Language {
  const kept = localStorage.getItem(KEPT);
  if (kept === 'ja' || kept === 'en') return kept;
  return navigator.language.toLowerCase().startsWith('ja') ? 'ja' : 'en';
}

/** Octets in a unit a person reads: 1,024 at a time. */
export function sizeText(octets: number, locale: string): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  let n = octets;
  while (n >= 1024 && unit < units.length - 1) {
    n /= 1024;
    unit++;
  }
  return `${new Intl.NumberFormat(locale, { maximumFractionDigits: n < 10 && unit > 0 ? 1 : 0 }).format(n)} ${units[unit]}`;
}

export function LanguageProvider({ children }: { children: ReactNode }) {
  const [language, setLanguage] = useState<Language>(preferred);
  useEffect(() => {
    document.documentElement.lang = language;
    localStorage.setItem(KEPT, language);
  }, [language]);
  const words = useMemo<Words>(() => {
    const locale = language === 'ja' ? 'ja-JP' : 'en-GB';
    const time = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' });
    const day = new Intl.DateTimeFormat(locale, { dateStyle: 'medium' });
    const number = new Intl.NumberFormat(locale);
    const table: Record<string, string> = texts[language];
    return {
      language,
      setLanguage,
      t: (key, values) => fill(texts[language][key], values),
      word: (prefix, value) => table[`${prefix}.${value}`] ?? value,
      time: (ms) => time.format(ms),
      day: (ms) => day.format(ms),
      number: (n) => number.format(n),
      size: (octets) => sizeText(octets, locale),
    };
  }, [language]);
  return <Context.Provider value={words}>{children}</Context.Provider>;
}

export function useWords(): Words {
  const words = useContext(Context);
  if (!words) throw new Error('outside of LanguageProvider');
  return words;
}
