/** A log of somebody else that lies, is late, or is no log at all: nothing that it says is believed but by its key. */
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { expect } from 'chai';
import { toBase64 } from '../../../core/bytes.ts';
import { encodeDigitallySigned } from '../../../ct-log/format/digitally-signed.ts';
import { encodeEntry } from '../../../ct-log/format/leaf.ts';
import { parseSct } from '../../../ct-log/format/sct.ts';
import { OutsideLog, type OutsideLogOptions } from '../../../ct-log/outside/outside-log.ts';
import { isOutsideSct } from '../../../ct-log/outside/outside-sct.ts';
import { LogError } from '../../../tlog/core/log-error.ts';
import { sha256 } from '../../../tlog/core/sha256.ts';
import { freePort } from '../../../bench/free-port.ts';
import { selfSigned } from '../../support/tls-identity.ts';
import { entry, ISSUER } from '../support/test-log.ts';

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const publicKey = pair.publicKey.export({ type: 'spki', format: 'der' });
const ENTRY = entry(1);

interface Lie {
  readonly key?: KeyObject;
  readonly id?: Uint8Array;
  readonly timestamp?: number;
  readonly version?: number;
  readonly over?: typeof ENTRY;
}

/** An answer of the log, right but for what is a lie. */
function sct({
  key = pair.privateKey,
  id = sha256(publicKey),
  timestamp = Date.now(),
  version = 0,
  over = ENTRY,
}: Lie = {}): string {
  const signature = sign('sha256', encodeEntry(over, timestamp, new Uint8Array()).leaf, key);
  const fields = {
    sct_version: version,
    id: toBase64(id),
    timestamp,
    extensions: '',
    signature: toBase64(encodeDigitallySigned(signature)),
  };
  return JSON.stringify(fields);
}

type Handler = (response: ServerResponse, request: IncomingMessage) => void;

const answers =
  (text: () => string, status = 200, headers: Record<string, string> = {}): Handler =>
  (response) =>
    void response.writeHead(status, headers).end(text());

describe('ct-log/outside/outside-log', () => {
  let server: Server;
  let url: string;
  let handlers: Handler[];
  let requests: {
    readonly path: string;
    readonly headers: IncomingMessage['headers'];
    readonly body: unknown;
  }[];

  beforeEach(async () => {
    [handlers, requests] = [[], []];
    server = createServer((request, response) => {
      void json(request).then((body) => {
        requests.push({ path: request.url ?? '', headers: request.headers, body });
        const handler = handlers.length > 1 ? handlers.shift() : handlers[0];
        handler?.(response, request);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/2026`;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  const open = (options: Partial<OutsideLogOptions> = {}): OutsideLog =>
    new OutsideLog({ url, publicKey, chain: [ISSUER], clock: Date.now, deadlineMs: 2_000, ...options });
  /** What becomes of an entry: the message of the error. */
  const outcome = async (log: OutsideLog): Promise<string> => {
    try {
      return isOutsideSct(await log.append(ENTRY)) ? 'logged' : 'something else';
    } catch (error) {
      if (!(error instanceof LogError)) throw error;
      return `${error.code} ${error.mayBeLogged ? 'may be logged' : 'is not logged'}: ${error.message}`;
    }
  };

  it('takes the verified SCT of an entry, and says who asks', async () => {
    handlers = [answers(sct)];
    const log = open({ origin: 'https://ca.example.com' });
    const logged = await log.append(ENTRY);
    expect(isOutsideSct(logged)).to.equal(true);
    expect(logged.log).to.equal(url.replace('http://', ''));
    const { timestamp, extensions } = parseSct(logged.receipt.sct);
    expect(logged.leafHash).to.deep.equal(sha256(encodeEntry(ENTRY, timestamp, extensions).hashInput));
    const [request] = requests;
    expect(request?.path).to.equal('/2026/ct/v1/add-pre-chain');
    expect(request?.headers).to.include({ origin: 'https://ca.example.com' });
    expect(request?.headers['user-agent']).to.match(/^mayfly\//);
    expect(request?.body).to.deep.equal({ chain: [ENTRY.precertificate, ISSUER].map(toBase64) });
    expect(log.status()).to.deep.equal({ url, logged: 1, failed: 0, failure: undefined });
  });

  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const LIES: readonly (readonly [string, Handler, RegExp])[] = [
    [
      'the signature of another key',
      answers(() => sct({ key: other.privateKey })),
      /signature of its SCT does not hold/,
    ],
    [
      'the SCT of another entry',
      answers(() => sct({ over: entry(2) })),
      /signature of its SCT does not hold/,
    ],
    ['the id of another log', answers(() => sct({ id: new Uint8Array(32) })), /its SCT is of another log/],
    [
      'a time in the future',
      answers(() => sct({ timestamp: Date.now() + 60_000 })),
      /ms ahead of the clock here/,
    ],
    [
      'a time before the request',
      answers(() => sct({ timestamp: Date.now() - 60_000 })),
      /ms before the request/,
    ],
    ['another version', answers(() => sct({ version: 1 })), /is no SCT/],
    [
      'the page of a proxy',
      answers(() => '<html>Log in</html>', 200, { 'content-type': 'text/html' }),
      /is not JSON/,
    ],
    ['too much', answers(() => `{"a":"${'x'.repeat(20_000)}"}`), /more than 16 KiB/],
    ['JSON with a name twice', answers(() => '{"id":"","id":""}'), /twice/],
    ['a redirect', answers(() => '', 302, { location: 'http://127.0.0.1:1/' }), /status 302/],
    ['a refusal', answers(() => 'no', 400), /status 400/],
  ];
  for (const [what, handler, says] of LIES)
    it(`refuses ${what}, and does not ask again`, async () => {
      handlers = [handler];
      const log = open();
      expect(await outcome(log))
        .to.match(says)
        .and.to.match(/^LOG_UNAVAILABLE may be logged: the outside log/);
      expect(requests).to.have.length(1);
      expect(log.status().failure).to.match(says);
    });

  it('asks again where that may help, and not before it is to', async () => {
    handlers = [
      answers(() => 'later', 503, { 'retry-after': '0' }),
      (response) => void response.socket?.destroy(),
      answers(sct),
    ];
    expect(await outcome(open())).to.equal('logged');
    expect(requests).to.have.length(3);
    handlers = [answers(() => 'later', 429, { 'retry-after': '30' })];
    expect(await outcome(open())).to.match(/status 429/);
    expect(requests).to.have.length(4);
  });

  it('gives up at its deadline, also on an answer that never ends', async () => {
    handlers = [(response) => void response.writeHead(200).write('{')];
    expect(await outcome(open({ deadlineMs: 200 }))).to.match(
      /may be logged: the outside log: it did not answer in time/,
    );
    const closed = `http://127.0.0.1:${await freePort()}`;
    expect(await outcome(open({ url: closed, deadlineMs: 200 }))).to.match(
      /is not logged: .*cannot be reached \(ECONNREFUSED\)/,
    );
  });

  it('refuses before anything is used up while the log fails, and tries one entry in a while', async () => {
    handlers = [answers(() => 'no', 400)];
    const log = open();
    for (let i = 0; i < 3; i++) {
      expect(log.refusal()).to.equal(undefined);
      await outcome(log);
    }
    expect(log.refusal()?.message).to.match(/status 400/);
    expect(await outcome(log)).to.match(/^LOG_UNAVAILABLE is not logged/);
    expect(requests).to.have.length(3);
  });

  it('speaks TLS to who shows a certificate of the roots that are named, and to nobody else', async () => {
    const identity = await selfSigned();
    const secure = createTlsServer(identity, (request, response) => {
      void json(request).then(() => response.end(sct()));
    });
    secure.listen(0, '127.0.0.1');
    await once(secure, 'listening');
    const options = { url: `https://127.0.0.1:${(secure.address() as AddressInfo).port}`, deadlineMs: 300 };
    try {
      expect(await outcome(open({ ...options, tlsRoots: identity.cert, deadlineMs: 2_000 }))).to.equal(
        'logged',
      );
      expect(await outcome(open(options))).to.match(/cannot be reached \(DEPTH_ZERO_SELF_SIGNED_CERT\)/);
      const roots = (await selfSigned()).cert;
      expect(await outcome(open({ ...options, tlsRoots: roots }))).to.match(/cannot be reached/);
    } finally {
      secure.closeAllConnections();
      secure.close();
    }
  });

  it('takes no key of another kind', () => {
    const rsa = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' });
    expect(() => open({ publicKey: rsa })).to.throw(/must be ECDSA P-256/);
  });
});
