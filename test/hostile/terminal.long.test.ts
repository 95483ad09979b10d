/**
 * What a malicious service, log, token or file says, at every exit to a person: terminals, service logs, audit lines and
 * pages get nothing that paints, hides or turns its direction.
 */
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { refusedLine } from '../../audit/audit-line.ts';
import { refusedDecision } from '../../ca/decision.ts';
import { issuedDecision } from '../audit/support/decisions.ts';
import { deviceConfirmPage, errorNote, loginPage, outOfBandPage } from '../../dev/pages.ts';
import { createServiceLog } from '../../server/operator/service-log.ts';
import { runMayfly } from '../support/mayfly.ts';
import { rawToken } from '../support/raw-token.ts';

/** Everything at once, with a line of its own that would look like one of ours. */
const EVIL = 'x\x1b[2J\x9b31m\x7f\u202e\u200b\u2028\u2067\u{e0041}\ufe0f\ud800\x85\r\nVerified: you';
// eslint-disable-next-line no-control-regex -- all that a terminal may obey
const HARMLESS = /^(?:\n|(?![\p{C}\p{Zl}\p{Zp}\p{DI}])[^\x00-\x1f])*$/u;

describe('hostile: what reaches a terminal', function () {
  this.timeout(60_000);
  let server: Server;
  let url: string;
  let directory: string;
  /** What the service sends, whatever it is asked. */
  let answer: readonly [status: number, body: string];

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mayfly-terminal-'));
    server = createServer((_, response) => {
      response.writeHead(answer[0], { 'content-type': 'application/json' });
      response.end(answer[1]);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(async () => {
    server.close();
    await rm(directory, { recursive: true });
  });

  /** Runs a command as text and as JSON; everything that it writes must be harmless. */
  async function expectHarmless(words: readonly string[], stdin?: string): Promise<string> {
    const env = { MAYFLY_DEBUG: '1' };
    const run = (more: string[]) =>
      runMayfly([...words, ...more], { cwd: directory, env, ...(stdin === undefined ? {} : { stdin }) });
    const [text, json] = [await run([]), await run(['--json'])];
    for (const out of [text.stdout, text.stderr, json.stdout, json.stderr]) expect(out).to.match(HARMLESS);
    expect(text.stdout + text.stderr).not.to.match(/^Verified: you/m);
    return text.stdout + text.stderr;
  }

  it('of refusals and reasons of a service', async () => {
    const metadata = { sentence: EVIL, hint: EVIL, requestId: EVIL };
    answer = [400, JSON.stringify({ code: 3, message: EVIL, details: [{ reason: EVIL, metadata }] })];
    await writeFile(
      join(directory, 'token'),
      rawToken({ alg: 'ES256' }, JSON.stringify({ iss: 'x', sub: 'y' })),
    );
    const said = await expectHarmless(['certificate', '--url', url, '--token-file', 'token']);
    expect(said).to.include('\\u{1b}[2J');
  });

  it('of the names that a token brings', async () => {
    answer = [200, JSON.stringify({ issuers: [], chains: [] })];
    const claims = { iss: EVIL, sub: EVIL, email: EVIL, email_verified: false };
    const token = rawToken({ alg: 'ES256' }, JSON.stringify(claims));
    await expectHarmless(['certificate', '--url', url, '--token-file', '-'], token);
  });

  it('of a log that a service offers', async () => {
    for (const body of [
      { logs: [{ name: EVIL }] },
      { description: EVIL, log_id: 'AA==', key: 'AA==' },
      EVIL,
    ]) {
      answer = [200, JSON.stringify(body)];
      for (const command of ['status', 'check']) await expectHarmless(['log', command, '--url', url]);
    }
  });

  it('of files that are no certificates, no proofs and no keys', async () => {
    await writeFile(join(directory, 'evil.pem'), `-----BEGIN ${EVIL}-----\n${EVIL}\n-----END ${EVIL}-----\n`);
    await writeFile(join(directory, 'log.vkey'), `${EVIL}+00000000+${EVIL}\n`);
    await expectHarmless(['verify', 'certificate', 'evil.pem', '--trust', '.', '--any-identity']);
    await expectHarmless(['log', 'status', '--url', `${url}/${EVIL}`, '--trust', '.']);
    await expectHarmless([
      'verify',
      'certificate',
      EVIL.slice(1),
      '--trust',
      EVIL.slice(1),
      '--any-identity',
    ]);
  });

  it('of a configuration', async () => {
    const yaml = `oidc-issuers:\n  ${JSON.stringify(EVIL)}:\n    issuer-url: ${JSON.stringify(EVIL)}\n    type: ${JSON.stringify(EVIL)}\n`;
    await writeFile(join(directory, 'config.yaml'), yaml);
    await expectHarmless(['config', 'check', 'config.yaml']);
  });

  it('or stands in the service log and the audit, which people read on one', () => {
    const lines: string[] = [];
    const log = createServiceLog({ write: (line) => void lines.push(line) }, 'info');
    const evil = { issuerBlock: EVIL, issuer: EVIL, principal: EVIL };
    log.issued({ ...issuedDecision(), ...evil });
    log.refused({
      requestId: 'r',
      client: '127.0.0.1',
      status: 500,
      reason: 'X',
      sentence: EVIL,
      ms: 1,
      level: 'error',
      cause: new Error(EVIL),
    });
    log.note('error', EVIL, { [EVIL]: EVIL });
    lines.push(
      refusedLine(refusedDecision({ requestId: 'r', address: '', ms: 1 }, new Error(EVIL), evil), 'X', 0),
    );
    expect(lines).to.have.length(4);
    for (const one of lines) {
      expect(one).to.match(HARMLESS);
      expect(one.trimEnd().split('\n')).to.have.length(1);
    }
    expect((JSON.parse(lines[0] ?? '') as { principal: string }).principal).to.equal(EVIL);
  });

  it('or is read on a page of the development provider', () => {
    const view = { action: '/', csrf: 'c', email: '', destination: EVIL, error: EVIL };
    const pages = [
      loginPage(view),
      errorNote(EVIL),
      outOfBandPage(EVIL),
      deviceConfirmPage({ action: '/', xsrf: 'x', userCode: EVIL }).replace(
        /<input[^>]*name="user_code"[^>]*>/,
        '',
      ),
    ];
    for (const page of pages) expect(page).to.match(HARMLESS);
  });
});
