// Drives the console in Chromium and says a line for each test. Every page is looked at in both languages, light and dark, wide
// and 360 px narrow: axe finds nothing, nothing stands out sideways, the browser logs no error and the policy (CSP) blocks nothing.
import { chromium } from 'playwright-core';
import { createHash, createHmac } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { connect } from 'node:tls';

const demo = JSON.parse(process.env.DEMO);
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const shots = process.env.SHOTS;
const url = demo.api.url;
const [admin, hana] = demo.users;
const complaints = [];
let good = true;

if (shots) mkdirSync(shots, { recursive: true });

/** The hash of a server's key, by which the browser takes its certificate for a good one: with a bad one there are no passkeys. */
const keyOf = (address) => new Promise((done, failed) => {
  const { hostname, port } = new URL(address);
  const socket = connect({ host: hostname, port, rejectUnauthorized: false }, () => {
    done(createHash('sha256').update(socket.getPeerX509Certificate().publicKey.export({ type: 'spki', format: 'der' })).digest('base64'));
    socket.end();
  });
  socket.on('error', failed);
});
const keys = await Promise.all([url, JSON.parse(process.env.FRESH).api.url].map(keyOf));
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox',
  `--ignore-certificate-errors-spki-list=${keys.join(',')}`, `--host-resolver-rules=MAP mail.${demo.domain} 127.0.0.1`] });

async function test(name, run) {
  if (process.env.ONLY && !new RegExp(process.env.ONLY).test(name)) return;
  const from = complaints.length;
  try {
    await run();
    if (complaints.length > from) throw new Error(complaints.slice(from).join('; '));
    console.log(`ok ${name}`);
  } catch (why) {
    good = false;
    console.log(`not ok ${name} ${String(why.message ?? why).replace(/\s+/g, ' ').slice(0, 700)}`);
  }
}

function equal(got, wanted, what) {
  if (got !== wanted) throw new Error(`${what}: got ${JSON.stringify(got)}, wanted ${JSON.stringify(wanted)}`);
}

/** A browser of its own, that complains of everything that a person's browser would. */
async function open({ language = 'en', scheme = 'light', width = 1280 } = {}) {
  const context = await browser.newContext({
    ignoreHTTPSErrors: true, locale: language === 'ja' ? 'ja-JP' : 'en-GB', colorScheme: scheme, reducedMotion: 'reduce',
    viewport: { width, height: width < 500 ? 740 : 800 }, timezoneId: 'Asia/Tokyo',
  });
  const page = await context.newPage();
  page.setDefaultTimeout(30000);
  page.on('pageerror', (error) => complaints.push(`script: ${error.message}`));
  page.on('console', (message) => {
    // That nobody is signed in yet, or that a code was wrong, is an answer and no fault.
    const answer = /status of (401|404|422)/.test(message.text()) && message.location().url.includes('/api/v1/');
    if (message.type() === 'error' && !answer) complaints.push(`console: ${message.text()}`);
  });
  return page;
}

async function settled(page) {
  await page.waitForSelector('h1');
  await page.waitForLoadState('networkidle');
  // Not waitForFunction: the policy forbids the page to evaluate texts, and Playwright would do it there.
  for (let i = 0; i < 300 && await page.locator('[role=status] .mantine-Loader-root').count(); i++) await page.waitForTimeout(100);
}

/** What a tool of accessibility finds wrong, and whether the page is wider than the window. */
async function look(page, name) {
  await settled(page);
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  }));
  for (const v of found.violations) complaints.push(`axe on ${name}: ${v.id}: ${v.nodes.slice(0, 2).map((n) => n.html.slice(0, 150)).join(' | ')}`);
  const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (wider > 0) complaints.push(`${name} is ${wider} px too wide`);
}

async function shoot(page, name) {
  if (!shots) return;
  await settled(page);
  await page.screenshot({ path: `${shots}/${name}.png` });
}

async function signIn(page, user) {
  await page.goto(url);
  await page.locator('input[type=email]').fill(user.address);
  await page.locator('input[autocomplete=current-password]').fill(user.password);
  await page.locator('button[type=submit]').click();
  await passFactor(page, user);
  await page.waitForSelector('nav');
}

/** Six digits of RFC 6238 for a secret in base32. */
function totp(secret, at = Date.now()) {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  let bits = '';
  for (const c of secret.replace(/=+$/, '').toUpperCase()) bits += letters.indexOf(c).toString(2).padStart(5, '0');
  const key = Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(at / 30000)));
  const mac = createHmac('sha1', key).update(counter).digest();
  const from = mac[19] & 15;
  return String((mac.readUInt32BE(from) & 0x7fffffff) % 1000000).padStart(6, '0');
}

async function passFactor(page, user) {
  if (!user.secret) return;
  await page.locator('input[autocomplete=one-time-code]').fill(totp(user.secret));
  await page.locator('button[type=submit]').click();
}

/** Through the API, as the demo's token may. */
async function ask(method, path, body) {
  const answer = await fetch(`${url}/api/v1${path}`, {
    method, headers: { Authorization: `Bearer ${demo.api.token}`, 'Content-Type': 'application/json' }, body: body && JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

const link = (page, name) => page.getByRole('navigation').getByRole('link', { name, exact: true });

// ---- signing in

await test('a-wrong-password-is-refused', async () => {
  const page = await open();
  await page.goto(url);
  await page.getByLabel('Mail address').fill(hana.address);
  await page.locator('input[autocomplete=current-password]').fill('certainly not this one');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('alert').waitFor();
  await page.context().close();
});

await test('the-sign-in-page', async () => {
  for (const [language, scheme, width] of [['en', 'light', 1280], ['ja', 'dark', 1280], ['ja', 'light', 360], ['en', 'dark', 360]]) {
    const page = await open({ language, scheme, width });
    await page.goto(url);
    await look(page, `sign-in ${language} ${scheme} ${width}`);
    equal(await page.locator('html').getAttribute('lang'), language, 'the language of the page');
    if (language === 'ja' && width === 1280) await shoot(page, 'sign-in');
    await page.context().close();
  }
});

await test('a-user-sees-only-what-is-his', async () => {
  const page = await open();
  await signIn(page, hana);
  await settled(page);
  equal(await link(page, 'Your account').count(), 1, 'links to his account');
  equal(await link(page, 'Accounts').count(), 0, 'links to all accounts');
  await page.goto(`${url}/#/accounts`);
  await page.getByText('There is no such page').waitFor();
  await page.goto(`${url}/#/me`);
  await page.getByText('this one').waitFor();
  await page.getByRole('button', { name: 'Your account' }).click();
  await page.getByRole('menuitem', { name: 'Sign out' }).click();
  await page.getByLabel('Mail address').waitFor();
  await page.reload();
  await page.getByLabel('Mail address').waitFor();
  await page.context().close();
});

await test('the-cookie-is-out-of-reach-of-scripts', async () => {
  const page = await open();
  await signIn(page, hana);
  equal(await page.evaluate(() => document.cookie), '', 'what a script sees');
  const [cookie] = (await page.context().cookies()).filter((c) => c.name === '__Host-sekisho');
  equal(`${cookie.httpOnly} ${cookie.secure} ${cookie.sameSite}`, 'true true Strict', 'the cookie');
  const inline = await page.evaluate(() => {
    const script = document.createElement('script');
    script.textContent = 'window.slipped = true';
    document.head.append(script);
    return window.slipped === true;
  });
  equal(inline, false, 'a script in the page runs');
  complaints.splice(0, complaints.length, ...complaints.filter((c) => !c.includes('script-src')));
  await page.context().close();
});

// ---- the first run

await test('the-first-run', async () => {
  const fresh = JSON.parse(process.env.FRESH);
  const page = await open({ language: 'ja' });
  await page.goto(fresh.setup.url);
  await page.getByLabel('ドメイン', { exact: true }).waitFor();
  equal(page.url().includes('skt_'), false, 'the code in the address');
  await look(page, 'first run: domain');
  await shoot(page, 'first-run');
  await page.getByLabel('ドメイン', { exact: true }).fill('first.test');
  await page.getByRole('button', { name: '次へ' }).click();
  const password = 'a quiet road through the pass';
  await page.getByLabel('名前').fill('高橋 美咲');
  await page.locator('input[autocomplete=new-password]').fill('password1');
  await page.getByRole('button', { name: '作成してサインイン' }).click();
  await page.getByRole('alert').waitFor();
  await look(page, 'first run: administrator');
  await page.locator('input[autocomplete=new-password]').fill(password);
  await page.getByRole('button', { name: '作成してサインイン' }).click();
  // Who administers has to have a second factor, here at once.
  await page.getByRole('button', { name: '認証アプリを設定' }).click();
  await page.getByRole('img', { name: /QR/ }).waitFor();
  await look(page, 'first run: second factor');
  await page.locator('input[autocomplete=one-time-code]').fill(totp((await page.locator('.sk-record code').innerText()).trim()));
  await page.getByRole('button', { name: '確認', exact: true }).click();
  await page.getByRole('button', { name: '控えました' }).click();
  await page.getByText('公開するレコード').waitFor();
  await look(page, 'first run: DNS');
  await page.getByRole('button', { name: '次へ' }).click();
  await look(page, 'first run: certificate');
  await page.getByRole('button', { name: '次へ' }).click();
  await page.getByLabel('@ の前の部分').fill('ken');
  await page.getByRole('button', { name: 'アカウントを追加' }).click();
  await page.getByText('ken@first.test を作成しました').waitFor();
  await look(page, 'first run: account');
  const once = await page.locator('.sk-record code').innerText();
  await page.getByRole('button', { name: '概要へ' }).click();
  await page.getByRole('heading', { name: '概要', level: 1 }).waitFor();
  await page.context().close();

  const again = await open();
  await again.goto(fresh.setup.url);
  await again.getByRole('alert').waitFor();
  // The first person signs in, and has to choose another password.
  await again.goto(fresh.api.url);
  await again.locator('input[type=email]').fill('ken@first.test');
  await again.locator('input[autocomplete=current-password]').fill(once);
  await again.getByRole('button', { name: 'Sign in' }).click();
  await again.getByRole('heading', { name: 'Choose a new password' }).waitFor();
  await look(again, 'forced change');
  await again.locator('input[autocomplete=current-password]').fill(once);
  for (const field of await again.locator('input[autocomplete=new-password]').all()) await field.fill('eleven herons in the rain');
  await again.getByRole('button', { name: 'Change the password' }).click();
  await again.waitForSelector('nav');
  await again.context().close();
});

// ---- second factors

await test('a-code-of-an-authenticator', async () => {
  const page = await open();
  const user = { ...demo.users[2] };
  await signIn(page, user);
  await page.goto(`${url}/#/me`);
  await page.getByRole('button', { name: 'Set up an authenticator app' }).click();
  await page.getByRole('img', { name: /^QR code/ }).waitFor();
  user.secret = (await page.locator('.sk-record code').first().innerText()).trim();
  await look(page, 'own account with a QR code');
  await page.getByLabel('Code of your authenticator app').fill(totp(user.secret));
  await page.getByRole('button', { name: 'Confirm' }).click();
  await page.getByText('Keep these recovery codes').waitFor();
  const codes = await page.locator('.sk-codes li').allInnerTexts();
  await page.getByRole('button', { name: 'I have kept them' }).click();
  await page.context().close();

  const next = await open();
  await next.goto(url);
  await next.locator('input[type=email]').fill(user.address);
  await next.locator('input[autocomplete=current-password]').fill(user.password);
  await next.getByRole('button', { name: 'Sign in' }).click();
  await next.getByRole('heading', { name: 'One more step' }).waitFor();
  await look(next, 'second factor');
  await next.locator('input[autocomplete=one-time-code]').fill('000000');
  await next.getByRole('button', { name: 'Go on' }).click();
  await next.getByRole('alert').waitFor();
  // Each code counts once; the next half minute has another one.
  await next.locator('input[autocomplete=one-time-code]').fill(totp(user.secret, Date.now() + 30000));
  await next.getByRole('button', { name: 'Go on' }).click();
  await next.waitForSelector('nav');
  await next.context().close();

  const lost = await open();
  await lost.goto(url);
  await lost.locator('input[type=email]').fill(user.address);
  await lost.locator('input[autocomplete=current-password]').fill(user.password);
  await lost.getByRole('button', { name: 'Sign in' }).click();
  await lost.getByRole('button', { name: 'Use a recovery code' }).click();
  await lost.locator('input[autocomplete=one-time-code]').fill(codes[0]);
  await lost.getByRole('button', { name: 'Go on' }).click();
  await lost.waitForSelector('nav');
  await lost.context().close();
});

await test('a-password-for-a-mail-program', async () => {
  const page = await open();
  await signIn(page, hana);
  await page.goto(`${url}/#/me`);
  await page.getByLabel('Device or program').fill('phone');
  await page.getByRole('button', { name: 'Make a password' }).click();
  await page.getByText('It is shown this once').waitFor();
  await page.getByRole('cell', { name: 'phone', exact: true }).waitFor();
  await page.context().close();
});

/** The code in the n-th mail (from 0) that came to a second address. */
async function codeByMail(n) {
  for (let i = 0; i < 600; i++) {
    const files = readdirSync(process.env.MAILS).sort();
    const codes = files.map((f) => {
      const [head, ...body] = readFileSync(`${process.env.MAILS}/${f}`, 'latin1').split(/\r?\n\r?\n/);
      const text = body.join('\n\n');
      return /(^|\n)(\d{6})\r?\n/.exec(/base64/i.test(head) ? Buffer.from(text, 'base64').toString() : text)?.[2];
    }).filter(Boolean);
    if (codes[n]) return codes[n];
    await new Promise((next) => setTimeout(next, 100));
  }
  throw new Error('no mail with a code came');
}

await test('a-passkey', async () => {
  const page = await open();
  const there = `https://mail.${demo.domain}:${new URL(url).port}`; // passkeys are for the server's name
  const session = await page.context().newCDPSession(page);
  await session.send('WebAuthn.enable');
  await session.send('WebAuthn.addVirtualAuthenticator', {
    options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true },
  });
  const user = demo.users[4];
  const enter = async () => {
    await page.goto(there);
    await page.locator('input[type=email]').fill(user.address);
    await page.locator('input[autocomplete=current-password]').fill(user.password);
    await page.getByRole('button', { name: 'Sign in' }).click();
  };
  await enter();
  await page.waitForSelector('nav');
  await page.goto(`${there}/#/me`);
  await page.getByLabel('Name of the passkey').fill('this computer');
  await page.getByRole('button', { name: 'Add a passkey' }).click();
  await page.getByRole('button', { name: 'I have kept them' }).click();
  await page.getByText('this computer', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Your account' }).click();
  await page.getByRole('menuitem', { name: 'Sign out' }).click();
  await enter();
  await page.getByRole('button', { name: 'Use your passkey' }).click();
  await page.waitForSelector('nav');
  await page.context().close();
});

await test('a-code-by-mail', async () => {
  const user = demo.users[3];
  await ask('PUT', `/people/${user.address}`, { second: 'somebody@second.test' });
  const page = await open();
  await signIn(page, user);
  await page.goto(`${url}/#/me`);
  await page.getByRole('button', { name: 'Codes to my second address' }).click();
  await page.getByLabel('Code sent to s***@second.test').fill(await codeByMail(0));
  await page.getByRole('button', { name: 'Confirm' }).click();
  await page.getByRole('button', { name: 'I have kept them' }).click();
  await page.getByText('s***@second.test', { exact: true }).waitFor();
  await look(page, 'own account with codes by mail');
  await page.context().close();

  // The next code cannot be asked for within half a minute.
  await new Promise((next) => setTimeout(next, 31000));
  const next = await open();
  await next.goto(url);
  await next.locator('input[type=email]').fill(user.address);
  await next.locator('input[autocomplete=current-password]').fill(user.password);
  await next.getByRole('button', { name: 'Sign in' }).click();
  await next.getByRole('button', { name: 'Send me a code' }).click();
  await next.getByText('Sent to s***@second.test').waitFor();
  await look(next, 'second factor by mail');
  await next.locator('input[autocomplete=one-time-code]').fill(await codeByMail(1));
  await next.getByRole('button', { name: 'Go on' }).click();
  await next.waitForSelector('nav');
  await next.context().close();
});

await test('what-opens-the-account', async () => {
  const other = await open();
  await signIn(other, hana);
  const page = await open();
  await signIn(page, hana);
  await page.goto(`${url}/#/me`);
  const table = page.getByRole('table', { name: 'What opens the account' });
  await table.getByText('this one').waitFor();
  await page.getByRole('button', { name: 'End all' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'End all' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await other.reload();
  await other.getByLabel('Mail address').waitFor();
  await page.reload();
  await table.getByText('this one').waitFor();
  await other.context().close();
  await page.context().close();
});

await test('decoys-and-the-age-of-passwords', async () => {
  const page = await open();
  await signIn(page, admin);
  await link(page, 'Protection').click();
  await page.getByText('NIST').waitFor();
  await page.getByLabel('Address of a new decoy').fill(`old-office@${demo.domain}`);
  await page.getByRole('button', { name: 'Add a decoy' }).click();
  await page.getByRole('cell', { name: `old-office@${demo.domain}` }).waitFor();
  await page.getByLabel('For whom').fill(hana.address);
  await page.getByRole('button', { name: 'Add the rule' }).click();
  await page.getByRole('cell', { name: hana.address }).waitFor();
  await page.getByRole('button', { name: 'Remove' }).last().click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('cell', { name: hana.address }).waitFor({ state: 'detached' });
  await page.context().close();
});

await test('programs-ask-for-access', async () => {
  await ask('POST', '/oauth/clients', { client: 'portal', name: 'Portal', redirect: [`${url}/healthz`], scope: ['openid', 'email'] });
  const query = new URLSearchParams({
    response_type: 'code', client_id: 'portal', redirect_uri: `${url}/healthz`, scope: 'openid email', state: 'a b&c', prompt: 'consent',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', code_challenge_method: 'S256',
  });
  const answers = [];
  for (const [language, scheme, width, button] of [['en', 'light', 1280, 'Allow'], ['ja', 'dark', 360, '許可しない']]) {
    const page = await open({ language, scheme, width });
    await page.goto(`${url}/oauth/authorize?${query}`);
    await page.locator('input[type=email]').fill(hana.address);
    await page.locator('input[autocomplete=current-password]').fill(hana.password);
    await page.locator('button[type=submit]').click();
    await passFactor(page, hana);
    await page.getByRole('heading', { name: 'Portal' }).waitFor();
    await look(page, `consent ${language} ${scheme} ${width}`);
    await shoot(page, `consent-${language}`);
    await page.getByRole('button', { name: button, exact: true }).click();
    await page.waitForURL((at) => at.pathname === '/healthz');
    answers.push(new URL(page.url()).searchParams);
    await page.context().close();
  }
  equal(answers[0].get('code')?.slice(0, 4), 'skc_', 'a code for the program');
  equal(answers[0].get('state'), 'a b&c', 'its state');
  equal(answers[1].get('error'), 'access_denied', 'what it hears who was not allowed');
  equal(answers[1].get('code'), null, 'and no code');
});

// ---- the administrator's day

await test('an-account-from-beginning-to-end', async () => {
  const page = await open();
  await signIn(page, admin);
  await link(page, 'Accounts').click();
  await page.getByRole('button', { name: 'Add an account' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name').fill('小林 次郎');
  await dialog.getByLabel('Address before the @').fill('jiro');
  if (await dialog.getByRole('button', { name: 'Make one' }).count()) await dialog.getByRole('button', { name: 'Make one' }).click();
  await dialog.getByRole('button', { name: 'Add an account' }).click();
  const address = `jiro@${demo.domain}`;
  await page.getByRole('link', { name: address }).click();
  await page.getByRole('heading', { name: address, level: 1 }).waitFor();
  await page.getByRole('button', { name: 'Suspend' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Suspend' }).click();
  await page.getByText('This account is suspended').waitFor();
  equal((await ask('GET', `/accounts/${address}`)).state, 'suspended', 'the state');
  await page.getByRole('button', { name: 'Let it in again' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Let it in again' }).click();
  await page.getByText('This account is suspended').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Remove', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('heading', { name: 'Accounts', level: 1 }).waitFor();
  await page.getByRole('link', { name: address }).waitFor({ state: 'detached' });
  await page.context().close();
});

await test('an-account-is-contained-and-restored', async () => {
  const robbed = JSON.parse(process.env.ROBBED);
  const thief = await open();
  const refused = async (password) => {
    await thief.goto(url);
    await thief.locator('input[type=email]').fill(robbed.address);
    await thief.locator('input[autocomplete=current-password]').fill(password);
    await thief.locator('button[type=submit]').click();
    await thief.getByRole('alert').waitFor();
  };
  await refused(robbed.password);
  const page = await open();
  await signIn(page, admin);
  await link(page, 'Incidents').click();
  await page.locator('a[href*="#/incidents/"]', { hasText: robbed.address }).click();
  await page.getByText('This account is suspended').waitFor();
  await look(page, 'an incident');
  await shoot(page, 'incident');
  const [saved] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save the evidence' }).click()]);
  const evidence = JSON.parse(readFileSync(await saved.path()));
  equal(evidence.account, robbed.address, 'whose evidence it is');
  if (!evidence.recipients.length || !/^[0-9a-f]{64}$/.test(evidence.digest)) throw new Error('the evidence lacks its recipients or its digest');
  await page.getByRole('button', { name: 'Restore the account' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Held mail').selectOption('none');
  await dialog.getByRole('button', { name: 'Restore the account' }).click();
  await page.getByText('This account is suspended').waitFor({ state: 'detached' });
  equal((await ask('GET', `/held?address=${encodeURIComponent(robbed.address)}`)).length, 0, 'what is still held');
  await refused(robbed.password);
  await page.goto(`${url}/#/accounts/${encodeURIComponent(robbed.address)}`);
  await page.getByRole('button', { name: 'Set a new password' }).click();
  await page.getByRole('dialog').locator('input[autocomplete=new-password]').fill('kujira no uta wo kiku yoru ni');
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await refused(robbed.password);
  await signIn(thief, { address: robbed.address, password: 'kujira no uta wo kiku yoru ni' }); // her owner, by now
  await thief.context().close();
  await page.context().close();
});

await test('groups-and-aliases', async () => {
  const page = await open();
  await signIn(page, admin);
  await link(page, 'Groups and aliases').click();
  await page.getByRole('button', { name: 'Add a group' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Address').fill(`all@${demo.domain}`);
  await dialog.getByLabel('Members').fill(`${admin.address}\n${hana.address}`);
  await dialog.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('cell', { name: `all@${demo.domain}`, exact: true }).waitFor();
  await page.getByRole('button', { name: `Take ${hana.address} out` }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Take out' }).click();
  await page.getByRole('button', { name: `Take ${hana.address} out` }).waitFor({ state: 'detached' });
  equal((await ask('GET', `/groups/all@${demo.domain}`)).member.length, 1, 'members that stay');
  await page.context().close();
});

await test('the-dns-of-a-domain', async () => {
  const page = await open();
  await signIn(page, admin);
  await link(page, 'Domains and DNS').click();
  await page.getByRole('link', { name: demo.domain }).click();
  await page.getByRole('button', { name: 'Check the DNS now' }).click();
  await page.getByText('Records to publish').waitFor();
  await page.getByRole('button', { name: /^Copy TXT/ }).first().waitFor();
  await page.context().close();
});

await test('a-mail-is-followed', async () => {
  const page = await open();
  await signIn(page, admin);
  await link(page, 'Follow a mail').click();
  await page.getByLabel('To', { exact: true }).fill(hana.address);
  await page.getByRole('button', { name: 'Search' }).click();
  await page.getByText(/put into INBOX/).first().waitFor();
  await page.getByLabel('To', { exact: true }).fill(`nobody@${demo.domain}`);
  await page.getByRole('button', { name: 'Search' }).click();
  await page.getByText('No mail was found').waitFor();
  await page.context().close();
});

await test('the-posture-leads-to-what-mends-it', async () => {
  const page = await open();
  await signIn(page, admin);
  await link(page, 'Posture').click();
  await page.getByRole('heading', { name: 'More than one person administers the server' }).waitFor();
  const told = await ask('GET', '/posture');
  equal(await page.getByRole('heading', { level: 2 }).count(), told.checks.length, 'checks on the page');
  const dns = page.getByRole('region', { name: 'The DNS of each domain says what it should' });
  await dns.getByText(demo.domain).waitFor();
  await dns.getByRole('link', { name: 'Go there' }).click();
  await page.getByRole('heading', { name: 'Domains and DNS', level: 1 }).waitFor();
  await page.context().close();
});

/** Rows of the audit of this act by this person. */
const rows = async (who, act) => (await ask('GET', `/audit?who=${encodeURIComponent(who)}&act=${act}&limit=100`)).length;

/** A button, pressed in the console, leaves one row of this act and no more. */
async function pressed(who, act, press) {
  const before = await rows(who.address, act);
  await press();
  for (let i = 0; i < 100 && (await rows(who.address, act)) === before; i++) await new Promise((done) => { setTimeout(done, 100); });
  equal(await rows(who.address, act), before + 1, `rows of ${act}`);
}

await test('alerts-are-looked-at', async () => {
  const page = await open();
  await signIn(page, admin);
  await link(page, 'Alerts').click();
  await page.getByRole('button', { name: 'Add a rule' }).click();
  await page.getByRole('dialog').getByLabel('Rule').fill('aliases made');
  await page.getByRole('dialog').getByLabel('Act').fill('alias.add');
  await pressed(admin, 'alert.add', () => page.getByRole('dialog').getByRole('button', { name: 'Add a rule' }).click());
  await page.getByRole('button', { name: 'Remove the rule aliases made' }).waitFor();
  await ask('POST', '/aliases', { address: `alert@${demo.domain}`, target: [hana.address] });
  const button = page.getByRole('button', { name: /^I have looked at aliases made/ });
  for (let i = 0; i < 30 && !await button.count(); i++) {
    await page.waitForTimeout(1000);
    await page.reload();
    await settled(page);
  }
  await button.click();
  await page.getByRole('dialog').getByLabel('What you found').fill('planned');
  await look(page, 'alert dialog');
  await pressed(admin, 'alert.ack', () => page.getByRole('dialog').getByRole('button', { name: 'I have looked at it' }).click());
  await button.waitFor({ state: 'detached' });
  await page.getByRole('switch').press('Space');
  await page.getByText('planned').waitFor();
  await page.getByRole('button', { name: 'Remove the rule aliases made' }).click();
  await pressed(admin, 'alert.remove', () => page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click());
  await page.context().close();
});

await test('access-rules-are-confirmed-or-taken-back', async () => {
  const page = await open();
  await signIn(page, admin);
  await link(page, 'Access rules').click();
  const add = async (service, from) => {
    await page.getByRole('button', { name: 'Add a rule' }).click();
    await page.getByRole('dialog').getByLabel('Service').selectOption(service);
    await page.getByRole('dialog').getByLabel('From where').fill(from);
    await look(page, 'access dialog');
    await pressed(admin, 'access.add', () => page.getByRole('dialog').getByRole('button', { name: 'Add a rule' }).click());
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  };
  await add('imap', '192.0.2.0/24');
  await page.getByRole('cell', { name: '192.0.2.0/24' }).waitFor();
  await page.getByLabel('Address of the client').fill('192.0.2.7');
  await page.getByRole('button', { name: 'Try', exact: true }).click();
  await page.getByText('would be kept out').waitFor();
  await page.getByRole('button', { name: /^Remove rule/ }).click();
  await pressed(admin, 'access.remove', () => page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click());
  await page.getByText('There are no rules').waitFor();
  await page.context().close();
});

await test('somebody-leaves', async () => {
  const leaver = `leaver@${demo.domain}`;
  await ask('POST', '/accounts', { address: leaver, name: '退職 太郎' });
  const page = await open();
  await signIn(page, admin);
  await page.goto(`${url}/#/accounts/${encodeURIComponent(leaver)}`);
  await page.getByRole('heading', { name: leaver, level: 1 }).waitFor();
  const begin = page.getByRole('button', { name: 'Plan it' });
  await begin.click();
  const dialog = page.getByRole('dialog');
  await look(page, 'offboarding dialog');
  await pressed(admin, 'offboard.add', () => dialog.locator('button[type=submit]').click());
  equal((await ask('GET', `/accounts/${leaver}/offboard`)).address, leaver, 'what is planned');
  await settled(page);
  await look(page, 'account of a leaver');
  await page.context().close();
});

await test('mail-is-searched', async () => {
  const page = await open({ language: 'ja' });
  await signIn(page, hana);
  await page.goto(`${url}/#/search`);
  const asked = [];
  page.on('request', (request) => asked.push(request.url()));
  await page.getByLabel('検索する語').fill('sekisho-no-such-word');
  await page.getByRole('button', { name: '検索', exact: true }).click();
  await page.getByText('メールは見つかりませんでした').waitFor();
  await look(page, 'search without a result');
  await page.getByLabel('検索する語').fill('');
  await page.getByRole('button', { name: '検索', exact: true }).click();
  const first = page.getByRole('table', { name: '検索結果' }).getByRole('row').nth(1);
  await first.waitFor();
  const subject = (await first.getByRole('cell').first().locator('span').first().innerText()).trim();
  // Two characters of what was found find it again.
  const word = subject.replace(/[^\p{L}]/gu, '').slice(0, 2);
  await page.getByLabel('件名').fill(word);
  await page.getByRole('button', { name: '検索', exact: true }).click();
  await page.getByRole('table', { name: '検索結果' }).getByText(subject).first().waitFor();
  await look(page, 'search');
  await shoot(page, 'search-found');
  equal([page.url(), ...asked].some((u) => decodeURIComponent(u).includes(word)), false, 'the word in an address');
  await page.context().close();
});

await test('the-audit-is-whole', async () => {
  const page = await open();
  await signIn(page, admin);
  await link(page, 'Audit').click();
  await page.getByRole('button', { name: 'Verify the chain' }).click();
  await page.getByText(/^Whole: none of the/).waitFor();
  await page.getByRole('button', { name: /^Details of row/ }).first().click();
  await page.getByRole('dialog').getByText('From where').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.context().close();
});

await test('the-keyboard-is-enough', async () => {
  const page = await open();
  await page.goto(url);
  await page.getByLabel('Mail address').waitFor();
  await page.keyboard.type(admin.address);
  await page.keyboard.press('Tab');
  await page.keyboard.type(admin.password);
  await page.keyboard.press('Enter');
  await passFactor(page, admin);
  await page.waitForSelector('nav');
  await settled(page);
  await page.keyboard.press('Tab');
  equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the content', 'the first stop');
  await page.keyboard.press('Enter');
  equal(await page.evaluate(() => document.activeElement.id), 'main', 'where it leads');
  await page.context().close();
});

// ---- every page, as it looks

const PAGES = [
  ['overview', '#/overview'], ['posture', '#/posture'], ['queue', '#/queue'], ['trace', '#/trace'], ['incidents', '#/incidents'], ['accounts', '#/accounts'],
  ['account', `#/accounts/${encodeURIComponent(hana.address)}`], ['groups', '#/groups'], ['domains', '#/domains'],
  ['domain', `#/domains/${demo.domain}`], ['sign-ins', '#/signins'], ['protection', '#/protection'], ['audit', '#/audit'], ['alerts', '#/alerts'], ['access', '#/access'], ['settings', '#/settings'], ['search', '#/search'], ['me', '#/me'],
];
for (const [language, scheme, width] of [['en', 'light', 1280], ['ja', 'light', 1280], ['en', 'dark', 360], ['ja', 'dark', 1280], ['ja', 'light', 360]]) {
  await test(`every-page-${language}-${scheme}-${width}`, async () => {
    const page = await open({ language, scheme, width });
    await signIn(page, admin);
    for (const [name, place] of PAGES) {
      await page.goto(`${url}/${place}`);
      await page.evaluate(() => window.scrollTo(0, 0));
      await look(page, `${name} ${language} ${scheme} ${width}`);
      if (language === 'ja' || scheme === 'dark') await shoot(page, `${name}-${language}-${scheme}-${width}`);
    }
    await page.context().close();
  });
}

await browser.close();
process.exit(good ? 0 : 1);
