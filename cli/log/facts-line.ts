import { printable } from '../../core/printable.ts';
import type { Facts } from '../../search/entry-facts.ts';

/** An entry in a line for a person: where it is, when, who, and what was signed. */
export function factsLine(facts: Facts): string {
  const text = (value: unknown): string => (typeof value === 'string' ? printable(value) : '');
  const { log, origin, index, time, identity, issuer, serial, problem, uses, usesAreAll, verified } = facts;
  const digests = Array.isArray(facts['digests']) ? facts['digests'].map(text) : [];
  const signers = Array.isArray(facts['signers']) ? facts['signers'].map(signerText) : [];
  const place = typeof index === 'number' ? `${text(log)} ${text(origin)} ${index}` : '';
  const who = [text(identity), text(issuer), text(serial), ...signers, ...digests, text(problem)];
  const more = usesAreAll === false ? ', perhaps more' : '';
  const joined = [
    typeof uses === 'number' ? `signed ${uses}${more}` : '',
    verified === false ? 'NOT PROVEN' : '',
  ];
  return [place, text(time), ...who, ...joined].filter((cell) => cell !== '').join('  ');
}

function signerText(signer: unknown): string {
  const { identities, issuer, keySha256 } = signer as {
    readonly identities?: readonly string[];
    readonly issuer?: string;
    readonly keySha256?: string;
  };
  const names = (identities ?? []).map(printable).join(', ');
  return names === ''
    ? `key ${printable(keySha256 ?? '')}`
    : `${names} (${printable(issuer ?? 'no issuer')})`;
}
