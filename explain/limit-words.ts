import type { IssuerPolicyDefinition, RateLimit } from '../policy/issuer-policy-definition.ts';

/** What limits an issuer block has; an explanation does not count against them. */
export function limitWords({ issuerRateLimit, principalRateLimit }: IssuerPolicyDefinition): string {
  const limits = [
    ...(issuerRateLimit === undefined ? [] : [`${rate(issuerRateLimit)} for the whole issuer block`]),
    ...(principalRateLimit === undefined ? [] : [`${rate(principalRateLimit)} for each principal`]),
  ];
  return limits.length === 0 ? 'there is none' : limits.join(', ');
}

const rate = ({ perMinute, burst }: RateLimit): string => `${perMinute} a minute (at once ${burst})`;

const GUARDS: Readonly<Record<IssuerPolicyDefinition['replayGuard'], string>> = {
  off: 'a token may be used again while it lasts',
  jti: 'a token works once, recognized by its "jti"',
  token: 'a token works once',
};

/** Whether tokens of an issuer block work more than once. */
export const replayWords = ({ replayGuard }: IssuerPolicyDefinition): string => GUARDS[replayGuard];
