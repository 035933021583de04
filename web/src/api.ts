/** What the server refused, in its own words (RFC 9457). */
export class Problem extends Error {
  constructor(readonly status: number, detail: string) {
    super(detail);
  }
}

const ROOT = '/api/v1';
let csrf = '';
let onSignedOut: () => void = () => {};

export function setCsrf(value: string) {
  csrf = value;
}
/** Called whenever the server says that nobody is signed in any more. */
export function whenSignedOut(call: () => void) {
  onSignedOut = call;
}

export type Query = Record<string, string | number | boolean | undefined>;

/** A path from a template and what stands for its {names}, each escaped. */
export function path(template: string, names: Record<string, string | number> = {}, query: Query = {}): string {
  const where = template.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(names[name])));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') search.set(name, String(value));
  }
  const text = search.toString();
  return text ? `${where}?${text}` : where;
}

async function detailOf(answer: Response): Promise<string> {
  try {
    const problem = await answer.json();
    return typeof problem.detail === 'string' ? problem.detail : answer.statusText;
  } catch {
    return answer.statusText;
  }
}

interface Options {
  body?: unknown;
  signal?: AbortSignal;
  /** Instead of the session: the one-time code of a fresh server. */
  token?: string;
}

export async function call<T>(method: string, where: string, options: Options = {}): Promise<T> {
  const headers: Record<string, string> = { Accept: 'application/json' };
  if (options.token) headers.Authorization = `Bearer ${options.token}`;
  if (method !== 'GET') headers['X-Sekisho-CSRF'] = csrf;
  if (method === 'POST' || method === 'PUT') headers['Content-Type'] = 'application/json';
  let answer: Response;
  try {
    answer = await fetch(ROOT + where, {
      method,
      headers,
      body: method === 'POST' || method === 'PUT' ? JSON.stringify(options.body ?? {}) : undefined,
      credentials: 'same-origin',
      cache: 'no-store',
      signal: options.signal,
    });
  } catch (failure) {
    if (options.signal?.aborted) throw failure;
    throw new Problem(0, '');
  }
  if (!answer.ok) {
    const problem = new Problem(answer.status, await detailOf(answer));
    if (answer.status === 401 && !options.token && !where.startsWith('/session')) onSignedOut();
    throw problem;
  }
  const text = await answer.text();
  return (text ? JSON.parse(text) : null) as T;
}

export const get = <T>(where: string, signal?: AbortSignal) => call<T>('GET', where, { signal });
export const post = <T>(where: string, body?: unknown) => call<T>('POST', where, { body });
export const put = <T>(where: string, body?: unknown) => call<T>('PUT', where, { body });
export const remove = <T>(where: string) => call<T>('DELETE', where);
