import { TokenError } from './core/token-error.ts';

/** Something that tokens for certain audiences fall to. */
export interface Addressee {
  readonly audiences: readonly string[];
}

/** Which of an issuer's blocks a token is for. Choosing costs the same however many there are. */
export class AudienceChoice<E extends Addressee> {
  readonly #byAudience = new Map<string, E>();
  /** Quoted, for the complaint. */
  readonly #wanted: string;

  /** Audiences of two blocks are refused by {@link sharedAudience}; here the later block has them. */
  constructor(blocks: readonly E[]) {
    for (const block of blocks) {
      for (const audience of block.audiences) this.#byAudience.set(audience, block);
    }
    this.#wanted = [...this.#byAudience.keys()].map((audience) => JSON.stringify(audience)).join(' or ');
  }

  /** The one block for a token with this `aud`. Throws {@link TokenError} when it is for none of them or for several. */
  choose(aud: unknown): E {
    const chosen = typeof aud === 'string' ? this.#byAudience.get(aud) : this.#chooseOf(aud);
    if (chosen !== undefined) return chosen;
    throw this.#mismatch(aud);
  }

  #chooseOf(list: unknown): E | undefined {
    // As in Go, a list with anything else in it is no list of audiences.
    if (!Array.isArray(list) || list.some((audience) => typeof audience !== 'string')) return undefined;
    let chosen: E | undefined;
    for (const audience of list as readonly string[]) {
      const block = this.#byAudience.get(audience);
      if (block === undefined) continue;
      if (chosen !== undefined && chosen !== block) throw this.#ambiguous(list);
      chosen = block;
    }
    return chosen;
  }

  #mismatch(aud: unknown): TokenError {
    const wanted = shown(this.#wanted);
    return new TokenError(
      'AUDIENCE_MISMATCH',
      `the token is for ${named(aud, ', ') || 'nobody'}, this issuer wants ${wanted}`,
      {
        hint: `Ask the issuer for a token with the audience ${wanted}.`,
        metadata: { wanted: shown([...this.#byAudience.keys()].join(' ')) },
      },
    );
  }

  #ambiguous(list: readonly unknown[]): TokenError {
    const known = list.filter((audience) => typeof audience === 'string' && this.#byAudience.has(audience));
    const words = named(known, ' and ');
    return new TokenError(
      'AUDIENCE_AMBIGUOUS',
      `the token is for ${words}, which mean different things here`,
      {
        hint: 'Ask the issuer for a token with only one of them.',
      },
    );
  }
}

/** The first audience that two of the blocks share, with both. */
export function sharedAudience<E extends Addressee>(blocks: readonly E[]): [string, E, E] | undefined {
  const owners = new Map<string, E>();
  for (const block of blocks) {
    for (const audience of block.audiences) {
      const owner = owners.get(audience);
      if (owner !== undefined && owner !== block) return [audience, owner, block];
      owners.set(audience, block);
    }
  }
  return undefined;
}

const MAX_SHOWN = 200;
const shown = (text: string): string => (text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text);

function named(aud: unknown, joiner: string): string {
  const list: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  const texts = list.filter((audience) => typeof audience === 'string');
  return shown(texts.map((text) => JSON.stringify(text)).join(joiner));
}
