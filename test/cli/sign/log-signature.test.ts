import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import type { BundleEntry } from '../../../bundle/format/bundle-entry.ts';
import type { BundleContent } from '../../../bundle/format/bundle.ts';
import { preAuthenticationEncoding } from '../../../bundle/format/envelope.ts';
import { logSignature } from '../../../cli/sign/log-signature.ts';
import { CommandError, exitCodeOf } from '../../../cli/program/command.ts';
import type { SigningService } from '../../../trust/format/signing-config.ts';
import {
  firstVectors,
  secondVectors,
  V1,
  V2,
  type RekorVector,
} from '../../rekor/format/support/rekor-vectors.ts';
import { sent1, sent2 } from '../../rekor/format/support/sent-signatures.ts';
import { failureAs } from '../../support/failure.ts';

/** What was asked. */
interface Asked {
  readonly line: string;
  readonly contentType: string | undefined;
  readonly body: string;
}

/** An answer, with the status 201 unless it says another. Undefined breaks the connection. */
type Reply =
  | {
      readonly status?: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly text: string;
    }
  | undefined;

const ID = /^\{"([\da-f]{80})"/;

const vectorOf = (vectors: readonly RekorVector[], name: string): RekorVector => {
  const vector = vectors.find((one) => one.name === name);
  if (vector === undefined) throw new Error(`no vector ${name}`);
  return vector;
};

const message1 = vectorOf(firstVectors, 'sigstore-js/5.1.0 hashedrekord');
const envelope1 = vectorOf(firstVectors, 'sigstore-js/5.1.0 dsse');
const message2 = vectorOf(secondVectors, 'p256-certificate');

/** The signature of a vector, as bundles have it. */
function signatureOf(vector: RekorVector): { content: BundleContent; certificate: Uint8Array } {
  const { verifier, signature, signed } = vector === message2 ? sent2(vector) : sent1(vector);
  const { certificate } = verifier;
  if (certificate === undefined) throw new Error('no certificate');
  if (signed.type === 'message') {
    const digest = { algorithm: 'SHA2_256', digest: signed.digest } as const;
    return { certificate, content: { type: 'message', digest, signature } };
  }
  const { payload, payloadType } = signed;
  return {
    certificate,
    content: { type: 'envelope', envelope: { payload, payloadType, signature, keyId: '' } },
  };
}

describe('cli: an entry in a log of signatures', () => {
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.close();
      server.closeAllConnections();
    }
  });

  /** A log that replies with these answers one after the other, and then with the last of them. */
  async function startLog(
    ...replies: (Reply | ((asked: Asked) => Reply | Promise<Reply>))[]
  ): Promise<{ url: string; asked: Asked[] }> {
    const asked: Asked[] = [];
    const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      const chunks: Buffer[] = [];
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
      const { method = '', url = '', headers } = request;
      const one = {
        line: `${method} ${url}`,
        contentType: headers['content-type'],
        body: Buffer.concat(chunks).toString(),
      };
      asked.push(one);
      const next = replies[Math.min(asked.length, replies.length) - 1];
      const reply = typeof next === 'function' ? await next(one) : next;
      if (reply === undefined) request.socket.destroy();
      else response.writeHead(reply.status ?? 201, reply.headers).end(reply.text);
    };
    const server = createServer((request, response) => void answer(request, response));
    servers.push(server);
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
  }

  const service = (url: string, majorApiVersion = 1): SigningService => ({
    url,
    majorApiVersion,
    window: { start: 0 },
    operator: 'example.com',
  });

  const log = (vector: RekorVector, ...services: SigningService[]): Promise<readonly BundleEntry[]> => {
    const { content, certificate } = signatureOf(vector);
    return logSignature(content, certificate, services);
  };

  const refusalOf = (vector: RekorVector, ...services: SigningService[]): Promise<CommandError> =>
    failureAs(CommandError, log(vector, ...services));

  it('is of v1, what a real server answered, in the form of bundles', async () => {
    for (const [vector, kind] of [
      [message1, 'hashedrekord'],
      [envelope1, 'dsse'],
    ] as const) {
      const { url, asked } = await startLog({ text: vector.answer });
      const [entry] = await log(vector, service(url));
      const [answered] = Object.values(JSON.parse(vector.answer) as Record<string, FirstEntry>);
      if (answered === undefined || entry?.proof === undefined) throw new Error('no entry');
      const { signedEntryTimestamp, inclusionProof } = answered.verification;
      expect(entry).to.deep.include({
        kind,
        version: '0.0.1',
        logIndex: answered.logIndex,
        integratedTime: answered.integratedTime,
      });
      const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex');
      expect(hex(entry.logId)).to.equal(answered.logID);
      expect(Buffer.from(entry.body).toString()).to.equal(vector.canonicalizedBody);
      expect(Buffer.from(entry.promise ?? []).toString('base64')).to.equal(signedEntryTimestamp);
      expect([entry.proof.index, entry.proof.size]).to.deep.equal([
        inclusionProof.logIndex,
        inclusionProof.treeSize,
      ]);
      expect(hex(entry.proof.root)).to.equal(inclusionProof.rootHash);
      expect(entry.proof.hashes.map(hex)).to.deep.equal(inclusionProof.hashes);
      expect(Buffer.from(entry.proof.checkpoint ?? []).toString()).to.equal(inclusionProof.checkpoint);
      expect(asked).to.have.length(1);
      expect(asked[0]).to.include({ line: 'POST /api/v1/log/entries', contentType: 'application/json' });
    }
  });

  interface FirstEntry {
    readonly body: string;
    readonly logIndex: number;
    readonly logID: string;
    readonly integratedTime: number;
    readonly verification: {
      readonly signedEntryTimestamp: string;
      readonly inclusionProof: {
        readonly logIndex: number;
        readonly treeSize: number;
        readonly rootHash: string;
        readonly hashes: readonly string[];
        readonly checkpoint: string;
      };
    };
  }

  it('is of v2, what a real server answered', async () => {
    const { url, asked } = await startLog({ text: message2.answer });
    const [entry] = await log(message2, service(url, 2));
    expect(entry).to.deep.include({
      kind: 'hashedrekord',
      version: '0.0.2',
      logIndex: 1,
      integratedTime: 0,
      promise: undefined,
    });
    expect(entry?.proof).to.include({ index: 1, size: 2 });
    expect(Buffer.from(entry?.body ?? []).toString()).to.equal(message2.canonicalizedBody);
    expect(asked.map(({ line }) => line)).to.deep.equal(['POST /api/v2/log/entries']);
  });

  /** What a log of the second version makes of a request. */
  const taken = ({ body }: Asked): Reply => {
    const { digest, signature } = (
      JSON.parse(body) as {
        hashedRekordRequestV002: {
          digest: string;
          signature: {
            content: string;
            verifier: { x509Certificate: { rawBytes: string }; keyDetails: string };
          };
        };
      }
    ).hashedRekordRequestV002;
    const { x509Certificate, keyDetails } = signature.verifier;
    const verifier = { keyDetails, x509Certificate };
    const spec = {
      hashedRekordV002: {
        data: { algorithm: 'SHA2_256', digest },
        signature: { content: signature.content, verifier },
      },
    };
    const text = JSON.stringify({ apiVersion: '0.0.2', kind: 'hashedrekord', spec });
    const answer = JSON.parse(message2.answer) as Record<string, unknown>;
    return {
      text: JSON.stringify({ ...answer, canonicalizedBody: Buffer.from(text).toString('base64') }),
    };
  };

  it('is of v2 about the encoding of an envelope', async () => {
    const { url, asked } = await startLog(taken);
    const { content } = signatureOf(envelope1);
    if (content.type !== 'envelope') throw new Error('another vector');
    const [entry] = await log(envelope1, service(url, 2));
    const encoding = preAuthenticationEncoding(content.envelope);
    expect(asked[0]?.body).to.contain(
      `{"hashedRekordRequestV002":{"digest":"${createHash('sha256').update(encoding).digest('base64')}",`,
    );
    expect(entry).to.include({ kind: 'hashedrekord', version: '0.0.2' });
  });

  it('is asked of all logs at once, below the path that each has, and stands in their order', async () => {
    let reached = (): void => undefined;
    const other = new Promise<void>((resolve) => (reached = resolve));
    const first = await startLog(async (asked) => {
      await other;
      return taken(asked);
    });
    const second = await startLog(() => {
      reached();
      return { status: 200, text: message1.answer };
    });
    const services = [service(`${first.url}/a/path/`, 2), service(second.url)];
    const entries = await log(message1, ...services);
    expect(entries.map(({ version }) => version)).to.deep.equal(['0.0.2', '0.0.1']);
    expect(first.asked[0]?.line).to.equal('POST /a/path/api/v2/log/entries');
  });

  const other = (text: string): string => {
    const changed = Buffer.from(text, 'base64')
      .toString()
      .replace(
        /("(?:value|digest)":")(..)/,
        (_, before: string, two: string) => before + (two === '00' ? '11' : '00'),
      );
    return Buffer.from(changed).toString('base64');
  };
  const first = message1.answer;
  const second = message2.answer;

  const hostile: readonly (readonly [string, 1 | 2, string, number, RegExp])[] = [
    ['nothing', 1, '', 3, /took no entry: its answer cannot be read: the text is not JSON/],
    ['nothing', 2, '', 3, /the text is not JSON/],
    ['what is no JSON', 1, '{', 3, /the text is not JSON/],
    ['no text', 2, '\u{fffd}{', 3, /the text is not JSON/],
    [
      'a member twice',
      1,
      first.replace('"logIndex"', '"logIndex":1,"logIndex"'),
      3,
      /names "logIndex" twice/,
    ],
    ['JSON that is too deep', 1, '['.repeat(100), 3, /cannot be read/],
    ['no entry', 1, '{}', 3, /not exactly one entry/],
    ['null', 1, 'null', 3, /not exactly one entry/],
    ['a list', 1, `[${first}]`, 3, /not exactly one entry/],
    [
      'two entries',
      1,
      first.replace(/^\{("[\da-f]{80}":)(.*)\}\n?$/s, '{$1$2,"x":$2}'),
      3,
      /not exactly one entry/,
    ],
    ['a text for an entry', 1, '{"x":"y"}', 1, /entry is not an object/],
    ['a list of entries', 2, `[${second}]`, 1, /entry is not an object/],
    ['more than any log does', 1, ' '.repeat(300_000), 1, /is longer than 262144 bytes/],
    ['more than any log does', 2, ' '.repeat(300_000), 1, /is longer than 262144 bytes/],
    ...['"x"', 'true', '1.5', '-1', '9007199254740993', '{}', 'null'].flatMap((value) => [
      [
        `the index ${value}`,
        1,
        first.replace(/"logIndex":\d+/, `"logIndex":${value}`),
        1,
        /entry\.logIndex is/,
      ] as const,
      [
        `the time ${value}`,
        1,
        first.replace(/"integratedTime":\d+/, `"integratedTime":${value}`),
        1,
        /entry\.integratedTime is/,
      ] as const,
    ]),
    ...['"x"', 'true', '1.5', '-1', '"9007199254740993"', '{}'].map(
      (value) =>
        [
          `the index ${value}`,
          2,
          second.replace(/"logIndex":"\d+"/, `"logIndex":${value}`),
          1,
          /entry\.logIndex is/,
        ] as const,
    ),
    [
      'no proof',
      1,
      first.replace('"inclusionProof"', '"none"'),
      1,
      /verification\.inclusionProof is missing/,
    ],
    [
      'no promise',
      1,
      first.replace('"signedEntryTimestamp"', '"none"'),
      1,
      /signedEntryTimestamp is missing/,
    ],
    ['no hexadecimal', 1, first.replace(/"rootHash":"../, '"rootHash":"zz'), 1, /not hexadecimal/],
    [
      'too many hashes',
      1,
      first.replace(/"hashes":\[[^\]]*\]/, `"hashes":[${Array(64).fill('"00"').join()}]`),
      1,
      /more than 63 hashes/,
    ],
    [
      'hashes that are none',
      1,
      first.replace(/"hashes":\[[^\]]*\]/, '"hashes":[1]'),
      1,
      /hashes\[0\] is not a text/,
    ],
    ['a member that is not known', 2, second.replace('{', '{"extra":1,'), 1, /entry\.extra is not known/],
    ['another kind', 2, second.replace('"0.0.2"', '"0.0.1"'), 1, /not of the kind hashedrekord 0\.0\.2/],
    [
      'an entry about something else',
      1,
      first.replace(/(?<="body":")[^"]*/, other),
      1,
      /the entry of something else: the log entry is about another artifact/,
    ],
    [
      'an entry about something else',
      2,
      second.replace(/(?<="canonicalizedBody":")[^"]*/, other),
      1,
      /the entry of something else: the log entry is about another artifact/,
    ],
    ['the entry of another signature', 1, envelope1.answer, 1, /the entry of something else: /],
  ];
  for (const [what, api, text, code, says] of hostile)
    it(`is none when v${api} answers ${what}`, async () => {
      const { url, asked } = await startLog({ text });
      const error = await refusalOf(api === 1 ? message1 : message2, service(url, api));
      expect(error.message).to.match(says).and.contain('the log of signatures');
      expect(exitCodeOf(error)).to.equal(code);
      expect(asked).to.have.length(1);
    });

  it('is none where the log sends elsewhere: redirects are not followed', async () => {
    const target = await startLog({ text: message1.answer });
    for (const status of [301, 302, 307, 308]) {
      const { url, asked } = await startLog({ status, headers: { location: target.url }, text: '' });
      const error = await refusalOf(message1, service(url));
      expect(error.message).to.match(/answers with a redirect, which is not followed/);
      expect([exitCodeOf(error), asked.length]).to.deep.equal([1, 1]);
    }
    expect(target.asked).to.deep.equal([]);
  });

  it('is none where the log refuses it, in its own words, and it is not asked again', async () => {
    for (const [api, { status, answer }] of [
      [1, vectorOf1('bad-signature')],
      [2, vectorOf2('bad-signature')],
      [2, { status: 405, answer: 'This log has been frozen, please switch to the latest log.\n' }],
    ] as const) {
      const { url, asked } = await startLog({ status, text: answer });
      const error = await refusalOf(message1, service(url, api));
      const words = answer.startsWith('{')
        ? (JSON.parse(answer) as { message: string }).message
        : answer.trim();
      expect(error.message).to.equal(
        `the log of signatures at ${url} took no entry (status ${status}): ${words}`,
      );
      expect([exitCodeOf(error), asked.length]).to.deep.equal([1, 1]);
    }
  });

  const recordedRefusal = (refusals: typeof V1.refusals, name: string): (typeof V1.refusals)[number] => {
    const found = refusals.find((one) => one.name === name);
    if (found === undefined) throw new Error(`no refusal ${name}`);
    return found;
  };
  const vectorOf1 = (name: string): (typeof V1.refusals)[number] => recordedRefusal(V1.refusals, name);
  const vectorOf2 = (name: string): (typeof V1.refusals)[number] => recordedRefusal(V2.refusals, name);

  const soon = { 'retry-after': '0' };

  it('is asked for again where the log has a fault or is busy, three times in all', async () => {
    for (const status of [429, 500, 502, 503]) {
      const busy = { status, headers: soon, text: '{"message":"later"}' };
      const good = await startLog(busy, busy, { text: message1.answer });
      expect(await log(message1, service(good.url))).to.have.length(1);
      expect(new Set(good.asked.map(({ body }) => body)).size).to.equal(1);
      const bad = await startLog(busy);
      const error = await refusalOf(message1, service(bad.url));
      expect(error.message).to.match(new RegExp(`took no entry \\(status ${status}\\): later$`));
      expect([exitCodeOf(error), good.asked.length, bad.asked.length]).to.deep.equal([3, 3, 3]);
    }
  });

  it('is not asked for again where the log takes none any more', async () => {
    const { url, asked } = await startLog({ status: 501, headers: { 'retry-after': '0' }, text: '{}' });
    const error = await failureAs(CommandError, log(message1, service(url)));
    expect(error.message).to.match(/took no entry \(status 501\)/);
    expect(asked).to.have.length(1);
  });

  it('is asked for again after a broken connection', async () => {
    const { url, asked } = await startLog(undefined, { text: message1.answer });
    expect(await log(message1, service(url))).to.have.length(1);
    expect(asked).to.have.length(2);
  });

  it('is not waited for as long as a log likes', async () => {
    const { url, asked } = await startLog({
      status: 503,
      headers: { 'retry-after': '3600' },
      text: '<html>',
    });
    const error = await refusalOf(message1, service(url));
    expect(error.message).to.match(/took no entry \(status 503\)$/);
    expect(error.metadata).to.deep.equal({ retryAfter: '3600', unavailable: '503' });
    expect([exitCodeOf(error), asked.length]).to.deep.equal([3, 1]);
  });

  it('is none where nothing listens', async () => {
    const { url } = await startLog(undefined);
    for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
    const error = await refusalOf(message1, service(url));
    expect(error.message).to.match(/the log of signatures at \S+ cannot be reached: nothing listens there/);
    expect(exitCodeOf(error)).to.equal(3);
  });

  describe('that was made before', () => {
    const [, id = ''] = ID.exec(message1.answer) ?? [];
    const before = (location?: string): Reply => ({
      status: 409,
      ...(location === undefined ? {} : { headers: { location } }),
      text: '{"code":409,"message":"an equivalent entry already exists"}',
    });

    it('is fetched from v1, where Location says, below the path of the log', async () => {
      for (const location of [`/api/v1/log/entries/${id}`, `/elsewhere/${id.slice(16)}`]) {
        const busy = { status: 503, headers: soon, text: '' };
        const { url, asked } = await startLog(before(location), busy, {
          status: 200,
          text: message1.answer,
        });
        const [entry] = await log(message1, service(`${url}/rekor`));
        expect(entry?.kind).to.equal('hashedrekord');
        const get = `GET /rekor/api/v1/log/entries/${location.split('/').at(-1) ?? ''}`;
        expect(asked.map(({ line }) => line)).to.deep.equal(['POST /rekor/api/v1/log/entries', get, get]);
      }
    });

    const nowhere: readonly (readonly [string, string | undefined])[] = [
      ['nowhere', undefined],
      ['on another server', `http://127.0.0.2:1/api/v1/log/entries/${id}`],
      ['on another server without a scheme', `//127.0.0.2:1/api/v1/log/entries/${id}`],
      ['in a file', `file:///api/v1/log/entries/${id}`],
      ['at no id', '/api/v1/log/entries/latest'],
      ['at a path behind an id', `/api/v1/log/entries/${id}/../../publicKey`],
      ['at half an id', `/api/v1/log/entries/${id.slice(0, 40)}`],
    ];
    for (const [what, location] of nowhere)
      it(`is none where v1 says that it is ${what}`, async () => {
        const { url, asked } = await startLog(before(location), { text: message1.answer });
        const error = await refusalOf(message1, service(url));
        expect(error.message).to.match(
          /\(status 409\): it has one of this signature already, and does not say/,
        );
        expect([exitCodeOf(error), asked.length]).to.deep.equal([1, 1]);
      });

    it('is none where v1 then has none, or that of something else', async () => {
      for (const [reply, says] of [
        [{ status: 404, text: '' }, /took no entry \(status 404\)$/],
        [before(`/api/v1/log/entries/${id}`), /took no entry \(status 409\): an equivalent/],
        [{ status: 200, text: envelope1.answer }, /the entry of something else/],
      ] as const) {
        const { url, asked } = await startLog(before(`/api/v1/log/entries/${id}`), reply);
        const error = await refusalOf(message1, service(url));
        expect(error.message).to.match(says);
        expect([exitCodeOf(error), asked.length]).to.deep.equal([1, 2]);
      }
    });

    it('is none of v2, which says so and does not return it', async () => {
      const text =
        '{"code":6, "message":"an equivalent entry already exists in the transparency log with index 0", "details":[]}';
      const headers = { 'x-log-index': '0', location: `/api/v1/log/entries/${id}` };
      const { url, asked } = await startLog({ status: 409, headers, text });
      const error = await refusalOf(message2, service(url, 2));
      expect(error.message).to.match(
        /took no entry \(status 409\): an equivalent entry already exists in .* index 0$/,
      );
      expect(error.hint).to.match(/Sign once more/);
      expect([exitCodeOf(error), asked.length]).to.deep.equal([1, 1]);
    });
  });
});
