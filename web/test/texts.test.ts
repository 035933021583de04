import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fill } from '../src/i18n';
import { en } from '../src/texts/en';
import { ja } from '../src/texts/ja';

const sources = (readdirSync('src', { recursive: true }) as string[])
  .filter((f) => /\.tsx?$/.test(f) && !f.startsWith('texts'))
  .map((f) => readFileSync(join('src', f), 'utf8'))
  .join('\n');

describe('the two languages', () => {
  it('have the same keys, none of them empty', () => {
    expect(Object.keys(ja).sort()).toEqual(Object.keys(en).sort());
    for (const [key, text] of [...Object.entries(en), ...Object.entries(ja)]) expect(text.trim(), key).not.toBe('');
  });
  it('have the same blanks to fill', () => {
    const blanks = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((m) => m[1]).sort();
    for (const key of Object.keys(en) as (keyof typeof en)[]) expect(blanks(ja[key]), key).toEqual(blanks(en[key]));
  });
  it('say what a name of the server means only where the server can say it', () => {
    const made = /^(account\.state|queue\.state|dns|role|opened\.how|offboard\.state|factor|scope|signin|incident|signal|setting|devices\.kind|devices\.end\.text)\./;
    const templates = [...sources.matchAll(/`([\w.]*)\$\{/g)].map((m) => m[1]).filter(Boolean);
    for (const key of Object.keys(en)) {
      const used = sources.includes(`'${key}'`) || made.test(key) || templates.some((t) => key.startsWith(t)) || /^(groups|aliases|trace)\./.test(key);
      expect(used, `${key} is used nowhere`).toBe(true);
    }
  });
});

describe('fill', () => {
  it('puts values in and leaves what is not given', () => {
    expect(fill('{a} of {b}, {a}', { a: 1, b: '<x>' })).toBe('1 of <x>, 1');
    expect(fill('{c}', {})).toBe('{c}');
  });
});
