import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { CommandError, exitCodeOf } from '../../../cli/program/command.ts';
import { requestTimestamp } from '../../../cli/sign/request-timestamp.ts';
import { bundleText } from '../../../cli/sign/signed-bundle.ts';
import { encodePem } from '../../../core/pem.ts';
import type { TimestampAuthority } from '../../../tsa/timestamp-authority.ts';
import { parseTimestampRequest } from '../../../tsa/timestamp-request.ts';
import { failureAs } from '../../support/failure.ts';
import { testTimestampAuthority, timestampChain } from '../../tsa/support/test-authority.ts';

/** A status with `Retry-After: 0`; `granted`; `without nonce`; `reset`, which breaks the connection; or `old`, the answer to the first request. */
type Reply = number | 'granted' | 'without nonce' | 'reset' | 'old';

describe('cli: a timestamp for a signature', () => {
  const SIGNATURE = Uint8Array.of(1, 2, 3);
  let authority: TimestampAuthority;
  let server: Server;
  let url: URL;
  let replies: Reply[];
  let asked: number;
  let first: Uint8Array | undefined;

  before(async () => {
    authority = await testTimestampAuthority(Date.now, await timestampChain());
    const answerTo = async (body: Uint8Array, reply: Reply): Promise<Uint8Array> => {
      const request = parseTimestampRequest(body);
      const { response } = await authority.grant(
        reply === 'without nonce' ? { ...request, nonce: undefined } : request,
      );
      first ??= response;
      return reply === 'old' ? first : response;
    };
    server = createServer((request, response) => {
      void (async () => {
        const chunks: Buffer[] = [];
        for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
        const reply = replies[Math.min(asked++, replies.length - 1)] ?? 'granted';
        if (reply === 'reset') request.socket.destroy();
        else if (typeof reply === 'number')
          response.writeHead(reply, reply === 400 ? {} : { 'retry-after': '0' }).end();
        else response.writeHead(201).end(await answerTo(Buffer.concat(chunks), reply));
      })();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/timestamp`);
  });
  beforeEach(() => {
    asked = 0;
    first = undefined;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  const refused = (...answers: Reply[]): Promise<CommandError> => {
    replies = answers;
    return failureAs(CommandError, requestTimestamp(url, SIGNATURE));
  };

  it('is asked for again where the authority has a fault, is busy or breaks the connection', async function () {
    this.timeout(20_000);
    for (const fault of [500, 502, 503, 504, 429, 'reset'] as const) {
      [asked, replies] = [0, [fault, 'granted']];
      expect((await requestTimestamp(url, SIGNATURE)).length).to.be.above(100);
      expect(asked, String(fault)).to.equal(2);
    }
  });

  it('is asked for three times where the fault stays, and once where that is the answer', async function () {
    this.timeout(20_000);
    for (const [fault, times, code] of [
      [500, 3, 3],
      ['reset', 3, 3],
      [501, 1, 3],
      [400, 1, 1],
    ] as const) {
      asked = 0;
      const error = await refused(fault);
      expect([asked, exitCodeOf(error)], String(fault)).to.deep.equal([times, code]);
    }
  });

  it('is that of this very request: its nonce is compared', async () => {
    const missing = await refused('without nonce');
    expect(missing.message).to.contain('has not the nonce of the request');
    [asked, replies] = [0, ['granted']];
    await requestTimestamp(url, SIGNATURE);
    const old = await refused('old');
    expect(old.message).to.contain('has not the nonce of the request');
  });

  it('is there before a log is asked for an entry', async () => {
    let logged = 0;
    const log = createServer((_, response) => {
      logged++;
      response.writeHead(201).end('{}');
    }).listen(0, '127.0.0.1');
    await once(log, 'listening');
    try {
      for (const reply of [400, 'without nonce'] as const) {
        [asked, replies] = [0, [reply]];
        const logUrl = `http://127.0.0.1:${(log.address() as AddressInfo).port}`;
        const { chain } = await timestampChain();
        const made = bundleText({
          content: {
            type: 'message',
            digest: { algorithm: 'SHA2_256', digest: new Uint8Array(32) },
            signature: SIGNATURE,
          },
          certificatePem: encodePem('CERTIFICATE', chain[0]),
          timestampAuthorities: [url],
          artifactLogs: [{ url: logUrl, majorApiVersion: 1, window: { start: 0 }, operator: 'a' }],
        });
        expect((await failureAs(CommandError, made)).message).to.contain('granted no timestamp');
      }
      expect(logged).to.equal(0);
    } finally {
      log.closeAllConnections();
      log.close();
    }
  });
});
