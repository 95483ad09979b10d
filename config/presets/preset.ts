/** What a preset of a provider is made of. The texts stand in one file per provider; `preset-yaml.ts` puts them together. */
import { randomBytes } from 'node:crypto';
import type { CiProviderDefinition, IssuerType } from '../../oidc/core/issuer-definition.ts';

/** Something that only the operator knows. Texts of a preset hold it as `%name%`. */
export interface Blank {
  /** Lower case with dashes; `audience` is there without being declared. */
  readonly name: string;
  /** What it is and where it is found. */
  readonly about: string;
  /** A value of the right form, for the documentation and for tests. */
  readonly example: string;
  /** What stands there until somebody fills it in; default `EDIT-ME-name`. Holds "edit-me" in any case. */
  readonly unset?: string | undefined;
}

/** A rule whose CEL text may hold blanks; each of them stands between double quotes. */
export interface PresetRule {
  readonly name: string;
  readonly effect: 'allow' | 'deny';
  readonly expression: string;
  readonly message?: string | undefined;
  /** Why it is there, for the comment above it. */
  readonly why: string;
}

/** Blanks by name. */
export type BlankValues = ReadonlyMap<string, string>;

/** A provider of tokens, ready to be configured. */
export interface Preset {
  /** As `mayfly config preset NAME` takes it; also the name of the issuer block. */
  readonly name: string;
  readonly title: string;
  /** Whom its tokens speak for, and what to know about them; sentences. */
  readonly about: readonly string[];
  readonly blanks: readonly Blank[];
  /** Texts that follow from filled blanks, by the names under which other texts hold them. */
  readonly derived?: Readonly<Record<string, (values: BlankValues) => string>> | undefined;
  /** The issuer's URL. */
  readonly issuer: string;
  /** Where a provider dictates audiences; default the deployment's own, `%audience%`. */
  readonly audiences?: readonly string[] | undefined;
  readonly type: IssuerType;
  /** Fulcio's further keys of the issuer block, such as `subject-domain`. */
  readonly fields?: Readonly<Record<string, string>> | undefined;
  /** Type ci-provider: the templates; its values may hold blanks. */
  readonly provider?: CiProviderDefinition | undefined;
  /** The claims that rules here are written with, and what each means. */
  readonly claims: readonly (readonly [claim: string, meaning: string])[];
  readonly rules: readonly PresetRule[];
  /** How a job or a person gets a token for `%audience%`: one line. */
  readonly token: string;
}

/** What marks a value that is still to be filled in, in any case. */
export const isUnset = (text: string): boolean => /edit-me/i.test(text);

/** What stands for a blank until it is filled in. */
export const unsetValue = ({ name, unset }: Blank): string => unset ?? `EDIT-ME-${name}`;

/** The host of a provider that an organisation runs itself. */
export const hostBlank = (about: string, example: string): Blank => ({
  name: 'host',
  about,
  example,
  // A name that never resolves (RFC 2606).
  unset: 'host.edit-me.example',
});

/** An audience for a deployment: not guessable from another one's, so nobody has a token for it by accident. */
export const newAudience = (): string => `mayfly-${randomBytes(6).toString('hex')}`;
