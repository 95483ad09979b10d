/** Recorded entries of Rekor's logs. */
import { readFileSync } from 'node:fs';
import { vectorPath } from '../../../support/vectors.ts';

/** An entry of a log, with the request that made it. */
export interface RekorVector {
  readonly name: string;
  readonly request: string;
  readonly answer: string;
  readonly payloadType?: string;
  readonly payload?: string;
  readonly canonicalizedBody: string;
  readonly leafHash: string;
}

/** What a real server answered to a read or a refused request. */
export interface RecordedAnswer {
  readonly name?: string;
  readonly request?: string;
  readonly status: number;
  /** `Name: value`. */
  readonly headers: readonly string[];
  readonly answer: string;
}

interface RekorVectors {
  /** By what was asked. In the first API alone. */
  readonly reads: Readonly<Record<string, RecordedAnswer>>;
  readonly refusals: readonly RecordedAnswer[];
  readonly log: { readonly publicKeyPem: string; readonly publicKeySpkiDer: string };
  readonly entries: readonly RekorVector[];
  readonly stock: readonly RekorVector[];
}

const vectorsOf = (file: string): RekorVectors =>
  JSON.parse(readFileSync(vectorPath(`rekor/${file}`), 'utf8')) as RekorVectors;
/** Of the first API. */
export const V1 = vectorsOf('vectors-v1.json');
/** Of the second API. */
export const V2 = vectorsOf('vectors-v2.json');

/** One entry for several signatures, of which a bundle holds none; and one that names its key wrongly. */
const NEVER: readonly string[] = ['dsse-two-signatures', 'rsa-key-with-wrong-details'];
/** Entries of the first API about one signature. */
export const firstVectors = [...V1.entries, ...V1.stock].filter(({ name }) => !NEVER.includes(name));
/** Entries of the second API about one signature. */
export const secondVectors = V2.entries.filter(({ name }) => !NEVER.includes(name));
