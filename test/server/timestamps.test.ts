/** Timestamps of a real service over HTTP. */
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { AsnConvert } from '@peculiar/asn1-schema';
import { TimeStampResp } from '@peculiar/asn1-tsp';
import { expect } from 'chai';
import fc from 'fast-check';
import { explicit, octetString, oid, sequence } from '../../core/der-writer.ts';
import { parseTimestampJson } from '../../server/timestamp/timestamp-json.ts';
import type { OpenedTimestamps } from '../../service/open-timestamps.ts';
import { TimestampError } from '../../tsa/timestamp-error.ts';
import { parseTimestampRequest } from '../../tsa/timestamp-request.ts';
import { failureAs } from '../support/failure.ts';
import { runs } from '../support/runs.ts';
import { fulcioWords, refusalOf, startTestService, type TestService } from '../support/test-service.ts';
import {
  nonceOf,
  openedTimestamps,
  requestFor,
  testTimestampAuthority,
  timestampChain,
  trustedClock,
  WITH_CERTIFICATE,
  type TestTimestampChain,
} from '../tsa/support/test-authority.ts';

/** The reader of tokens that sigstore-js verifies with. It comes with the packages that are named in package.json. */
interface Token {
  readonly signingTime: Date;
  verify(data: Buffer, key: unknown): void;
}
const sigstore = createRequire(import.meta.resolve('@sigstore/verify'))('@sigstore/core') as {
  readonly RFC3161Timestamp: { parse(der: Buffer): Token };
  readonly X509Certificate: { parse(der: Buffer): { readonly publicKey: Buffer } };
  readonly crypto: { createPublicKey(der: Buffer): unknown };
};

const DATA = Buffer.from('a signature');
const DER = { 'content-type': 'application/timestamp-query' };
const JSON_TYPE = { 'content-type': 'application/json' };
const digest = createHash('sha256').update(DATA).digest('base64');

describe('server: timestamps', () => {
  let service: TestService;
  let made: TestTimestampChain;
  let fault: string | undefined;
  let now: () => number;

  const start = async (over: Partial<OpenedTimestamps> = {}): Promise<void> => {
    const authority = await testTimestampAuthority(() => now(), made, {
      now: () => {
        if (fault !== undefined) throw new TimestampError('TIMESTAMP_CLOCK', fault);
        return trustedClock(now).now();
      },
      get fault() {
        return fault;
      },
    });
    service = await startTestService(() => ({ timestamps: { ...openedTimestamps(authority), ...over } }));
  };

  before(async () => {
    made = await timestampChain();
  });
  beforeEach(() => {
    [fault, now] = [undefined, Date.now];
  });
  afterEach(() => service.close());

  const ask = (
    body: Uint8Array | string,
    headers: Readonly<Record<string, string>> = DER,
    path = '/api/v1/timestamp',
  ): Promise<Response> =>
    fetch(`${service.url}${path}`, { method: 'POST', headers, body: Buffer.from(body) });

  const metric = async (line: string): Promise<string | undefined> => {
    const text = await (await fetch(`${service.metricsUrl}/metrics`)).text();
    return text
      .split('\n')
      .find((found) => found.startsWith(`${line} `))
      ?.slice(line.length + 1);
  };

  it('grants one for DER, which the verifier of sigstore-js takes', async () => {
    await start();
    const response = await ask(requestFor(DATA, { rest: [nonceOf(1, 2, 3), WITH_CERTIFICATE] }));
    expect(response.status).to.equal(201);
    expect(response.headers.get('content-type')).to.equal('application/timestamp-reply');
    const token = sigstore.RFC3161Timestamp.parse(Buffer.from(await response.arrayBuffer()));
    const certificate = sigstore.X509Certificate.parse(Buffer.from(made.chain[0]));
    const key = sigstore.crypto.createPublicKey(certificate.publicKey);
    token.verify(DATA, key);
    expect(() => {
      token.verify(Buffer.from('another signature'), key);
    }).to.throw(/imprint/);
    expect(Math.abs(token.signingTime.getTime() - Date.now())).to.be.below(60_000);
    expect(await metric('mayfly_timestamps_total{outcome="granted"}')).to.equal('1');
    expect(await metric('mayfly_timestamp_latency_seconds_count')).to.equal('1');
  });

  it('grants one for the JSON of Sigstore, at every path that its clients make', async () => {
    await start();
    const body = JSON.stringify({ artifactHash: digest, hashAlgorithm: 'sha256' });
    const paths = ['', '/', '/api/v1/timestamp'].map((end) => `/api/v1/timestamp${end}`);
    for (const path of [...paths, '//api/v1/timestamp', '/api/v1/timestamp?x=1']) {
      const response = await ask(body, { 'content-type': 'application/json; charset=utf-8' }, path);
      expect([path, response.status]).to.deep.equal([path, 201]);
      const answer = AsnConvert.parse(await response.arrayBuffer(), TimeStampResp);
      expect(answer.status.status).to.equal(0);
    }
  });

  it('shows its certificates', async () => {
    await start();
    const response = await fetch(`${service.url}/api/v1/timestamp/certchain`);
    expect(response.headers.get('content-type')).to.equal('application/pem-certificate-chain');
    expect((await response.text()).match(/-----BEGIN CERTIFICATE-----/g)).to.have.length(2);
  });

  const EXTENSIONS = explicit(0, sequence(oid('1.2.3'), octetString(new Uint8Array())));
  const refused: readonly (readonly [reason: string, failure: string, der: Uint8Array])[] = [
    ['TIMESTAMP_MALFORMED', '03020204', Uint8Array.of(0x30, 0)],
    ['TIMESTAMP_UNSUPPORTED', '03020520', requestFor(DATA, { version: nonceOf(2) })],
    ['TIMESTAMP_DIGEST_LENGTH', '03020204', requestFor(DATA, { digest: new Uint8Array(31) })],
    ['TIMESTAMP_POLICY_REFUSED', '0303000001', requestFor(DATA, { rest: [oid('1.2.3')] })],
    ['TIMESTAMP_EXTENSION_REFUSED', '030407000080', requestFor(DATA, { rest: [EXTENSIONS] })],
  ];
  it('refuses with a rejection of RFC 3161 and the status of a failure', async () => {
    await start();
    for (const [reason, failure, der] of refused) {
      const response = await ask(der);
      expect([reason, response.status]).to.deep.equal([reason, 400]);
      expect(response.headers.get('content-type')).to.equal('application/timestamp-reply');
      const bytes = Buffer.from(await response.arrayBuffer());
      expect(AsnConvert.parse(bytes, TimeStampResp).status.status).to.equal(2);
      expect(bytes.toString('hex').endsWith(failure), `${reason} ${bytes.toString('hex')}`).to.equal(true);
      expect(await metric(`mayfly_timestamps_total{outcome="${reason}"}`)).to.equal('1');
    }
  });

  it('refuses in JSON who asks in JSON, in the words of Sigstore’s authority', async () => {
    await start();
    const rows = [
      [{ artifactHash: digest, hashAlgorithm: 'sha1' }, 'Weak hash algorithm in timestamp request'],
      [
        { artifactHash: 'AAAA', hashAlgorithm: 'sha256' },
        'Message digest has incorrect length for specified algorithm',
      ],
      [{ artifactHash: '?', hashAlgorithm: 'sha256' }, 'Error generating timestamp response'],
      [{}, 'Weak hash algorithm in timestamp request'],
    ] as const;
    for (const [body, message] of rows) {
      const response = await ask(JSON.stringify(body), JSON_TYPE);
      expect(response.status).to.equal(400);
      expect(fulcioWords(await refusalOf(response))).to.equal(message);
    }
    const other = await ask(requestFor(DATA), { 'content-type': 'application/octet-stream' });
    expect([other.status, (await refusalOf(other)).details[0].reason]).to.deep.equal([
      415,
      'TIMESTAMP_CONTENT_TYPE',
    ]);
    const get = await fetch(`${service.url}/api/v1/timestamp`);
    expect([get.status, get.headers.get('allow')]).to.deep.equal([501, 'POST']);
  });

  it('refuses what is longer than any request', async () => {
    await start();
    const response = await ask(new Uint8Array(5000));
    expect([response.status, (await refusalOf(response)).details[0].reason]).to.deep.equal([
      400,
      'BODY_TOO_LARGE',
    ]);
  });

  it('stops with its clock, and says so to the operator and to nobody else', async () => {
    await start();
    fault = 'the clock jumped 99 s ahead';
    const response = await ask(requestFor(DATA));
    expect([response.status, response.headers.get('retry-after')]).to.deep.equal([503, '5']);
    const bytes = Buffer.from(await response.arrayBuffer());
    expect(bytes.subarray(-5).toString('hex')).to.equal('0303010002');
    expect(bytes.toString()).to.contain('does not trust its clock').and.not.contain('99');
    const ready = await fetch(`${service.metricsUrl}/readyz`);
    const { checks } = (await ready.json()) as { checks: { name: string; ok: boolean; detail: string }[] };
    expect(ready.status).to.equal(200);
    expect(checks.find(({ name }) => name === 'timestamps')).to.deep.include({ ok: false, detail: fault });
    expect(await metric('mayfly_timestamps_stopped')).to.equal('1');
    fault = undefined;
    expect((await ask(requestFor(DATA))).status).to.equal(201);
    expect(await metric('mayfly_timestamps_stopped')).to.equal('0');
  });

  it('has a line in the service log when it stops, and one when it goes on', async () => {
    await start();
    const noted = async (event: string): Promise<Record<string, unknown>> => {
      for (;;) {
        const line = service.lines.find((found) => found['event'] === event);
        if (line !== undefined) return line;
        await delay(20);
      }
    };
    fault = 'the clock jumped 99 s ahead';
    expect(await noted('timestamps stop')).to.include({ level: 'error', sentence: fault });
    fault = undefined;
    expect(await noted('timestamps go on')).to.include({ level: 'warn' });
  });

  it('signs once in a turn of the event loop with a slow key, so that everything else has its turns', async () => {
    let turn = 0;
    const perTurn = new Map<number, number>();
    const { signer } = made;
    const sign: typeof signer.sign = (bytes) => {
      perTurn.set(turn, (perTurn.get(turn) ?? 0) + 1);
      const until = performance.now() + 5;
      while (performance.now() < until);
      return signer.sign(bytes);
    };
    made = { ...made, signer: { ...signer, sign } };
    await start();
    let isDone = false;
    const count = (): void => {
      turn++;
      if (!isDone) setImmediate(count);
    };
    count();
    const answers = await Promise.all(Array.from({ length: 40 }, () => ask(requestFor(DATA))));
    isDone = true;
    made = { ...made, signer };
    expect(answers.map(({ status }) => status)).to.deep.equal(answers.map(() => 201));
    expect(Math.max(...perTurn.values())).to.equal(1);
  });

  it('limits each client', async () => {
    await start({ rateLimit: { perMinute: 1, burst: 2 } });
    const answers = [await ask(requestFor(DATA)), await ask(requestFor(DATA)), await ask(requestFor(DATA))];
    expect(answers.map(({ status }) => status)).to.deep.equal([201, 201, 429]);
    expect(Number(answers[2]?.headers.get('retry-after'))).to.be.within(1, 60);
  });

  it('has a line for each timestamp only when it is asked to', async () => {
    await start({ logsGrants: true });
    await ask(requestFor(DATA));
    const line = service.lines.find(({ event }) => event === 'timestamp');
    expect(line).to.include({ digest: `sha256:${Buffer.from(digest, 'base64').toString('hex')}` });
  });

  it('holds no more of half requests than of signing requests, and answers others meanwhile', async () => {
    await start();
    const { hostname, port } = new URL(service.url);
    const head = `POST /api/v1/timestamp HTTP/1.1\r\nhost: ca\r\ncontent-type: ${DER['content-type']}\r\ncontent-length: 4000\r\n\r\n`;
    const sockets = await Promise.all(
      Array.from(
        { length: 200 },
        () =>
          new Promise<ReturnType<typeof connect>>((resolve) => {
            const socket = connect(Number(port), hostname, () => {
              socket.write(head + '0'.repeat(3000));
              resolve(socket);
            });
            socket.on('error', () => undefined);
          }),
      ),
    );
    expect((await ask(requestFor(DATA))).status).to.equal(201);
    for (const socket of sockets) socket.destroy();
  });

  it('has no path for them where there is no authority', async () => {
    service = await startTestService();
    expect((await ask(requestFor(DATA))).status).to.equal(404);
    expect((await fetch(`${service.url}/api/v1/timestamp/certchain`)).status).to.equal(404);
    expect(await metric('mayfly_timestamps_stopped')).to.equal(undefined);
  });
});

describe('server/timestamp/timestamp-json', () => {
  const body = (members: object): Buffer => Buffer.from(JSON.stringify(members));
  const good = { artifactHash: digest, hashAlgorithm: 'sha256' };

  it('reads what Sigstore’s authority reads', () => {
    const full = {
      ...good,
      hashAlgorithm: 'SHA256',
      certificates: true,
      nonce: 7,
      tsaPolicyOID: '1.2.3',
      more: [],
    };
    const request = parseTimestampJson(body(full));
    expect(request).to.deep.include({
      hash: 'sha256',
      wantsCertificate: true,
      nonce: nonceOf(7),
      policy: oid('1.2.3'),
    });
    expect(request.imprint).to.deep.equal(parseTimestampRequest(requestFor(DATA)).imprint);
    const bare = parseTimestampJson(body({ ...good, tsaPolicyOID: '', nonce: null }));
    expect(bare).to.deep.include({ policy: undefined, nonce: undefined, wantsCertificate: false });
  });

  it('keeps every bit of a nonce', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 159n), max: 2n ** 159n }), (nonce) => {
        const text = `{"artifactHash":"${digest}","hashAlgorithm":"sha256","nonce": ${nonce} }`;
        const der = Buffer.from(parseTimestampJson(Buffer.from(text)).nonce ?? []);
        expect(BigInt.asIntN(8 * (der.length - 2), BigInt(`0x${der.subarray(2).toString('hex')}`))).to.equal(
          nonce,
        );
        parseTimestampRequest(requestFor(DATA, { rest: [der] }));
      }),
      { numRuns: runs(500) },
    );
  });

  it('throws its one typed error, whatever the text', async () => {
    const bad = [
      '',
      '[]',
      'null',
      '{"artifactHash":1}',
      JSON.stringify({ ...good, certificates: 'yes' }),
      JSON.stringify({ ...good, tsaPolicyOID: '9.9' }),
      JSON.stringify({ ...good, tsaPolicyOID: '1.02' }),
      JSON.stringify({ ...good, nonce: 1.5 }),
      JSON.stringify({ ...good, nonce: '7' }),
      `{"hashAlgorithm":"sha256","hashAlgorithm":"sha512"}`,
      `{"artifactHash":"${digest}","hashAlgorithm":"sha256","nonce":${'9'.repeat(400)}}`,
      `{"artifactHash":"${digest}","hashAlgorithm":"sha256","x":{"nonce":2},"nonce":1}`,
    ];
    for (const text of bad) await failureAs(TimestampError, () => parseTimestampJson(Buffer.from(text)));
    const change = fc.tuple(fc.nat(), fc.nat({ max: 3 }), fc.string({ maxLength: 3 }));
    fc.assert(
      fc.property(change, ([at, cut, put]) => {
        const text = JSON.stringify({ ...good, nonce: 12 });
        const changed = text.slice(0, at % text.length) + put + text.slice((at % text.length) + cut);
        try {
          parseTimestampJson(Buffer.from(changed));
        } catch (error) {
          expect(error).to.be.instanceOf(TimestampError);
        }
      }),
      { numRuns: runs(2000) },
    );
  });
});
