/** The procedures of docs/rotation.md about logs, run as they stand there, beside a service that issues all the time. */
import { execFileSync } from 'node:child_process';
import { cpSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { bundleFromJSON } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import { expect } from 'chai';
import { sign } from 'sigstore';
import { decodePem } from '../../core/pem.ts';
import { toHex } from '../../core/bytes.ts';
import { findExtension, parseCertificate } from '../../core/certificate.ts';
import { openDirectorySource } from '../../ct-log/directory-source.ts';
import { parseSct, parseSctList, SCT_LIST_OID } from '../../ct-log/format/sct.ts';
import { logKeys } from '../../ct-log/log-keys.ts';
import { proveCertificate } from '../../ct-log/proof.ts';
import { openService, type RunningService } from '../../service/open-service.ts';
import { parseTrustedRoot } from '../../trust/format/trusted-root.ts';
import { verifyCheckpoint } from '../../tlog/tree/verify-head.ts';
import { emailConfig } from '../support/data-directory.ts';
import { documentedCommands } from '../support/documented-commands.ts';
import { runMayfly, type MayflyResult } from '../support/mayfly.ts';
import { startIssuer, type TestIssuer } from '../support/oidc-issuer.ts';
import { bodyV2, clientKey, emailToken, post } from '../support/test-service.ts';

const LOCAL = { host: '127.0.0.1', port: 0 };
const EMAIL = 'alice@example.com';
const ARTIFACT = Buffer.from('what the client signs');

/** A certificate that a client received. */
interface Received {
  readonly pem: string;
  readonly der: Uint8Array;
  /** Whether the service was started anew before it was asked for. */
  readonly isAfter: boolean;
}

/** Between two requests of a client: each certificate is proven in the end, and a fast machine would make thousands. */
const PAUSE_MS = 50;

describe('docs/rotation.md: logs', function () {
  this.timeout(300_000);
  let cwd: string;
  let data: string;
  let issuer: TestIssuer;
  let service: RunningService | undefined;
  let events: unknown[];
  let received: Received[];
  let restarts: number;
  let loads: AbortController;
  let loading: Promise<unknown>;
  let isLoading = false;
  before(async () => {
    issuer = await startIssuer();
  });
  after(() => issuer.close());
  beforeEach(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'mayfly-log-rotation-'));
    data = join(cwd, 'data');
    [received, events, restarts] = [[], [], 0];
    loads = new AbortController();
    loading = Promise.resolve();
    await writeFile(join(cwd, 'passphrase'), 'a passphrase\n');
    const init = [
      'init',
      '--data',
      data,
      '--root-key-out',
      'root.key',
      '--origin',
      'ca.example.com/log/2026',
    ];
    ok(await run(...init, '--passphrase-file', 'passphrase'));
    await writeFile(
      join(data, 'config.yaml'),
      // All clients are one principal.
      emailConfig(
        issuer.url,
        '{ public-url: "https://ca.example.com", rate-limit: { principal: { per-minute: 100000, burst: 100000 } } }',
      ),
    );
    await start();
  });
  afterEach(async () => {
    await endLoad();
    await service?.close();
    await rm(cwd, { recursive: true, force: true });
  });

  const run = (...words: readonly string[]): Promise<MayflyResult> => runMayfly(words, { cwd });
  const ok = (result: MayflyResult): string => {
    expect(result.code, result.stderr).to.equal(0);
    return result.stdout;
  };
  const start = async (): Promise<void> => {
    const note = (bytes: Uint8Array): void => {
      for (const line of Buffer.from(bytes).toString().trim().split('\n'))
        events.push((JSON.parse(line) as Record<string, unknown>)['event']);
    };
    const logOutput = {
      write: (bytes: Uint8Array) => {
        note(bytes);
        return Promise.resolve();
      },
      writeNow: note,
    };
    const passphrase = 'a passphrase';
    const options = { data, listen: LOCAL, metricsListen: LOCAL, clock: Date.now, program: 'mayfly' };
    service = await openService({ ...options, passphrase, logOutput });
  };
  const restart = async (): Promise<void> => {
    await service?.close();
    service = undefined;
    restarts++;
    await start();
  };

  /** One request; what comes while no service is there comes again. */
  const ask = async (token: string): Promise<void> => {
    const isAfter = restarts > 0;
    const url = service?.url;
    const answer =
      url && (await post(`${url}/api/v2/signingCert`, bodyV2(token, clientKey())).catch(() => undefined));
    if (!answer) {
      await delay(20);
      return;
    }
    expect(answer.status).to.equal(200);
    const { signedCertificateEmbeddedSct } = (await answer.json()) as {
      signedCertificateEmbeddedSct: { chain: { certificates: string[] } };
    };
    const [pem = ''] = signedCertificateEmbeddedSct.chain.certificates;
    received.push({ pem, der: decodePem(pem)[0]?.bytes ?? new Uint8Array(), isAfter });
  };
  /** Clients that ask one after the other until {@link endLoad}. */
  const load = (clients = 3): void => {
    const client = async (): Promise<void> => {
      const token = await emailToken({ issuer });
      while (!loads.signal.aborted) {
        await ask(token);
        await delay(PAUSE_MS);
      }
    };
    isLoading = true;
    loading = Promise.all(Array.from({ length: clients }, client)).finally(() => {
      isLoading = false;
    });
    // The end of the load says why it failed.
    loading.catch(() => undefined);
  };
  const endLoad = async (): Promise<void> => {
    loads.abort();
    await loading;
  };
  /** Waits until so many more certificates came. */
  const more = async (count = 20): Promise<void> => {
    const wanted = received.length + count;
    while (isLoading && received.length < wanted) await delay(20);
  };

  /** A start after a switch ends the log before, beside its first requests. */
  const restartAndEnd = async (outputs: readonly string[]): Promise<void> => {
    await restart();
    if (!outputs.at(-1)?.includes('The next start ends it')) return;
    for (const end = Date.now() + 60_000; !events.includes('former log ended') && Date.now() < end;)
      await delay(20);
    expect(events).to.include('former log ended');
  };

  /** Runs the commands of a section; `times` says what TIME and T are by then, `logIds` what LOGID1 and LOGID2. */
  const replay = async (
    heading: string,
    times: () => Promise<string>,
    logIds: readonly string[] = [],
  ): Promise<string[]> => {
    const outputs: string[] = [];
    for (const line of await documentedCommands('rotation.md', heading)) {
      const time = / (?:TIME|T) /.test(line) ? await times() : '';
      const command = line
        .replaceAll('/var/lib/mayfly', data)
        .replaceAll('/run/secrets/mayfly', join(cwd, 'passphrase'))
        .replace(/ (?:TIME|T) /, ` ${time} `)
        .replace(/\bLOGID(\d)\b/, (_, number) => logIds[Number(number) - 1] ?? '');
      if (/^systemctl (?:re)?start mayfly$/.test(command)) await restartAndEnd(outputs);
      else if (command.startsWith('mayfly ')) outputs.push(ok(await run(...command.split(' ').slice(1))));
      else outputs.push(execFileSync('sh', ['-ec', command], { cwd, encoding: 'utf8' }));
      await more();
    }
    return outputs;
  };
  const logIdOf = (der: Uint8Array): string => {
    const list = findExtension(parseCertificate(der), SCT_LIST_OID);
    const [sct] = list === undefined ? [] : parseSctList(list.value).map(parseSct);
    return sct === undefined ? '' : toHex(sct.logId);
  };
  /** Proves each of the certificates in the log of that name; returns how many entries that has. */
  const proveAll = async (name: string, certificates: readonly Received[]): Promise<number> => {
    const source = await openDirectorySource(join(data, 'logs', name));
    const checkpoint = await source.checkpoint();
    const verified = verifyCheckpoint(checkpoint, logKeys(source.identity));
    const indexes = new Set<number>();
    for (const { der } of certificates) {
      expect(logIdOf(der)).to.equal(toHex(source.identity.logId));
      const { logId } = source.identity;
      indexes.add((await proveCertificate({ source, logId, checkpoint, verified }, der)).index);
    }
    expect(indexes.size, 'each has a place of its own').to.equal(certificates.length);
    return verified.size;
  };
  const inLog = async (name: string): Promise<Received[]> => {
    const { identity } = await openDirectorySource(join(data, 'logs', name));
    return received.filter(({ der }) => logIdOf(der) === toHex(identity.logId));
  };

  /** By our verifier, with the exported files. */
  const verifyOne = async (
    certificate: Received | undefined,
    ...options: string[]
  ): Promise<MayflyResult> => {
    await writeFile(join(cwd, 'cert.pem'), certificate?.pem ?? '');
    const who = ['--identity', EMAIL, '--issuer', issuer.url];
    return run('verify', 'certificate', 'cert.pem', '--trust', 'trust', ...who, ...options);
  };
  /** A signature of a stock client, with its certificate and timestamp. */
  const signed = async (): Promise<unknown> =>
    sign(ARTIFACT, {
      fulcioURL: service?.url ?? '',
      tsaServerURL: service?.url ?? '',
      tlogUpload: false,
      identityToken: await emailToken({ issuer }),
    });
  /** By a stock verifier, with the exported `trusted_root.json` alone. */
  const verifyBundle = async (bundle: unknown): Promise<void> => {
    const root = JSON.parse(await readFile(join(cwd, 'trust/trusted_root.json'), 'utf8')) as unknown;
    const thresholds = { ctlogThreshold: 1, tlogThreshold: 0, timestampThreshold: 1 };
    const verifier = new Verifier(toTrustMaterial(TrustedRoot.fromJSON(root)), thresholds);
    verifier.verify(toSignedEntity(bundleFromJSON(bundle), ARTIFACT), {
      subjectAlternativeName: EMAIL,
      extensions: { issuer: issuer.url },
    });
  };

  it('has a new log each year: no certificate is lost, and those from before, during and after verify', async () => {
    load();
    await more();
    const bundles = [await signed()];
    const before = received.length;
    const printed: string[] = [];
    const outputs = await replay('## A new log each year', async () => {
      bundles.push(await signed());
      const { stdout } = await run(
        'log',
        'rotate',
        '--data',
        data,
        '--switch',
        '--passphrase-file',
        'passphrase',
      );
      const [, time = ''] = / --log 2026 --at (\S+) --reason superseded$/m.exec(stdout) ?? [];
      printed.push(time);
      return time;
    });
    bundles.push(await signed());
    await more();
    await endLoad();
    expect(printed[0]).to.match(/^20\d\d-/);
    expect(outputs[0], 'what is next, to be pasted').to.include(
      ` log rotate --data ${data} --switch --passphrase-file ${join(cwd, 'passphrase')}`,
    );
    const again = await run('log', 'rotate', '--data', data, '--switch', '--passphrase-file', 'passphrase');
    expect(again.stdout, 'what was done is not asked for again')
      .to.include(`Verifiers are to believe nothing of it from after ${printed[0] ?? ''}: that is recorded.`)
      .and.not.include('trust end');
    expect(outputs.join('\n')).to.match(/a service writes to it[^]*ca\.example\.com\/log\/2026 ended at/);

    // None was lost, and none came into the former log afterwards.
    const [old, young] = [await inLog('2026'), await inLog('2027')];
    expect(old.length + young.length).to.equal(received.length);
    expect(received.filter(({ isAfter }) => isAfter).length).to.be.greaterThan(40);
    expect(old.every(({ isAfter }) => !isAfter)).to.equal(true);
    await service?.close();
    expect(await proveAll('2026', old)).to.be.at.least(old.length);
    // Three more are those of the stock client.
    expect(await proveAll('2027', young)).to.be.at.least(young.length);
    await start();

    ok(await run('trust', 'export', '--data', data, '--out', 'trust'));
    for (const certificate of [received[0], received[before], received.at(-1)])
      ok(await verifyOne(certificate));
    for (const [name, certificate] of [
      ['2026', old.at(-1)],
      ['2027', young.at(-1)],
    ] as const) {
      await writeFile(join(cwd, 'cert.pem'), certificate?.pem ?? '');
      ok(await run('log', 'proof', 'cert.pem', '--data', data, '--log', name, '--out', 'cert.tlog-proof'));
      ok(await verifyOne(certificate, '--proof', 'cert.tlog-proof', '--require-inclusion'));
      const url = `${service?.url ?? ''}/log/${name}`;
      ok(await run('log', 'check', '--url', url, '--trust', 'trust'));
    }
    for (const bundle of bundles) await verifyBundle(bundle);
    const { certificateLogs } = parseTrustedRoot(
      await readFile(join(cwd, 'trust/trusted_root.json'), 'utf8'),
    );
    expect(certificateLogs.map(({ baseUrl, window }) => [baseUrl, window.end === undefined])).to.deep.equal([
      ['https://ca.example.com/log/2027/', true],
      ['https://ca.example.com/log/2026/', false],
    ]);
    const described = (await (await fetch(`${service?.url ?? ''}/log/2026/log.v3.json`)).json()) as object;
    expect(described).to.deep.include({ status: 'readonly' }).and.to.have.property('final_tree_head');
    expect((await readdir(join(data, 'keys'))).filter((name) => name.startsWith('log-2026'))).to.deep.equal(
      [],
    );
  });

  it('has the key of a log stolen: what was logged before verifies, what came later does not', async () => {
    await ask(await emailToken({ issuer }));
    await delay(1100);
    const T = `${new Date().toISOString().slice(0, 19)}Z`;
    await delay(1100);
    await ask(await emailToken({ issuer }));
    // A log is staged, and served already.
    ok(
      await run(
        ...`log rotate --data ${data} --stage --origin ca.example.com/log/2027 --passphrase-file passphrase`.split(
          ' ',
        ),
      ),
    );
    const names = async (): Promise<readonly string[]> => {
      const answer = await fetch(`${service?.url ?? ''}/log/`);
      return ((await answer.json()) as { logs: { name: string }[] }).logs.map(({ name }) => name);
    };
    while ((await names()).length < 2) await delay(50);
    const waiting = (await names()).find((name) => name !== '2026') ?? '';
    const outputs = await replay('## A stolen key of a log', () => Promise.resolve(T));
    expect(outputs[0]).to.match(/is trusted for no time any more\n {2}Log id/);
    await ask(await emailToken({ issuer }));
    const [honest, late, young] = received;
    ok(await verifyOne(honest));
    const refused = await verifyOne(late);
    expect(refused.code).to.equal(1);
    ok(await verifyOne(young));
    expect((await names())[0]).to.equal('2026b');
    expect(await names()).to.not.include(waiting);
  });

  for (const [what, kept] of [
    ['was restored from a backup', /./],
    ['lost its disk', /^(?!.*logs\/2026\/(?!log\.json)).*$/],
  ] as const)
    it(`has a directory that ${what}: certificates verify also if the restored log never had them`, async () => {
      await ask(await emailToken({ issuer }));
      await service?.close();
      cpSync(data, join(cwd, 'backup'), { recursive: true, filter: (path) => kept.test(path) });
      await start();
      await ask(await emailToken({ issuer }));
      await service?.close();
      ok(await run('trust', 'export', '--data', data, '--out', 'trust'));
      const { artifactLogs } = parseTrustedRoot(await readFile(join(cwd, 'trust/trusted_root.json'), 'utf8'));
      await rm(data, { recursive: true });
      cpSync(join(cwd, 'backup'), data, { recursive: true });
      const TIME = `${new Date(Date.now() + 2000).toISOString().slice(0, 19)}Z`;
      const logIds = artifactLogs.map(({ logId }) => Buffer.from(logId).toString('base64'));
      await replay('## A restored backup', () => Promise.resolve(TIME), logIds);
      await ask(await emailToken({ issuer }));
      expect(received).to.have.length(3);
      for (const certificate of received) ok(await verifyOne(certificate));
      expect(await inLog('2026b')).to.have.length(1);
      expect(events).not.to.include('former log ended');
    });
});
