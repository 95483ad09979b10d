import { FULCIO_EXTENSIONS } from '../../core/fulcio-extensions.ts';
import { certificateUri } from './certificate-uri.ts';
import { claim, requiredText } from '../core/claims.ts';
import type { Claims } from '../core/claims.ts';
import { DefinitionError } from '../core/definition-error.ts';
import { verifiedEmail } from './email-claims.ts';
import { claimText, goJson } from '../../core/go/value.ts';
import type { CiProviderDefinition, IssuerDefinition } from '../core/issuer-definition.ts';
import type { PrincipalReader } from './issuer-types.ts';
import { compileTemplate } from '../template/template.ts';
import type { Template } from '../template/template.ts';
import { MAX_RESULT_LENGTH, pathText } from '../template/evaluator.ts';
import type { Judge, Lookup, TemplateFailure } from '../template/evaluator.ts';
import type { ClaimPath } from '../template/tree.ts';
import { memberOf } from './json-path.ts';
import { TokenError } from '../core/token-error.ts';

/** One text of the provider, compiled. */
interface Slot {
  /** Fulcio's name of what the text fills. */
  readonly name: string;
  readonly template: Template;
}

/** An extension's slot. */
interface ExtensionSlot extends Slot {
  readonly number: number;
}

/** Issuer and subject always come from the token itself. */
const FORCED: readonly number[] = [1, 8, 24];

/** Type ci-provider: a job of a CI system, named and described by texts over its claims. */
export function ciProviderIssuer(definition: IssuerDefinition): PrincipalReader {
  const provider = requireProvider(definition);
  const subjectSlot = compileSubject(definition, provider);
  const slots = compileExtensions(definition, provider);
  return (token) => {
    const { issuer, claims } = token;
    const subject = requiredText(claims, 'sub');
    const lookup = lookupIn(claims, provider);
    const san = certificateUri(fill(subjectSlot, lookup, issuer, judgeIn(claims, provider)));
    return {
      issuer,
      subject,
      challenge: subject,
      alternativeChallenge: verifiedEmail(claims),
      san,
      extensions: fillAll(slots, lookup, issuer, subject),
    };
  };
}

// A pinned value wins over everything. A claim wins over a default of its name, as in Fulcio.
function lookupIn(claims: Claims, { pinned, defaults }: CiProviderDefinition): Lookup {
  // Printing a large claim once is enough, however often it is asked for.
  const printed = new Map<string, string>();
  return (path) => {
    const name = pathText(path);
    const fixed = pinned?.get(name);
    if (fixed !== undefined) return fixed;
    const value = valueAt(claims, path);
    if (value === undefined) return defaults.get(name);
    if (typeof value === 'string') return value;
    // A name may hold dots.
    const key = path.length === 1 ? name : JSON.stringify(path);
    const text = printed.get(key) ?? claimText(value);
    printed.set(key, text);
    return text;
  };
}

/** The claim, or what is inside of it; undefined when it is not there. */
function valueAt(claims: Claims, [name, ...inner]: ClaimPath): unknown {
  let value = claim(claims, name);
  for (const step of inner) value = memberOf(value, step);
  return value;
}

/** Refuses values with which two tokens of different claims could get one name: null, a list or a map, of which Go makes a
 * text, and numbers of which JSON makes one. */
function judgeIn(claims: Claims, { pinned }: CiProviderDefinition): Judge {
  return (path) => {
    if (pinned?.has(pathText(path)) === true) return undefined;
    const value = valueAt(claims, path);
    if (value === null) return 'null';
    if (typeof value === 'object') return 'a list or a map';
    if (typeof value === 'number' && !Number.isSafeInteger(value)) return 'not a whole number below 2^53';
    return undefined;
  };
}

function fillAll(
  slots: readonly ExtensionSlot[],
  lookup: Lookup,
  issuer: string,
  subject: string,
): Map<number, string> {
  const values = new Map<number, string>([
    [1, issuer],
    [8, issuer],
  ]);
  for (const slot of slots) {
    const value = fill(slot, lookup, issuer);
    if (value !== '') values.set(slot.number, value);
  }
  return values.set(24, subject);
}

function fill(slot: Slot, lookup: Lookup, issuer: string, judge?: Judge): string {
  const value = slot.template(lookup, judge);
  if (typeof value === 'string') return value;
  if (value.reason === 'missing') throw missing(value, slot.name, issuer);
  if (value.reason === 'unfit') throw unfit(value, slot.name);
  throw new TokenError(
    'TEMPLATE_FAILED',
    `${slot.name} cannot be made from this token: ${WHY[value.reason]}`,
    {
      hint: 'This is for the operator of this service: correct the template in ci-issuer-metadata.',
      metadata: { extension: slot.name },
      fulcioMessage: value.reason === 'incomparable' ? value.goMessage : undefined,
    },
  );
}

const WHY: Readonly<Record<Exclude<TemplateFailure['reason'], 'missing' | 'unfit'>, string>> = {
  incomparable: 'its template compares a text with something that is none',
  'too long': `it would be longer than ${MAX_RESULT_LENGTH} characters`,
};

const ASK = "Ask the issuer for this claim, or give it a default in the provider's default-template-values.";

function missing(
  { name, goMessage }: TemplateFailure & { readonly reason: 'missing' },
  extension: string,
  issuer: string,
): TokenError {
  return new TokenError('TEMPLATE_FAILED', `the token has no "${name}", from which ${extension} is made`, {
    hint: name.includes('.') ? `${ASK} A claim with a dot in its name is {{ index . "${name}" }}.` : ASK,
    metadata: { claim: name, extension },
    fulcioMessage: goMessage ?? missingNameWords(name, extension, issuer),
  });
}

function unfit(
  { name, why, goMessage }: TemplateFailure & { readonly reason: 'unfit' },
  extension: string,
): TokenError {
  return new TokenError(
    'TEMPLATE_FAILED',
    `the token's "${name}" is ${why}, and the name in the certificate is made of it`,
    {
      hint:
        'Such a name could be that of another token too. Have the issuer fill the claim in, or make the name of others ' +
        '(subject-alternative-name-template).',
      metadata: { claim: name, extension },
      fulcioMessage: goMessage,
    },
  );
}

function missingNameWords(name: string, extension: string, issuer: string): string {
  const where = goJson({ ExtensionName: extension, Issuer: issuer }, '\t');
  return `value <${name}> not present in either claims or defaults. ${where}`;
}

function requireProvider(definition: IssuerDefinition): CiProviderDefinition {
  if (definition.ciProvider !== undefined) return definition.ciProvider;
  throw new DefinitionError(
    'FIELD_MISSING',
    `the issuer ${definition.url} names no CI provider that exists`,
    {
      hint: 'Set ci-provider to a key of ci-issuer-metadata.',
      metadata: { issuer: definition.url, field: 'ci-provider' },
    },
  );
}

function compileSubject(definition: IssuerDefinition, provider: CiProviderDefinition): Slot {
  const text = provider.subjectTemplate;
  if (text.trim() !== '')
    return {
      name: 'SubjectAlternativeName',
      template: compile(definition, 'subject-alternative-name-template', text),
    };
  throw new DefinitionError(
    'FIELD_MISSING',
    `SubjectAlternativeNameTemplate should not be empty. Issuer: ${definition.url}`,
    {
      hint: 'Say in subject-alternative-name-template what the certificate names.',
      metadata: { issuer: definition.url, field: 'subject-alternative-name-template' },
    },
  );
}

function compileExtensions(definition: IssuerDefinition, provider: CiProviderDefinition): ExtensionSlot[] {
  const templates = [...provider.extensionTemplates].sort(([a], [b]) => a - b);
  const used = templates.filter(([number, text]) => text.trim() !== '' && !FORCED.includes(number));
  return used.map(([number, text]) => {
    const name = extensionName(definition, number);
    return { number, name, template: compile(definition, name, text) };
  });
}

function extensionName(definition: IssuerDefinition, number: number): string {
  const row = FULCIO_EXTENSIONS.find((extension) => extension.number === number);
  if (row !== undefined) return row.name;
  throw new DefinitionError('FIELD_INVALID', `there is no extension ${number}`, {
    hint: 'Extensions 2 to 6 and 9 to 23 can be set.',
    metadata: { issuer: definition.url, field: 'extension-templates' },
  });
}

function compile(definition: IssuerDefinition, field: string, text: string): Template {
  try {
    return compileTemplate(text);
  } catch (error) {
    if (!(error instanceof DefinitionError)) throw error;
    throw new DefinitionError(error.code, `${field}: ${error.message}`, {
      hint: error.hint,
      metadata: { ...error.metadata, issuer: definition.url, field },
    });
  }
}
