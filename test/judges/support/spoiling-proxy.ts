/** A proxy in front of the service that spoils what proves the possession of the key: stock clients prove it right. */
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

/** It runs. */
export interface SpoilingProxy {
  readonly url: string;
  stop(): Promise<void>;
}

/** The last byte of what base64 stands for, flipped. */
function flipped(base64: string): string {
  const bytes = Buffer.from(base64, 'base64');
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
  return bytes.toString('base64');
}

/** The same in a certificate signing request, PEM within base64, whose last bytes are its signature. */
function flippedRequest(base64: string): string {
  const pem = Buffer.from(base64, 'base64').toString();
  const [, body = ''] = /-----BEGIN[^-]*-----([^-]*)-----END/.exec(pem) ?? [];
  return Buffer.from(pem.replace(body, `\n${flipped(body)}\n`)).toString('base64');
}

const SPOIL: Readonly<Record<string, (value: string) => string>> = {
  proofOfPossession: flipped,
  signedEmailAddress: flipped,
  certificateSigningRequest: flippedRequest,
};

/** Starts it on loopback, before the service at `target`. */
export async function startSpoilingProxy(target: string): Promise<SpoilingProxy> {
  const server = createServer((request, response) => {
    void (async () => {
      const body = JSON.stringify(
        JSON.parse(Buffer.concat(await request.toArray()).toString()),
        (name, value: unknown) => (typeof value === 'string' ? (SPOIL[name]?.(value) ?? value) : value),
      );
      const { authorization } = request.headers;
      const answer = await fetch(`${target}${request.url}`, {
        method: request.method ?? 'POST',
        headers: {
          'content-type': 'application/json',
          ...(authorization !== undefined && { authorization }),
        },
        body,
      });
      const type = answer.headers.get('content-type') ?? '';
      response.writeHead(answer.status, { 'content-type': type }).end(await answer.text());
    })().catch((error: unknown) => response.destroy(error as Error));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
