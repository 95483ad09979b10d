/** Options of `mayfly verify bundle` that say who must have signed, and what an attestation must say. */
import { fulcioExtensionOf } from '../../core/fulcio-extensions.ts';
import { FormatError } from '../../core/errors.ts';
import { decodePem } from '../../core/pem.ts';
import type { PredicatePolicy } from '../../verify/bundle/statement-check.ts';
import type { SignerPolicy } from '../../verify/bundle/bundle-request.ts';
import type { ExtensionPolicy } from '../../verify/fulcio-extension.ts';
import { refused } from '../../verify/verify-error.ts';
import { CommandError } from '../program/command.ts';
import { readLimited } from '../program/input-file.ts';
import { identityPolicy, type IdentityOptions } from './identity-options.ts';

/** Who must have signed. */
export interface SignerOptions extends IdentityOptions {
  readonly key?: string;
  readonly extension?: readonly string[];
}

/** What the options demand of the signer. Rejects with {@link CommandError} `USAGE` when they say too little, or contradict each other. */
export async function signerPolicy(options: SignerOptions): Promise<SignerPolicy> {
  const { key, extension = [], anyIdentity, identity, identityRegexp, issuer, issuerRegexp } = options;
  if (key === undefined)
    return {
      type: 'certificate',
      identity: await identityPolicy(options),
      extensions: extension.map(readExtension),
    };
  const others = [anyIdentity, identity, identityRegexp, issuer, issuerRegexp, extension[0]];
  if (others.some((one) => one !== undefined))
    throw usage(
      '--key contradicts the identity, issuer or extension beside it',
      'A key has no name: leave one of them out.',
    );
  return { type: 'key', spki: await readKey(key) };
}

async function readKey(file: string): Promise<Uint8Array> {
  const text = Buffer.from(await readLimited(file, '--key')).toString('latin1');
  try {
    const [block, ...more] = decodePem(text);
    if (block?.label === 'PUBLIC KEY' && more.length === 0) return block.bytes;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw usage(`--key: ${file} cannot be used: ${error.message}`, KEY_HINT);
  }
  throw usage(`--key: ${file} is not one public key in PEM`, KEY_HINT);
}

const KEY_HINT = 'Write it with: openssl pkey -in KEY -pubout';

function readExtension(text: string): ExtensionPolicy {
  const at = text.indexOf('=');
  const extension = at < 0 ? undefined : fulcioExtensionOf(text.slice(0, at));
  if (extension !== undefined) return { extension, value: text.slice(at + 1) };
  throw usage(
    `--extension: "${text.slice(0, 200)}" does not name an extension and its value`,
    'Write it as source-repository-ref=refs/tags/v1, SourceRepositoryRef=… or 1.14=…; docs/verify.md has the names.',
  );
}

/** What an attestation must say. */
export interface PredicateOptions {
  readonly policy?: string;
  readonly policyFile?: string;
}

/** The condition that the options name, if they do. Rejects with {@link CommandError} `USAGE` when it is none. */
export async function predicatePolicy({
  policy,
  policyFile,
}: PredicateOptions): Promise<PredicatePolicy | undefined> {
  if (policy !== undefined && policyFile !== undefined)
    throw usage('give --policy or --policy-file, not both');
  const text =
    policyFile === undefined
      ? policy
      : Buffer.from(await readLimited(policyFile, '--policy-file')).toString('utf8');
  if (text === undefined) return undefined;
  // The library of conditions is loaded where there is one.
  const { compilePredicateRule } = await import('../../policy/rules/predicate-rule.ts');
  const { RuleError } = await import('../../policy/rules/rule-error.ts');
  try {
    const rule = compilePredicateRule(text);
    return {
      description: text.trim(),
      accepts(statement) {
        const outcome = rule(statement);
        if (typeof outcome === 'boolean') return outcome;
        throw refused(`the policy cannot be judged: ${outcome.reason}`, 'policy');
      },
    };
  } catch (error) {
    if (!(error instanceof RuleError)) throw error;
    throw usage(`${policyFile === undefined ? '--policy' : '--policy-file'}: ${error.message}`, error.hint);
  }
}

const usage = (message: string, hint?: string): CommandError => new CommandError('USAGE', message, { hint });
