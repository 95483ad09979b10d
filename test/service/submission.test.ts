/** Other CAs hand in certificates to the log of a service: over HTTP, with everything real. */
import { createHash, createPublicKey, verify } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { AuditError } from '../../audit/audit-error.ts';
import { fromBase64, toBase64, toHex } from '../../core/bytes.ts';
import { encodePem } from '../../core/pem.ts';
import { parseCertificate } from '../../core/certificate.ts';
import { checkDirectory } from '../../ct-log/check-directory.ts';
import { openDirectorySource } from '../../ct-log/directory-source.ts';
import { parseDigitallySigned } from '../../ct-log/format/digitally-signed.ts';
import { encodeLeaf } from '../../ct-log/format/leaf.ts';
import { loggedTbs } from '../../ct-log/logged-tbs.ts';
import { Submissions } from '../../ct-log/submission/submissions.ts';
import { SubmittedChains } from '../../ct-log/submission/submitted-chain.ts';
import { certificateLogPaths, dataPaths } from '../../instance/data-paths.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { derOf, outsideCa, type OutsideCa } from '../ct-log/support/outside-ca.ts';
import { emailConfig, makeDataDirectory } from '../support/data-directory.ts';
import { startIssuer, type TestIssuer } from '../support/oidc-issuer.ts';
import { openQuietly, type QuietService } from '../support/quiet-service.ts';
import { bodyV2, clientKey, emailToken, post, startTestService } from '../support/test-service.ts';

interface SctJson {
  readonly sct_version: number;
  readonly id: string;
  readonly timestamp: number;
  readonly extensions: string;
  readonly signature: string;
}

type Call = 'add-chain' | 'add-pre-chain';

const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

describe('service: submission by other CAs', () => {
  let root: string;
  let data: string;
  let ca: OutsideCa;
  let issuer: TestIssuer;
  const services: QuietService[] = [];

  before(async () => {
    [issuer, ca] = [await startIssuer(), await outsideCa()];
  });
  after(() => issuer.close());
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'mayfly-submission-'));
    data = join(root, 'data');
    await makeDataDirectory(data, { config: emailConfig(issuer.url) });
    await writeFile(join(root, 'roots.pem'), encodePem('CERTIFICATE', derOf(ca.root)));
  });
  afterEach(async () => {
    await Promise.all(services.splice(0).map((service) => service.close()));
    await rm(root, { recursive: true, force: true });
  });

  /** A service that takes submissions, with these settings beside the roots; `more` is for the rest of the section `mayfly`. */
  const open = async (settings = '', more = '', workers = 1): Promise<QuietService> => {
    const submission = `{ roots: ${join(root, 'roots.pem')}${settings === '' ? '' : `, ${settings}`} }`;
    await writeFile(
      join(data, 'config.yaml'),
      emailConfig(issuer.url, `{ log: { submission: ${submission} }${more} }`),
    );
    const service = await openQuietly(data, { workers });
    services.push(service);
    return service;
  };
  const submit = (
    service: Pick<QuietService, 'logUrl'>,
    call: Call,
    chain: readonly Uint8Array[],
  ): Promise<Response> =>
    fetch(`${service.logUrl}/ct/v1/${call}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ chain: chain.map(toBase64) }),
    });
  const sctOf = async (answer: Response): Promise<SctJson> => {
    expect(answer.status, await answer.clone().text()).to.equal(200);
    return (await answer.json()) as SctJson;
  };
  const chainOf = async (): Promise<readonly Uint8Array[]> => [await ca.precertificate(), derOf(ca.issuing)];
  const read = async (service: QuietService, path: string): Promise<Record<string, unknown>> =>
    (await (await fetch(`${service.logUrl}/${path}`)).json()) as Record<string, unknown>;
  const size = async (service: QuietService): Promise<unknown> =>
    (await read(service, 'ct/v1/get-sth'))['tree_size'];
  const issue = async (service: QuietService): Promise<number> =>
    (await post(`${service.url}/api/v2/signingCert`, bodyV2(await emailToken({ issuer }), clientKey())))
      .status;

  /** Whether the log's key signed the SCT over that precertificate. */
  const holds = async (
    service: QuietService,
    sct: SctJson,
    [precertificate = new Uint8Array(), issuing = new Uint8Array()]: readonly Uint8Array[],
  ): Promise<boolean> => {
    const { key } = (await read(service, 'log.v3.json')) as { readonly key: string };
    const leaf = encodeLeaf({
      entry: {
        type: 'precert',
        issuerKeyHash: sha256(parseCertificate(issuing).spki),
        tbs: loggedTbs(precertificate),
      },
      timestamp: sct.timestamp,
      extensions: fromBase64(sct.extensions),
    });
    const publicKey = createPublicKey({ key: Buffer.from(key, 'base64'), format: 'der', type: 'spki' });
    expect(sct.id).to.equal(sha256(Buffer.from(key, 'base64')).toString('base64'));
    return verify('sha256', leaf, publicKey, parseDigitallySigned(fromBase64(sct.signature)).signature);
  };

  it('takes nothing unless it is switched on', async () => {
    const service = await openQuietly(data);
    services.push(service);
    const answer = await submit(service, 'add-pre-chain', await chainOf());
    expect(answer.status).to.equal(404);
    expect((await read(service, 'ct/v1/get-roots'))['certificates']).to.have.length(1);
  });

  it('logs a precertificate and a certificate, and answers with SCTs that hold', async () => {
    const service = await open();
    expect(await issue(service)).to.equal(200);
    const chain = await chainOf();
    const sct = await sctOf(await submit(service, 'add-pre-chain', chain));
    expect(sct.sct_version).to.equal(0);
    expect(toHex(fromBase64(sct.extensions))).to.equal('0000050000000001');
    expect(await holds(service, sct, chain)).to.equal(true);
    await sctOf(
      await submit(service, 'add-chain', [await ca.certificate(), derOf(ca.issuing), derOf(ca.root)]),
    );
    const by = ca.precertificateSigner;
    const forOther = [await ca.precertificate({ by }), derOf(by), derOf(ca.issuing)];
    await sctOf(await submit(service, 'add-pre-chain', forOther));
    expect(await issue(service)).to.equal(200);
    expect(await size(service)).to.equal(5);
    const { entries } = (await read(service, 'ct/v1/get-entries?start=0&end=4')) as { entries: unknown[] };
    expect(entries).to.have.length(5);
    const issuing = await fetch(`${service.logUrl}/issuer/${sha256(derOf(ca.issuing)).toString('hex')}`);
    expect(toHex(new Uint8Array(await issuing.arrayBuffer()))).to.equal(toHex(derOf(ca.issuing)));
    const roots = (await read(service, 'ct/v1/get-roots'))['certificates'] as string[];
    expect(roots).to.have.length(2);
    expect(roots[1]).to.equal(toBase64(derOf(ca.root)));
    await services.pop()?.close();
    // Structure, signatures and chains of all entries, also of the one in the name of another CA.
    const { directory } = certificateLogPaths(dataPaths(data), '2026');
    expect(await checkDirectory(await openDirectorySource(directory))).to.deep.include({
      ok: true,
      entries: 5,
    });
  });

  it('logs the same once, with the time of the first, also after a restart and when it comes many times at once', async () => {
    const chain = await chainOf();
    const first = await open();
    const [sct, ...others] = await Promise.all(
      Array.from({ length: 8 }, async () => sctOf(await submit(first, 'add-pre-chain', chain))),
    );
    if (sct === undefined) throw new Error('there are eight');
    const same = ({ timestamp, extensions, id }: SctJson): unknown => ({ timestamp, extensions, id });
    for (const other of others) expect(same(other)).to.deep.equal(same(sct));
    await sctOf(await submit(first, 'add-pre-chain', await chainOf()));
    await services.pop()?.close();
    await rm(join(certificateLogPaths(dataPaths(data), '2026').directory, 'identities.db'), { force: true });
    const second = await open();
    expect(await issue(second)).to.equal(200);
    const again = await (async () => {
      for (;;) {
        const answer = await submit(second, 'add-pre-chain', [...chain, derOf(ca.root)]);
        if (answer.status !== 503) return sctOf(answer);
        expect(answer.headers.get('retry-after')).to.equal('1');
        expect(await answer.text()).to.match(/^it is not known yet whether the log has this already/);
      }
    })();
    expect(same(again)).to.deep.equal(same(sct));
    expect(await holds(second, again, chain)).to.equal(true);
    expect(await size(second)).to.equal(3);
  });

  it('refuses in the words of the log, with what to do, and keeps nothing of what it refused', async () => {
    const service = await open();
    const [precertificate = new Uint8Array(), issuing = new Uint8Array()] = await chainOf();
    const elsewhere = await outsideCa('Elsewhere');
    const rows: readonly (readonly [Call, readonly Uint8Array[], number, RegExp])[] = [
      [
        'add-chain',
        [precertificate, issuing],
        400,
        /^this is a precertificate\nSend it to add-pre-chain\.\n$/,
      ],
      ['add-pre-chain', [precertificate], 400, /^no root that this log accepts is .*\nget-roots lists/],
      [
        'add-pre-chain',
        [await elsewhere.precertificate(), derOf(elsewhere.issuing)],
        400,
        /^no root that this log accepts/,
      ],
      [
        'add-pre-chain',
        [precertificate.subarray(0, 100), issuing],
        400,
        /^a certificate of the chain cannot be read/,
      ],
      ['add-chain', Array.from({ length: 9 }, () => issuing), 413, /^the chain has more than 8/],
    ];
    for (const [call, chain, status, text] of rows) {
      const answer = await submit(service, call, chain);
      expect([answer.status, answer.headers.get('content-type')]).to.deep.equal([
        status,
        'text/plain; charset=utf-8',
      ]);
      expect(await answer.text()).to.match(text);
    }
    const bodies: readonly (readonly [string, number, RegExp])[] = [
      ['', 400, /^the body is no submission/],
      ['{"chain":"AA=="}', 400, /the chain is no list/],
      ['{"chain":[1]}', 400, /no text/],
      ['{"chain":["AA"]}', 400, /not padded/],
      ['{"chain":[],"more":1}', 400, /no object with a chain and nothing else/],
      ['{"chain":[],"chain":[]}', 400, /twice/],
      [`{"chain":[${'['.repeat(9)}`, 400, /nested deeper/],
      [`{"chain":["${'A'.repeat(140_000)}"]}`, 400, /128 KiB/],
    ];
    for (const [body, status, text] of bodies) {
      const answer = await fetch(`${service.logUrl}/ct/v1/add-chain`, { method: 'POST', body });
      expect(answer.status).to.equal(status);
      expect(await answer.text()).to.match(text);
    }
    const read405 = await fetch(`${service.logUrl}/ct/v1/add-chain`);
    expect([read405.status, read405.headers.get('allow')]).to.deep.equal([405, 'POST']);
    expect(await size(service)).to.equal(0);
    const metrics = await (await fetch(`${service.metricsUrl}/metrics`)).text();
    expect(metrics).to.match(/mayfly_submissions_total\{outcome="SUBMISSION_TYPE"\} 1/);
  });

  it('takes none of its own certificates', async () => {
    const chain = await readFile(dataPaths(data).chain, 'utf8');
    await writeFile(join(root, 'roots.pem'), chain.slice(chain.lastIndexOf('-----BEGIN')));
    const service = await open();
    const answer = await post(
      `${service.url}/api/v2/signingCert`,
      bodyV2(await emailToken({ issuer }), clientKey()),
    );
    const { signedCertificateEmbeddedSct: signed } = (await answer.json()) as {
      signedCertificateEmbeddedSct: { chain: { certificates: string[] } };
    };
    const ders = signed.chain.certificates.map(
      (pem) => new Uint8Array(Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64')),
    );
    const refused = await submit(service, 'add-chain', ders);
    expect(await refused.text()).to.match(/^the certificate names the CA of this log as its issuer/);
    expect(await size(service)).to.equal(1);
  });

  it('limits each client, and says when to come back', async () => {
    const service = await open('rate-limit: { per-minute: 1, burst: 2 }');
    const statuses = [];
    for (let i = 0; i < 3; i++)
      statuses.push((await submit(service, 'add-pre-chain', await chainOf())).status);
    expect(statuses).to.deep.equal([200, 200, 429]);
    const answer = await submit(service, 'add-pre-chain', await chainOf());
    expect(Number(answer.headers.get('retry-after'))).to.be.greaterThan(1);
    // Nobody else pays for it.
    expect(await issue(service)).to.equal(200);
  });

  it('works on a bounded number at once, beside which it issues', async () => {
    const service = await open('max-in-flight: 1');
    const chains = await Promise.all(Array.from({ length: 12 }, chainOf));
    const [statuses, issued] = await Promise.all([
      Promise.all(chains.map(async (chain) => (await submit(service, 'add-pre-chain', chain)).status)),
      Promise.all(Array.from({ length: 12 }, () => issue(service))),
    ]);
    expect(statuses).to.include(200).and.to.include(503);
    expect(new Set(issued)).to.deep.equal(new Set([200]));
    expect((await fetch(`${service.metricsUrl}/readyz`)).status).to.equal(200);
  });

  it('takes them over several threads, and knows what came by another one', async () => {
    const service = await open('', '', 2);
    const chain = await chainOf();
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => submit(service, 'add-pre-chain', chain)),
    );
    const times = await Promise.all(answers.map(async (answer) => (await sctOf(answer)).timestamp));
    expect(new Set(times).size).to.equal(1);
    expect(await issue(service)).to.equal(200);
    expect(await size(service)).to.equal(2);
    expect((await submit(service, 'add-chain', chain)).status).to.equal(400);
  });

  it('writes a line of the audit for each entry that is new', async () => {
    const file = join(root, 'audit.jsonl');
    const service = await open('', `, audit: { file: { path: "${file}" }, fail-closed: true }`);
    const chain = await chainOf();
    for (let i = 0; i < 2; i++) await sctOf(await submit(service, 'add-pre-chain', chain));
    await submit(service, 'add-chain', chain);
    await services.pop()?.close();
    const lines = (await readFile(file, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.map(({ event }) => event)).to.deep.equal(['submitted', 'entry-refused']);
    const [precertificate = new Uint8Array()] = chain;
    expect(lines[0]).to.include({
      log: 'log/2026',
      leafIndex: 0,
      kind: 'precertificate',
      authority: 'CN=Issuing, O=Outside',
      serial: toHex(parseCertificate(precertificate).serial),
      certificateSha256: sha256(precertificate).toString('hex'),
    });
    expect(lines[1]).to.include({ log: 'log/2026', reason: 'SUBMISSION_TYPE' });
  });

  it('answers nobody before the entry has its line, also who hands in the same meanwhile or again', async () => {
    const lost = new AuditError('AUDIT_UNAVAILABLE', 'no line can be written');
    const late = new LogError('LOG_UNAVAILABLE', 'the log takes its time').ofStored();
    const lines: PromiseWithResolvers<undefined>[] = [];
    const now: { late?: LogError | undefined } = {};
    const service = await startTestService(({ log, trustPlaces }) => {
      const opened = Submissions.open(log, join(trustPlaces.logs, '2026'));
      return {
        audit: {
          isFailClosed: true,
          redacted: () => undefined,
          submitted: () => {
            lines.push(Promise.withResolvers());
            return lines.at(-1)?.promise;
          },
          status: () => ({ lines: { issued: 0, logged: 0, refused: 0, suppressed: 0 }, destinations: [] }),
          refusal: () => undefined,
          entryRefused: () => true,
          refused: () => true,
          issued: () => undefined,
          logged: () => undefined,
          close: async () => (await opened).close(),
        },
        submission: {
          config: { rootsFile: '', usages: undefined, rateLimit: undefined, maxInFlight: 8 },
          chains: new SubmittedChains({
            roots: [parseCertificate(derOf(ca.root))],
            usages: undefined,
            ownKeys: new Set(),
          }),
          submissions: {
            async add(submitted) {
              const logged = await (await opened).add(submitted);
              if (now.late !== undefined) throw now.late;
              return logged;
            },
            isShared: false,
            failure: undefined,
            close: async () => (await opened).close(),
          },
        },
      };
    });
    const until = async (count: number): Promise<void> => {
      while (lines.length < count) await delay(5);
    };
    try {
      const chain = await chainOf();
      const answers = Promise.all([1, 2].map(() => submit(service, 'add-pre-chain', chain)));
      await until(1);
      lines[0]?.reject(lost);
      await until(2);
      lines[1]?.resolve(undefined);
      expect((await answers).map(({ status }) => status).sort()).to.deep.equal([200, 503]);
      // It is stored, and its caller does not get to know.
      now.late = late;
      const another = await chainOf();
      expect((await submit(service, 'add-pre-chain', another)).status).to.equal(503);
      now.late = undefined;
      const again = submit(service, 'add-pre-chain', another);
      await until(3);
      lines[2]?.resolve(undefined);
      expect((await again).status).to.equal(200);
      for (const one of [chain, another])
        expect((await submit(service, 'add-pre-chain', one)).status).to.equal(200);
      expect(lines).to.have.lengthOf(3);
    } finally {
      await service.close();
    }
  });

  it('refuses roots that are none, and names the file', async () => {
    await writeFile(join(root, 'roots.pem'), 'nothing\n');
    const failure = await open().then(
      () => undefined,
      (error: unknown) => error as Error,
    );
    expect(failure?.message).to.match(
      /roots\.pem, the file of mayfly\.log\.submission\.roots, cannot be used/,
    );
  });
});
