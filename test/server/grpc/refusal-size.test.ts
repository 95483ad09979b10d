import { expect } from 'chai';
import { EventEmitter } from 'node:events';
import type { OutgoingHttpHeaders } from 'node:http2';
import { GrpcCall } from '../../../server/grpc/grpc-call.ts';
import type { Http2Request } from '../../../server/http2/http2-request.ts';
import type { Problem } from '../../../server/reasons/problem.ts';

/** Metadata that clients take. */
const TAKEN = 8 * 1024;

describe('gRPC: a refusal', () => {
  it('is within what clients take of metadata, as it is sent', () => {
    for (const [message, sentence] of [
      ['\u00fc'.repeat(512), 's'.repeat(2850)],
      ['%'.repeat(5000), '\u00fc'.repeat(700)],
      ['m'.repeat(5000), 's'.repeat(60_000)],
    ] as const) {
      let sent: OutgoingHttpHeaders = {};
      const stream = Object.assign(new EventEmitter(), {
        headersSent: false,
        readableEnded: true,
        respond: (headers: OutgoingHttpHeaders) => (sent = headers),
      });
      const request = { stream, headers: {}, isGone: false, made: () => undefined };
      const metrics = { started: () => undefined, received: () => undefined, sent: () => undefined };
      const call = new GrpcCall(request as unknown as Http2Request, () => '', {
        ...metrics,
        handled: () => undefined,
      });
      const info = { reason: 'X', domain: 'd', metadata: { sentence, requestId: 'r' } };
      call.refuse({ grpcCode: 3, message, info } as unknown as Problem);
      const bytes = Object.entries(sent).reduce(
        (sum, [name, value]) => sum + name.length + String(value).length + 32,
        0,
      );
      expect(sent).to.include.keys('grpc-message', 'grpc-status-details-bin');
      expect(bytes).to.be.below(TAKEN - 1024);
    }
  });
});
