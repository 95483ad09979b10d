import { sharedAudience } from './audience-choice.ts';
import { DefinitionError } from './core/definition-error.ts';
import type { IssuerDefinition } from './core/issuer-definition.ts';
import { compileIssuer } from './types/issuer-types.ts';
import type { PrincipalReader } from './types/issuer-types.ts';
import type { Acceptance } from './verify-token.ts';

/** One definition with all that its tokens need, prepared once. */
export interface IssuerBlock extends Acceptance {
  readonly definition: IssuerDefinition;
  readonly principalOf: PrincipalReader;
}

/** All issuer blocks of one issuer, ready for tokens. Throws {@link DefinitionError}. */
export function compileIssuerBlocks(definitions: readonly IssuerDefinition[]): IssuerBlock[] {
  const blocks = definitions.map(issuerBlock);
  const shared = sharedAudience(blocks);
  if (shared === undefined) return blocks;
  const [audience, { definition: first }, { definition: second }] = shared;
  const names = `${first.name} and ${second.name}`;
  const sentence = `two issuer blocks of the issuer ${first.url} take the audience "${audience}": ${names}`;
  throw new DefinitionError('ISSUER_DUPLICATE', sentence, {
    hint: 'The audience of a token chooses its issuer block: give each a client-id of its own.',
    metadata: { issuer: first.url, field: 'client-id', entry: second.name },
  });
}

/** Definitions never change, so that each has to be compiled once. */
const COMPILED = new WeakMap<IssuerDefinition, IssuerBlock>();

/** One definition, ready for tokens. The same definition returns the same block again, at no cost. So many definitions can
 * be compiled one by one, ahead of the pool that needs them all. Throws {@link DefinitionError}. */
export function issuerBlock(definition: IssuerDefinition): IssuerBlock {
  const known = COMPILED.get(definition);
  if (known !== undefined) return known;
  const block = compileIssuerBlock(definition);
  COMPILED.set(definition, block);
  return block;
}

const MAX_LEEWAY_SECONDS = 300;

function compileIssuerBlock(definition: IssuerDefinition): IssuerBlock {
  const { url, audiences, leewaySeconds = 0 } = definition;
  if (audiences.length === 0 || audiences.includes(''))
    throw blockError('FIELD_MISSING', definition, 'client-id', `the issuer ${url} has no client-id`);
  if (!(leewaySeconds >= 0 && leewaySeconds <= MAX_LEEWAY_SECONDS)) {
    const sentence = `the leeway of the issuer ${url} is not between 0 and ${MAX_LEEWAY_SECONDS} seconds`;
    throw blockError('FIELD_INVALID', definition, 'leeway', sentence);
  }
  const { issuerClaim = '', issuerClaimValues } = definition;
  if (issuerClaimValues !== undefined && issuerClaim === '') {
    const sentence = `the issuer ${url} has allowed values for an issuer-claim, but no issuer-claim`;
    throw blockError('FIELD_INVALID', definition, 'issuer-claim-values', sentence);
  }
  const principalOf = compileIssuer(definition);
  return { definition, name: definition.name, audiences, leeway: leewaySeconds * 1000, principalOf };
}

function blockError(
  code: 'FIELD_MISSING' | 'FIELD_INVALID',
  { url, name }: IssuerDefinition,
  field: string,
  sentence: string,
): DefinitionError {
  return new DefinitionError(code, sentence, { metadata: { issuer: url, field, entry: name } });
}
