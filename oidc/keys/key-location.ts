/** Which document leads to an issuer's keys. */
import { DefinitionError } from '../core/definition-error.ts';
import { discoveryUrl } from './discovery.ts';

/** A discovery document, or the key set itself. */
export interface KeyLocation {
  readonly kind: 'discovery' | 'jwks';
  readonly url: URL;
  /** What the `issuer` of a discovery document has to be. */
  readonly issuer: string;
  /** Whether an operator named it; else it follows from the issuer's URL. */
  readonly isNamed: boolean;
}

/** The settings of the configuration that name it. */
interface LocationSettings {
  readonly discoveryUrl: string | undefined;
  readonly discoveryIssuer: string | undefined;
  readonly jwksUrl: string | undefined;
}

/** The location for the issuer `url`. Throws {@link DefinitionError} for settings that contradict each other or are no URLs. */
export function keyLocationOf({ jwksUrl, ...settings }: LocationSettings, url: string): KeyLocation {
  const { discoveryIssuer: issuer = url, discoveryUrl: text } = settings;
  if (jwksUrl !== undefined) {
    for (const [field, value] of [
      ['discovery-url', text],
      ['discovery-issuer', settings.discoveryIssuer],
    ] as const)
      if (value !== undefined) throw useless(url, field, 'with jwks-url no discovery document is asked for');
    return { kind: 'jwks', url: urlOf(jwksUrl, 'jwks-url', url), issuer, isNamed: true };
  }
  return text === undefined
    ? { kind: 'discovery', url: discoveryUrl(url), issuer, isNamed: false }
    : { kind: 'discovery', url: urlOf(text, 'discovery-url', url), issuer, isNamed: true };
}

/** A query may be part of it: some providers choose among their policies by one. */
function urlOf(text: string, field: string, issuer: string): URL {
  const url = URL.parse(text);
  const isUsable = url !== null && /^https?:\/\/[^/]/i.test(text) && !/[#\s]/.test(text);
  if (isUsable && url.username === '' && url.password === '') return url;
  throw new DefinitionError('FIELD_INVALID', `${field} of ${issuer} is not the URL of a document`, {
    hint: 'Write https://host/path, without user and fragment.',
    metadata: { issuer, field },
  });
}

function useless(issuer: string, field: string, why: string): DefinitionError {
  return new DefinitionError('FIELD_INVALID', `${field} of ${issuer} has no effect: ${why}`, {
    hint: 'Keep one of them.',
    metadata: { issuer, field },
  });
}
