/** `mayfly verify timestamp`: an RFC 3161 timestamp, offline. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { fromBase64, fromHex } from '../../core/bytes.ts';
import { rfc3339 } from '../../core/clock.ts';
import { DerReader } from '../../core/der-reader.ts';
import { Tag } from '../../core/der-tag.ts';
import { FormatError, messageOf } from '../../core/errors.ts';
import { decodePem, type PemBlock } from '../../core/pem.ts';
import {
  TIMESTAMP_STEPS,
  verifyTimestamp,
  type TimestampVerifyRequest,
  type TimestampVerification,
} from '../../verify/timestamp.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { readFileOrStdin } from '../program/input-file.ts';
import { readTrust, trustPath, type TrustOptions } from './chosen-trust.ts';
import { parseDigest } from './digest-option.ts';
import { platformCrypto } from './platform-crypto.ts';

/** Options of `mayfly verify timestamp`. */
export interface VerifyTimestampOptions extends TrustOptions {
  readonly artifact?: string;
  readonly digest?: string;
  readonly nonce?: string;
  readonly policy?: string;
}

/** Verifies the timestamp that is named and says what was found, step by step; false when a step failed. Rejects with
 * {@link CommandError} for files and options that cannot be used. */
export async function verifyTimestampFile(
  options: VerifyTimestampOptions,
  speak: Speaker,
  [file = '']: readonly string[],
): Promise<boolean> {
  const digestOf = digests(options);
  const nonce = nonceOf(options.nonce);
  const policy = policyOf(options.policy);
  const { trustedRoot } = await readTrust(requiredTrust(options));
  const authorities = trustedRoot?.timestampAuthorities ?? [];
  if (authorities.length === 0)
    throw usage(
      '--trust: no timestamp authority is in it',
      'Take the trusted_root.json of `mayfly trust export`.',
    );
  const timestamp = derOf(await readFileOrStdin(file, 'the timestamp'));
  const request = {
    timestamp,
    digestOf,
    authorities,
    nonce,
    policy,
    clock: Date.now(),
    crypto: platformCrypto,
  };
  const verification = await verifyTimestamp(request);
  speak.answer(facts(verification), text(verification));
  speak.note(
    'Not checked: what the bytes are, and any signature. A timestamp shows that they were there at that time.',
  );
  return verification.ok;
}

/** Of a file of whatever size, by the hash that the timestamp has; or the one that was given. */
function digests({ artifact, digest }: VerifyTimestampOptions): TimestampVerifyRequest['digestOf'] {
  if ((artifact === undefined) === (digest === undefined))
    throw usage(
      'say what was timestamped: --artifact FILE or --digest HASH:HEX',
      'Of a signature, its raw bytes.',
    );
  if (artifact !== undefined) return (hash) => digestOfFile(artifact, hash);
  const [known, bytes] = parseDigest(digest ?? '');
  return (hash) => (hash === known ? bytes : undefined);
}

async function digestOfFile(path: string, algorithm: string): Promise<Uint8Array> {
  const hash = createHash(algorithm);
  try {
    await pipeline(createReadStream(path), hash);
  } catch (error) {
    throw usage(
      `--artifact: ${path} cannot be read (${messageOf(error)})`,
      'Name the file that was timestamped.',
    );
  }
  return hash.digest();
}

/** The number as OpenSSL prints it, or in decimal. */
function nonceOf(nonce: string | undefined): Uint8Array | undefined {
  if (nonce === undefined) return undefined;
  if (!/^(?:0x[0-9a-fA-F]{1,128}|\d{1,128})$/.test(nonce))
    throw usage(
      '--nonce takes a whole number, in decimal or as 0x and hexadecimal',
      'It is the one of the request.',
    );
  const hex = BigInt(nonce).toString(16);
  return fromHex(hex.padStart(hex.length + (hex.length % 2), '0'));
}

function policyOf(policy: string | undefined): string | undefined {
  if (policy === undefined || /^\d+(?:\.\d+)+$/.test(policy)) return policy;
  throw usage('--policy takes a dotted object identifier', 'As in 1.3.6.1.4.1.57264.2.');
}

function requiredTrust(options: VerifyTimestampOptions): string {
  const path = trustPath(options);
  if (path !== undefined) return path;
  throw usage(
    'give --trust: without authorities of your own to believe nothing can be judged',
    'The operator of the CA makes the directory with: mayfly trust export --data DIR --out DIR',
  );
}

/** Bundles hold timestamps in base64, and OpenSSL writes a token as PEM. */
function derOf(bytes: Uint8Array): Uint8Array {
  const text = Buffer.from(bytes).toString('latin1');
  if (bytes[0] !== Tag.sequence && text.includes('-----BEGIN ')) return tokenOfPem(text);
  if (/^\s*\{/.test(text))
    throw usage(
      'the file of the timestamp holds JSON',
      'A bundle is verified by `mayfly verify bundle`, with the timestamps that are in it.',
    );
  if (isQuery(bytes))
    throw usage(
      'the file is a request for a timestamp, and no timestamp',
      'Give what the authority answered to it.',
    );
  const base64 = text.replaceAll(/\s/g, '');
  if (!/^[A-Za-z0-9+/]{4,}={0,2}$/.test(base64) || base64.length % 4 !== 0) return bytes;
  try {
    return fromBase64(base64);
  } catch {
    return bytes;
  }
}

/** A request (RFC 3161 §2.4.1) begins with its version, an answer with its status, a token with its type. */
function isQuery(bytes: Uint8Array): boolean {
  try {
    return new DerReader(bytes).enter(Tag.sequence).peek() === Tag.integer;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return false;
  }
}

/** Labels of signed data (RFC 7468 §8, §9). */
const LABELS: ReadonlySet<string> = new Set(['PKCS7', 'CMS']);

function tokenOfPem(text: string): Uint8Array {
  const blocks = pemBlocks(text);
  const [block] = blocks;
  if (block !== undefined && blocks.length === 1 && LABELS.has(block.label)) return block.bytes;
  const held = blocks.map(({ label }) => `"${label}"`).join(', ');
  throw usage(
    `the file of the timestamp is PEM and holds ${held === '' ? 'nothing' : held}`,
    'Give the answer of the authority as it came (DER) or in base64, or the token in it, also as one PEM block "PKCS7" or "CMS".',
  );
}

function pemBlocks(text: string): readonly PemBlock[] {
  try {
    return decodePem(text);
  } catch (error) {
    throw usage(
      `the file of the timestamp is PEM that cannot be read: ${messageOf(error)}`,
      'Give the answer of the authority as it came.',
    );
  }
}

const failuresOf = ({ steps }: TimestampVerification): string[] =>
  steps.filter(({ ok }) => !ok).map(({ name }) => name);

/** What was neither asked nor skipped. */
const notCheckedOf = ({ steps, skipped }: TimestampVerification): string[] =>
  TIMESTAMP_STEPS.filter((name) => ![...steps, ...skipped].some((step) => step.name === name));

function facts(verification: TimestampVerification): Record<string, unknown> {
  const { ok, fault, time, steps, skipped } = verification;
  return {
    ok,
    fault: fault ?? null,
    time: time === undefined ? null : new Date(time).toISOString(),
    steps,
    failed: failuresOf(verification),
    skipped: skipped.map(({ name }) => name),
    notChecked: notCheckedOf(verification),
  };
}

function text(verification: TimestampVerification): string {
  const { ok, fault = 'certificate', time, steps, skipped } = verification;
  const line = (outcome: string, name: string, detail: string): string =>
    `${outcome.padEnd(8)}${name.padEnd(12)}${detail}`;
  const lines = TIMESTAMP_STEPS.flatMap((name) => [
    ...steps
      .filter((step) => step.name === name)
      .map((step) => line(step.ok ? 'ok' : 'FAILED', name, step.detail)),
    ...skipped
      .filter((step) => step.name === name)
      .map(({ needs }) => line('skipped', name, `needs ${needs}`)),
  ]);
  const end =
    ok && time !== undefined
      ? `Verified: these bytes were there at ${rfc3339(time)}`
      : `Not verified: ${failuresOf(verification).join(', ')} failed. ${FAULTS[fault]}`;
  return [...lines, '', end].join('\n');
}

const FAULTS = {
  certificate: 'The fault is that of the timestamp, or of what came with it.',
  policy: 'The timestamp is genuine, but not the one that was asked for.',
  trust:
    'The fault may be that of the trust: it is older, or of another authority. Get the newest files from who runs the authority before you take the timestamp for forged.',
  clock:
    'The fault may be that of the clock of this machine, which says that this time is still to come. Set the clock right before you take the timestamp for forged.',
} as const;

const usage = (sentence: string, hint: string): CommandError => new CommandError('USAGE', sentence, { hint });
