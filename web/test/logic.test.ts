import { describe, expect, it } from 'vitest';
import { path } from '../src/api';
import { axisEnd } from '../src/charts';
import { sizeText } from '../src/i18n';
import { makePassword } from '../src/pages/accounts';
import { addressesOf } from '../src/pages/groups';
import { wordsOf } from '../src/pages/search';
import { readPlace, to } from '../src/router';

describe('path', () => {
  it('escapes what stands for a name', () => {
    expect(path('/accounts/{address}', { address: 'a/b?c@d#e' })).toBe('/accounts/a%2Fb%3Fc%40d%23e');
  });
  it('leaves out what is empty', () => {
    expect(path('/trace', {}, { from: '', to: 'x y', limit: 5, mail: undefined })).toBe('/trace?to=x+y&limit=5');
  });
});

describe('places', () => {
  it('are read as they were written', () => {
    const where = to('accounts', 'a/b@c.example');
    expect(readPlace(where).segments).toEqual(['accounts', 'a/b@c.example']);
    expect(readPlace('#/trace?mail=x%26y').query.get('mail')).toBe('x&y');
    expect(readPlace('#/%').segments).toEqual(['%']);
    expect(readPlace('').segments).toEqual([]);
  });
});

describe('axisEnd', () => {
  it('is never below what is shown, and has whole quarters', () => {
    for (const n of [0, 1, 4, 5, 9, 19, 20, 21, 99, 1234, 8001, 123456]) {
      expect(axisEnd(n)).toBeGreaterThanOrEqual(n);
      expect(axisEnd(n) % 4).toBe(0);
      expect(axisEnd(n)).toBeLessThanOrEqual(Math.max(4, n * 2.5));
    }
  });
});

describe('sizeText', () => {
  it('uses units of 1024', () => {
    expect(sizeText(0, 'en-GB')).toBe('0 B');
    expect(sizeText(1023, 'en-GB')).toBe('1,023 B');
    expect(sizeText(1536, 'en-GB')).toBe('1.5 KiB');
    expect(sizeText(5 * 1024 ** 4, 'en-GB')).toBe('5 TiB');
  });
});

describe('addressesOf', () => {
  it('takes lists as people write them', () => {
    expect(addressesOf(' a@x,b@x\n\nc@x;d@x、e@x ')).toEqual(['a@x', 'b@x', 'c@x', 'd@x', 'e@x']);
  });
});

describe('wordsOf', () => {
  it('keeps together what stands in quotes', () => {
    expect(wordsOf(' 会議　見積 "board meeting" 「東京 都」x')).toEqual(['会議', '見積', 'board meeting', '東京 都', 'x']);
    expect(wordsOf('"')).toEqual(['"']);
    expect(wordsOf('')).toEqual([]);
  });
});

describe('makePassword', () => {
  it('is long and another one each time', () => {
    const made = new Set(Array.from({ length: 200 }, makePassword));
    expect(made.size).toBe(200);
    for (const one of made) expect(one).toMatch(/^[a-z2-9]{4}(-[a-z2-9]{4}){4}$/);
  });
});
