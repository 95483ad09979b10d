/**
 * Policies for checkpoints (c2sp.org/tlog-policy), as Tessera and TesseraCT read them, too: a text of lines
 *
 *     log <vkey> [<url>]
 *     witness <name> <vkey> [<url>]
 *     group <name> <k>|any|all <name>…
 *     quorum <name>|none
 *
 * Empty lines, and those that begin with `#`, are skipped.
 */
import { equalBytes } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import type { Sha256 } from '../../core/hash.ts';
import type { NoteSignature } from './signed-note.ts';
import { parseVkey, type Vkey } from './vkey.ts';

/** A key with where its owner is asked. */
interface PolicyKey {
  readonly vkey: Vkey;
  readonly url: string | undefined;
}

/** A witness as a policy names it. */
export interface PolicyWitness extends PolicyKey {
  readonly name: string;
}

/** Some of the members have to have cosigned. */
interface Group {
  readonly needed: number;
  readonly members: readonly string[];
}

/** Whose word makes a checkpoint valid. */
export interface WitnessPolicy {
  /** The logs whose checkpoints it is about; none where the reader knows which. */
  readonly logs: readonly PolicyKey[];
  readonly witnesses: readonly PolicyWitness[];
  readonly groups: ReadonlyMap<string, Group>;
  /** A witness, a group, or `none`. */
  readonly quorum: string;
}

const NONE = 'none';
const LINE_LIMIT = 1024;
const CONTROL = /[^\t\n\x20-\x7e\u0080-\u{10ffff}]/u;

/** Reads a policy. Throws {@link FormatError} that names the line which is wrong; keys have to be of Ed25519, those of witnesses for cosignatures. */
export function parseWitnessPolicy(sha256: Sha256, text: string): WitnessPolicy {
  if (CONTROL.test(text)) throw new FormatError('MALFORMED', 'a policy holds control characters');
  const lines = text.split('\n');
  if (lines.length > LINE_LIMIT) throw new FormatError('TOO_LARGE', 'a policy has too many lines');
  const reader = new PolicyReader(sha256);
  for (const [i, line] of lines.entries()) {
    const words = line.split(/[ \t]+/).filter((word) => word !== '');
    const [keyword = '#'] = words;
    if (keyword.startsWith('#')) continue;
    try {
      reader.line(words);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      throw new FormatError(error.code, `line ${i + 1} of the policy: ${error.message}`);
    }
  }
  return reader.policy();
}

class PolicyReader {
  readonly #sha256: Sha256;
  readonly #logs: PolicyKey[] = [];
  readonly #witnesses: PolicyWitness[] = [];
  readonly #groups = new Map<string, Group>();
  readonly #members = new Set<string>();
  #quorum: string | undefined;

  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
  }

  line([keyword, ...words]: readonly string[]): void {
    if (keyword === 'log') this.#log(words);
    else if (keyword === 'witness') this.#witness(words);
    else if (keyword === 'group') this.#group(words);
    else if (keyword === 'quorum') this.#setQuorum(words);
    else throw malformed('it begins with none of log, witness, group and quorum');
  }

  policy(): WitnessPolicy {
    if (this.#quorum === undefined) throw malformed('a policy needs a line "quorum NAME"');
    return { logs: this.#logs, witnesses: this.#witnesses, groups: this.#groups, quorum: this.#quorum };
  }

  #log([text = '', url, ...more]: readonly string[]): void {
    if (text === '' || more.length > 0) throw malformed('a log is "log VKEY [URL]"');
    const vkey = parseVkey(this.#sha256, text);
    if (vkey.type === 'cosignature') throw malformed('the key of a log is not one for cosignatures');
    requireNew(this.#logs, vkey);
    this.#logs.push({ vkey, url });
  }

  #witness([name = '', text = '', url, ...more]: readonly string[]): void {
    if (text === '' || more.length > 0) throw malformed('a witness is "witness NAME VKEY [URL]"');
    this.#requireFree(name);
    const vkey = parseVkey(this.#sha256, text);
    if (vkey.type !== 'cosignature')
      throw malformed('the key of a witness is one for cosignatures (type 04)');
    requireNew(this.#witnesses, vkey);
    this.#witnesses.push({ name, vkey, url });
  }

  #group([name = '', count = '', ...members]: readonly string[]): void {
    if (members.length === 0) throw malformed('a group is "group NAME any|all|NUMBER NAME…"');
    this.#requireFree(name);
    const needed = count === 'any' ? 1 : count === 'all' ? members.length : Number(count);
    const isNumber = count === 'any' || count === 'all' || /^[1-9][0-9]{0,3}$/.test(count);
    if (!isNumber || needed > members.length)
      throw malformed(`a group needs any, all, or a number from 1 to that of its members`);
    for (const member of members) {
      if (!this.#isDefined(member)) throw malformed('a group names what no line before it defines');
      if (this.#members.has(member)) throw malformed('a name is a member twice');
      this.#members.add(member);
    }
    this.#groups.set(name, { needed, members });
  }

  #setQuorum([name = '', ...more]: readonly string[]): void {
    if (this.#quorum !== undefined) throw malformed('there is a quorum already');
    if (more.length > 0 || (name !== NONE && !this.#isDefined(name)))
      throw malformed('the quorum is "none", or what a line before it defines');
    this.#quorum = name;
  }

  #isDefined(name: string): boolean {
    return this.#groups.has(name) || this.#witnesses.some((witness) => witness.name === name);
  }

  #requireFree(name: string): void {
    if (name === NONE || this.#isDefined(name)) throw malformed('the name is taken');
  }
}

/** A key that counts twice would count for two. */
function requireNew(known: readonly PolicyKey[], vkey: Vkey): void {
  if (known.some((one) => equalBytes(one.vkey.key, vkey.key))) throw malformed('the key stands there twice');
}

const malformed = (message: string): FormatError => new FormatError('MALFORMED', message);

/** Whether the cosignatures of the witnesses with these names are enough. */
export function isQuorum({ quorum, groups }: WitnessPolicy, cosigned: ReadonlySet<string>): boolean {
  const holds = (name: string): boolean => {
    const group = groups.get(name);
    return group === undefined ? cosigned.has(name) : group.members.filter(holds).length >= group.needed;
  };
  return quorum === NONE || holds(quorum);
}

/** What is missing, as a predicate of the checkpoint; undefined where the cosignatures of the witnesses with these names are enough. */
export function quorumFault(policy: WitnessPolicy, cosigned: ReadonlySet<string>): string | undefined {
  if (isQuorum(policy, cosigned)) return undefined;
  const missing = policy.witnesses.map(({ name }) => name).filter((name) => !cosigned.has(name));
  return `lacks the quorum ${policy.quorum} of the policy: no cosignature of ${missing.join(', ')}`;
}

/** Whether a line of a checkpoint names the key of that witness. Whether it holds is another question. */
export const isLineOf = (
  { vkey }: Pick<PolicyWitness, 'vkey'>,
  { name, keyId }: Pick<NoteSignature, 'name' | 'keyId'>,
): boolean => vkey.name === name && equalBytes(vkey.keyId, keyId);
