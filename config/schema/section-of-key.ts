import { z } from 'zod';
import { nearest } from '../../core/nearest.ts';
import { mayflyIssuerSchema } from './issuer-schema.ts';
import { mayflySchema } from './mayfly-schema.ts';
import { unwrap } from './schema-parts.ts';

interface Block {
  readonly names: readonly string[];
  readonly place: string;
}

const namesOf = (schema: z.ZodType): string[] => {
  const inner = unwrap(schema);
  return inner instanceof z.ZodObject ? Object.keys(inner.shape) : [];
};

/** Our blocks, and how to find them. `name` is too common a word to be taken for ours. */
const BLOCKS: readonly Block[] = [
  {
    names: namesOf(mayflyIssuerSchema).filter((name) => name !== 'name'),
    place: 'the block "mayfly" of an issuer block, below oidc-issuers or meta-issuers',
  },
  { names: namesOf(mayflySchema), place: 'the block "mayfly" at the top of the file' },
];

/**
 * Where a key belongs that is ours and stands in a place that does not know it, as advice; undefined for what is no key
 * of ours. A rule at the top of the file would otherwise be ignored as one of Fulcio's unknown keys, and a deny rule
 * be lost. `loosely` takes slips of the finger for the key that was meant.
 */
export function sectionAdvice(key: string, loosely: boolean): string | undefined {
  for (const { names, place } of BLOCKS) {
    const ours = loosely ? nearest(key, names) : names.find((name) => name === key);
    if (ours !== undefined) return `It belongs into ${place}${ours === key ? '' : `, as "${ours}"`}.`;
  }
  return undefined;
}
