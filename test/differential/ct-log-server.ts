/** As much of an RFC 6962 log as Fulcio asks for: it promises to log precertificates, and forgets them. */
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { withoutExtension } from '../../ca/without-extension.ts';
import { parseCertificate } from '../../core/certificate.ts';
import { oid } from '../../core/der-writer.ts';
import { encodeDigitallySigned } from '../../ct-log/format/digitally-signed.ts';
import { encodeEntry } from '../../ct-log/format/leaf.ts';
import { POISON_OID } from '../../ct-log/format/sct.ts';

/** The running log. */
export interface CtLogServer {
  readonly url: string;
  /** SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  readonly logId: Uint8Array;
  close(): void;
}

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();

/** Starts it on a free port of 127.0.0.1, with a new key. */
export async function startCtLogServer(): Promise<CtLogServer> {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const publicKey = pair.publicKey.export({ type: 'spki', format: 'der' });
  const logId = sha256(publicKey);
  const promise = async (request: IncomingMessage): Promise<object> => {
    const { chain } = (await json(request)) as { chain: readonly string[] };
    const [leaf = '', issuer = ''] = chain;
    const precertificate = Buffer.from(leaf, 'base64');
    const timestamp = Date.now();
    const entry = {
      issuerKeyHash: sha256(parseCertificate(Buffer.from(issuer, 'base64')).spki),
      tbs: withoutExtension(parseCertificate(precertificate).tbs, oid(POISON_OID)) ?? new Uint8Array(),
      precertificate,
      chainFingerprints: new Uint8Array(),
    };
    const signature = sign('sha256', encodeEntry(entry, timestamp, new Uint8Array()).leaf, pair.privateKey);
    return {
      sct_version: 0,
      id: Buffer.from(logId).toString('base64'),
      timestamp,
      extensions: '',
      signature: Buffer.from(encodeDigitallySigned(signature)).toString('base64'),
    };
  };
  const server = createServer((request, response) => {
    const fail = (error: unknown): void => void response.writeHead(400).end(String(error));
    if (request.url !== '/ct/v1/add-pre-chain') fail(request.url);
    else promise(request).then((answer) => response.end(JSON.stringify(answer)), fail);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, publicKey, logId, close: () => void server.close() };
}
