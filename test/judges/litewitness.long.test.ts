/** litewitness, a witness of other people's, as the judge of how a log asks for cosignatures. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { cpSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import type { CtLog } from '../../ct-log/ct-log.ts';
import { logKeys } from '../../ct-log/log-keys.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { parseCheckpoint } from '../../tlog/format/checkpoint.ts';
import { encodeVkey, makeVkey } from '../../tlog/format/vkey.ts';
import { parseWitnessPolicy } from '../../tlog/format/witness-policy.ts';
import { requireQuorum } from '../../tlog/tree/cosignatures.ts';
import { toBase64, utf8 } from '../../core/bytes.ts';
import { entry, testLog, type TestLog } from '../ct-log/support/test-log.ts';
import { failureAs } from '../support/failure.ts';
import { skipUnless } from '../support/skipped.ts';
import { freePort } from '../../bench/free-port.ts';
import { needClient } from './support/stock-clients.ts';

const NAME = 'litewitness.example.org/w';

describe('litewitness', function () {
  this.timeout(1_200_000);
  let test: TestLog;
  let program: string;
  let policyText: string;
  const running: ChildProcess[] = [];

  const hasSsh = (): boolean => {
    try {
      execFileSync('ssh-agent', ['-h'], { stdio: 'ignore' });
      return true;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code !== 'ENOENT';
    }
  };

  before(async function () {
    program = await needClient(this, 'litewitness-0.9.0');
    skipUnless(this, hasSsh(), 'there is no ssh-agent, which litewitness signs by');
    test = await testLog();
    const at = (name: string): string => join(test.root, name);
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at('key')]);
    running.push(spawn('ssh-agent', ['-D', '-a', at('agent')], { stdio: 'ignore' }));
    const env = { ...process.env, SSH_AUTH_SOCK: at('agent') };
    for (let tries = 0; ; tries++)
      try {
        execFileSync('ssh-add', ['-q', at('key')], { env, stdio: 'pipe' });
        break;
      } catch (error) {
        if (tries > 100) throw error;
        await delay(50);
      }
    const [, fingerprint = ''] = execFileSync('ssh-keygen', ['-lf', at('key.pub')], {
      encoding: 'utf8',
    }).split(' ');
    // Its tables, with the key of Ed25519 of the log.
    const [, key] = logKeys(test.identity);
    const database = new DatabaseSync(at('litewitness.db'));
    database.exec(
      'CREATE TABLE log (origin TEXT PRIMARY KEY, tree_size INTEGER NOT NULL, tree_hash TEXT NOT NULL);' +
        'CREATE TABLE key (origin TEXT NOT NULL, key TEXT NOT NULL, FOREIGN KEY(origin) REFERENCES log(origin));',
    );
    const { origin } = test.identity;
    database.prepare('INSERT INTO log VALUES (?, 0, ?)').run(origin, toBase64(sha256(utf8(''))));
    database.prepare('INSERT INTO key VALUES (?, ?)').run(origin, encodeVkey(key));
    database.close();
    const listen = `127.0.0.1:${await freePort()}`;
    const words = [
      '-name',
      NAME,
      '-key',
      fingerprint,
      '-db',
      at('litewitness.db'),
      '-ssh-agent',
      at('agent'),
      '-listen',
      listen,
    ];
    running.push(spawn(program, words, { stdio: 'ignore' }));
    const url = `http://${listen}`;
    while (
      !(await fetch(url).then(
        () => true,
        () => false,
      ))
    )
      await delay(50);
    const raw = Buffer.from(readFileSync(at('key.pub'), 'utf8').split(' ')[1] ?? '', 'base64').subarray(-32);
    policyText = `witness lite ${encodeVkey(makeVkey(sha256, NAME, 'cosignature', raw))} ${url}\nquorum lite\n`;
  });
  after(async () => {
    for (const child of running) child.kill();
    await (test as TestLog | undefined)?.remove();
  });

  const open = (directory = test.directory, signingTimeoutMs = 30_000): Promise<CtLog> =>
    test.open({
      directory,
      witnesses: { policy: parseWitnessPolicy(sha256, policyText), isRequired: true, timeoutMs: 10_000 },
      limits: { signingTimeoutMs },
    });

  it('cosigns every head of a log, and the cosignatures hold', async () => {
    const log = await open();
    for (let i = 0; i < 5; i++) {
      await Promise.all(Array.from({ length: 70 }, (_, j) => log.append(entry(70 * i + j))));
      const checkpoint = parseCheckpoint(log.reader.checkpoint());
      expect(requireQuorum(checkpoint, parseWitnessPolicy(sha256, policyText))).to.have.lengthOf(1);
    }
    expect(log.status().size).to.equal(350);
    await log.close();
  });

  it('has no cosignature for a log that was put back, without which nothing is released', async () => {
    const copy = join(test.root, 'copy');
    cpSync(test.directory, copy, { recursive: true });
    const log = await open();
    await log.append(entry(1000));
    await log.close();
    const old = await open(copy, 3_000);
    const error = await failureAs(LogError, old.append(entry(1001)));
    expect([error.code, error.mayBeLogged]).to.deep.equal(['LOG_UNAVAILABLE', true]);
    // It serves no checkpoint: its word alone, which nobody signed, is no proof that stops a log for good.
    expect(old.status().witnesses?.witnesses[0]?.failure).to.match(
      /(says that it has cosigned 351 entries|does not take this log for the one .*), and shows no such head/,
    );
    await old.close();
    rmSync(copy, { recursive: true });
  });
});
