/** The variables of rules, each made when a rule first looks at it. */
import type { CelInput } from '@bufbuild/cel';
import type { ProvenBy } from '../../ca/possession.ts';
import { FULCIO_EXTENSIONS, type ExtensionValues } from '../../core/fulcio-extensions.ts';
import { claim, type Claims } from '../../oidc/core/claims.ts';
import type { Principal } from '../../oidc/core/principal.ts';
import type { Bindings } from './compile.ts';
import { celOfMoment } from './conversions.ts';
import { celOfObject } from './values.ts';

/** What rules look at. */
export interface RuleInput {
  /** Of a token that was verified. */
  readonly claims: Claims;
  readonly principal: Pick<Principal, 'san' | 'subject' | 'issuer' | 'extensions'>;
  /** The public key, `type` as in `ca/signing-algorithms.ts`. */
  readonly key: { readonly type: string; readonly provenBy: ProvenBy };
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** `issuer` is the token's `iss`; `principal.issuer` may be another, by an issuer-claim. */
const VARIABLES: Readonly<Record<string, (input: RuleInput) => CelInput>> = {
  claims: ({ claims }) => celOfObject(claims),
  principal: ({ principal: { san, subject, issuer, extensions } }) =>
    celOfObject({ san: san.value, sanType: san.type, subject, issuer, extensions: byName(extensions) }),
  issuer: ({ claims, principal }) => {
    const issuer = claim(claims, 'iss');
    return typeof issuer === 'string' ? issuer : principal.issuer;
  },
  key: ({ key: { type, provenBy } }) => celOfObject({ type, provenBy }),
  now: ({ now }) => celOfMoment(now),
};

/** The variables for one decision. */
export function bindingsOf(input: RuleInput): Bindings {
  const made = Object.create(PROTOTYPE) as Bindings & { [INPUT]: RuleInput };
  made[INPUT] = input;
  return made;
}

const INPUT = Symbol('input');

/** Getters that put the value in their own place. */
const PROTOTYPE: object = Object.create(
  null,
  Object.fromEntries(
    Object.entries(VARIABLES).map(([name, make]) => [
      name,
      {
        get(this: { [INPUT]: RuleInput }): CelInput {
          const value = make(this[INPUT]);
          Object.defineProperty(this, name, { value });
          return value;
        },
      },
    ]),
  ),
) as object;

function byName(values: ExtensionValues): Record<string, string> {
  const named: Record<string, string> = {};
  for (const { number, name } of FULCIO_EXTENSIONS) {
    const value = values.get(number);
    if (value !== undefined) named[name] = value;
  }
  return named;
}
