/**
 * A process that holds private keys and signs with them over a Unix socket: what stands in for a token or a key service. Arguments: the
 * path of the socket, a JSON file of key names to PEM. Each connection asks one thing, a line of JSON, and gets a line. It misbehaves as
 * the newest line of its standard input says, which is answered by a line `done`.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { signedDigest } from './signed-digest.ts';
import type { KeyServerAnswer, KeyServerAsk, Misbehaviour } from './remote-keys.ts';

const [path = '', keysFile = ''] = process.argv.slice(2);
const texts = JSON.parse(readFileSync(keysFile, 'utf8')) as Record<string, string>;
const keys = new Map(Object.entries(texts).map(([name, pem]) => [name, createPrivateKey(pem)]));
const siblings = new Map<KeyObject, KeyObject>();
let mode: Misbehaviour = {};
let asked = 0;
let underWay = 0;
let most = 0;

createInterface({ input: process.stdin }).on('line', (line) => {
  mode = JSON.parse(line) as Misbehaviour;
  process.stdout.write('done\n');
});

/** Another key of the same kind. */
function siblingOf(key: KeyObject): KeyObject {
  const known = siblings.get(key);
  if (known !== undefined) return known;
  const made = sibling(key);
  siblings.set(key, made);
  return made;
}

function sibling({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): KeyObject {
  if (asymmetricKeyType === 'ed25519') return generateKeyPairSync('ed25519').privateKey;
  if (asymmetricKeyType === 'rsa') return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  return generateKeyPairSync('ec', { namedCurve: asymmetricKeyDetails?.namedCurve ?? '' }).privateKey;
}

function signature(key: KeyObject, input: Buffer): string {
  const used = mode.sibling === true ? siblingOf(key) : key;
  return signedDigest(used, input, mode.raw === true)
    .subarray(0, mode.cut)
    .toString('base64');
}

function answerTo({ op, key: name, messages = [] }: KeyServerAsk): KeyServerAnswer {
  const key = keys.get(name);
  if (op === 'asked') return { asked, most };
  if (key === undefined) return { failure: 'SIGNER_KEY_GONE' };
  if (op === 'open')
    return { publicKey: createPublicKey(key).export({ type: 'spki', format: 'der' }).toString('base64') };
  asked++;
  const isMeant = mode.of === undefined || mode.of === name;
  if (isMeant && mode.failure !== undefined && (mode.times === undefined || mode.times-- > 0))
    return { failure: mode.failure, retryAfterMs: mode.retryAfterMs };
  const signatures = messages.map((message) => signature(key, Buffer.from(message, 'base64')));
  return { signatures: signatures.slice(0, signatures.length - (mode.forgets ?? 0)) };
}

function answer(socket: Socket, line: string): void {
  const ask = JSON.parse(line) as KeyServerAsk;
  if (ask.op !== 'asked' && mode.silent === true) return;
  if (ask.op === 'sign' && mode.drops === true) {
    socket.destroy();
    return;
  }
  const isWork = ask.op === 'sign';
  if (isWork) most = Math.max(most, ++underWay);
  const reply = (): void => {
    if (isWork) underWay--;
    socket.end(`${JSON.stringify(answerTo(ask))}\n`);
  };
  if (ask.op === 'sign' && mode.slowMs !== undefined) setTimeout(reply, mode.slowMs);
  else reply();
}

const server = createServer((socket) => {
  const lines = createInterface({ input: socket });
  // A client that gave up has closed its end.
  for (const one of [socket, lines]) one.on('error', () => undefined);
  lines.on('line', (line) => {
    answer(socket, line);
  });
});
server.listen(path, () => {
  process.stdout.write('listening\n');
});
