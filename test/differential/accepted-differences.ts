/**
 * Every difference between Fulcio v1.8.8 and Mayfly that the suite beside this file meets, and why it is accepted. The
 * suite fails when an answer differs that no row explains, and when a row explains nothing any more. The table also
 * stands in docs/compatibility.md, where `npm run docs` writes it.
 */

/** One accepted difference. */
export interface AcceptedDifference {
  readonly subject: string;
  readonly fulcio: string;
  readonly mayfly: string;
  readonly reason: string;
}

const rows = {
  numbers: {
    subject: 'a number in a claim that a template reads',
    fulcio: '`1e+06` from a million on (the main branch: plain decimal)',
    mayfly: 'plain decimal',
    reason: 'the main branch of Fulcio has corrected it; identifiers are numbers',
  },
  subject: {
    subject: 'a token without `sub`, where the type does not use it',
    fulcio: 'a certificate; the proof of possession signs nothing',
    mayfly: 'refused',
    reason: 'a proof over nothing proves nothing, and OpenID Connect demands a subject',
  },
  names: {
    subject: 'claims whose names are spelled in other cases',
    fulcio: 'any case counts, and the last of several spellings wins',
    mayfly: 'exact names',
    reason: '`Email` and `email` are two claims for every other reader',
  },
  times: {
    subject: '`exp` as digits between quotes, `nbf` that is null',
    fulcio: 'read as a number; as absent',
    mayfly: 'refused',
    reason: 'RFC 7519 has numbers there',
  },
  unread: {
    subject:
      'claims that have no use here (`iat`, `nonce`, `at_hash`, the pod of Kubernetes) and are of the wrong type',
    fulcio: 'refused',
    mayfly: 'not looked at',
    reason: 'what is not used cannot mislead',
  },
  critical: {
    subject: 'a header with `crit`',
    fulcio: '`b64` is taken',
    mayfly: 'refused',
    reason: 'RFC 7515 demands a refusal from an implementation that does not know the extension',
  },
  blanks: {
    subject: 'blanks and line breaks around a token',
    fulcio: 'skipped',
    mayfly: 'refused',
    reason: 'one token has one spelling, which logs and replay guards can rely on',
  },
  json: {
    subject:
      'two members of one name, half a surrogate pair, a number beyond all doubles, or more than 16 levels anywhere in a token',
    fulcio: 'taken where nobody looks at it; of two members the last counts',
    mayfly: 'refused',
    reason: 'programs disagree on what such a token says',
  },
  fault: {
    subject: 'the issuer is down, or its documents cannot be used',
    fulcio: '400, as for a bad token',
    mayfly: '503 with `Retry-After` and the same message',
    reason: 'it is not the fault of who asks, and trying again may help',
  },
  private: {
    subject:
      'an issuer that a pattern of `meta-issuers` fits, at a loopback, private or otherwise special address',
    fulcio: 'asked for its keys',
    mayfly: '503; it needs an exact issuer block',
    reason:
      'an untrusted caller chooses what fits the pattern, and must not steer requests into the network of the operator',
  },
  connector: {
    subject: 'an `issuer-claim` whose value is null, a list or a map',
    fulcio: 'the certificate names `<nil>`, `[x y]` or `map[…]` as its issuer',
    mayfly: 'refused',
    reason: 'no verifier can mean such an issuer',
  },
  nameless: {
    subject:
      'a claim that the name is made of (templates, `codefresh-workflow`) and that is null, empty, a list, a map, or a number that is not whole or beyond 2⁵³',
    fulcio: 'a name with `<nil>`, nothing, `[x y]`, `map[…]` or a rounded number in it',
    mayfly: 'refused',
    reason: 'such a name is that of every token without the claim',
  },
  spellings: {
    subject:
      'a URI that Go writes otherwise than the claims spell it, where another spelling is plainer: `rel%C3%A4` beside `relä`, `HTTPS:`, `#` at the end, `a//b` and `..` in the built-in CI types and `chainguard-identity`',
    fulcio: 'one name for all spellings',
    mayfly: 'the plainest is taken, the others are refused',
    reason: 'two values of a claim must not give one name',
  },
  controls: {
    subject:
      'a name (type `username`) or an issuer with control or invisible characters, joiners and variation selectors too',
    fulcio: 'as the token has it',
    mayfly: 'refused',
    reason: 'two names that differ in them alone look the same, and NUL has cheated verifiers',
  },
  account: {
    subject: 'type `kubernetes` without namespace or service account',
    fulcio: 'a name with an empty part',
    mayfly: 'refused',
    reason: 'it would name no account',
  },
  kubernetes: {
    subject: 'type `kubernetes` with names that Kubernetes does not give',
    fulcio: 'as the token has them',
    mayfly: 'refused',
    reason: 'a slash or `..` would move the borders inside the name',
  },
  escapes: {
    subject: 'built-in CI types and `chainguard-identity`: a claim with a broken `%` escape',
    fulcio: 'left out of the name without a word, so that all such tokens share one name',
    mayfly: 'refused',
    reason: 'a certificate must not name more than its token',
  },
  hostless: {
    subject:
      'types `gitlab-pipeline` and `codefresh-workflow`: a claim that should begin with a host and does not',
    fulcio: 'a name without a host',
    mayfly: 'refused',
    reason: 'such a name is of nobody',
  },
  kinds: {
    subject: 'a key of a kind that Go does not read (secp256k1, Ed448)',
    fulcio: '`The public key supplied in the request could not be parsed`',
    mayfly: '`The public key supplied in the request is insecure`',
    reason: 'it is well formed, and its kind is what is refused',
  },
  emptyRequest: {
    subject: 'an empty `certificateSigningRequest`',
    fulcio: '`The public key supplied in the request could not be parsed`',
    mayfly: '`The certificate signing request could not be parsed`',
    reason: 'it says what was sent',
  },
  requestVersion: {
    subject: 'a certificate signing request of a version that does not exist',
    fulcio: 'a certificate',
    mayfly: 'refused',
    reason: 'RFC 2986 has one version',
  },
} as const satisfies Readonly<Record<string, AcceptedDifference>>;

/** Names of the rows. */
export type DifferenceId = keyof typeof rows;

/** The table. */
export const ACCEPTED_DIFFERENCES: Readonly<Record<DifferenceId, AcceptedDifference>> = rows;
