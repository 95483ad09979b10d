import type { TokenReason } from '../../oidc/core/token-error.ts';
import type { ReasonRows, Wire } from './reason-row.ts';

const TOKEN: Wire = { grpc: 3, fulcioMessage: 'There was an error processing the identity token' };

/** Not the caller's fault, and trying again may help: Fulcio answers 400 here. */
const issuerDown = (retryAfter: number): Wire => ({ ...TOKEN, grpc: 14, retryAfter });

/** The token is not accepted. */
export const TOKEN_REASONS: ReasonRows<TokenReason> = {
  TOKEN_MISSING: {
    ...TOKEN,
    meaning: 'The request carries no identity token.',
    cause: 'A variable that should hold the token is empty, or a proxy took the header away.',
    remedy: 'Send the token as `Authorization: Bearer …` or as `credentials.oidcIdentityToken`.',
  },
  TOKEN_TOO_LARGE: {
    ...TOKEN,
    meaning: 'The token is longer than 32 KiB.',
    cause: 'The issuer puts long lists, such as all groups of a person, into its tokens.',
    remedy: 'Ask the issuer for a token with fewer claims.',
  },
  TOKEN_MALFORMED: {
    ...TOKEN,
    meaning:
      'The text is not a signed token in compact form, or what is inside is not JSON as a token must have it.',
    cause:
      'An access token, a secret or a line of a log was sent; or the token was cut or wrapped on its way.',
    remedy: 'Send the ID token exactly as the issuer gave it: three base64url parts with dots between them.',
  },
  ALGORITHM_REFUSED: {
    ...TOKEN,
    meaning:
      'The token is not signed, is signed with a shared secret, or by an algorithm that its issuer does not announce.',
    cause: 'A forged token, or an issuer whose discovery document is behind its keys.',
    remedy: 'The operator of the issuer announces the algorithm in `id_token_signing_alg_values_supported`.',
  },
  ISSUER_UNKNOWN: {
    ...TOKEN,
    meaning: 'No issuer block of the configuration is for the `iss` of the token.',
    cause:
      'A slash at the end, `http` in place of `https`, another tenant; or the token comes from elsewhere.',
    remedy: 'Compare the `iss` of the token with `oidc-issuers` to the letter.',
  },
  ISSUER_UNREACHABLE: {
    ...issuerDown(5),
    meaning: 'The keys of the issuer cannot be fetched now, and no recent ones are there.',
    cause: 'The issuer is down, or the network, a proxy or a certificate stands between.',
    remedy:
      'Try again. The operator finds what failed in the service log; a static key set needs no network.',
  },
  ISSUER_METADATA_INVALID: {
    ...issuerDown(30),
    meaning:
      "The issuer's own documents cannot be used: the discovery document or the key set is not what it must be.",
    cause:
      'Something else answers at that address (a login page, a proxy), or the issuer names another issuer.',
    remedy:
      'The operator finds the document and its fault in the service log; the operator of the issuer fixes it.',
  },
  KEY_UNKNOWN: {
    ...TOKEN,
    meaning: 'The token is signed with a key that its issuer does not publish.',
    cause: 'The issuer changed its keys since, or the token comes from another issuer of the same name.',
    remedy: 'Get a new token. A key that is brand new is found within seconds.',
  },
  KEY_UNUSABLE: {
    ...TOKEN,
    meaning:
      'The issuer publishes the key that signed the token, but it is one that verifies nothing here: the sentence says which key, and why.',
    cause:
      'RSA of less than 2048 bits; an `alg` that is none (`RSA`), or another than that of the token; numbers in ordinary base64 instead of base64url; numbers that make no key.',
    remedy:
      'The operator of the issuer: publish a key as RFC 7517 and RFC 7518 have it, and sign with it. The service log names such keys when they are fetched.',
  },
  TOKEN_SIGNATURE_INVALID: {
    ...TOKEN,
    meaning: 'The signature of the token is wrong.',
    cause: 'The token was changed on its way, or forged.',
    remedy: 'Send the token exactly as the issuer gave it, or get a new one.',
  },
  TOKEN_EXPIRED: {
    ...TOKEN,
    meaning: "The token's `exp` is over, by the clock of the service.",
    cause:
      'A token was kept too long, often by a job that waits between getting and using it; or a clock is wrong.',
    remedy:
      'Get the token right before it is used. If it is new, compare the clocks; `leeway` helps with a slow issuer.',
  },
  TOKEN_NOT_YET_VALID: {
    ...TOKEN,
    meaning: "The token's `nbf` lies more than five minutes ahead.",
    cause: 'The clock of the issuer or of the service is wrong.',
    remedy: 'Compare the clocks.',
  },
  AUDIENCE_MISMATCH: {
    ...TOKEN,
    meaning: 'The token is for another audience than those that the issuer block takes.',
    cause: 'The client asked for no audience, or for that of another service.',
    remedy:
      'Ask the issuer for a token with the audience that the sentence names (`client-id` in the configuration).',
  },
  AUDIENCE_AMBIGUOUS: {
    ...TOKEN,
    meaning:
      'The token is for the audiences of several issuer blocks of the same issuer, so it does not say which rules apply.',
    cause: 'The client asked for a token with several audiences.',
    remedy:
      'Ask for a token with one audience; in the configuration, each issuer block of one issuer has audiences of its own.',
  },
  CLAIM_MISSING: {
    ...TOKEN,
    meaning: 'The token lacks a claim that its issuer block needs.',
    cause:
      'The scope `email` was not asked for, or the job runs in a way for which the provider leaves the claim out.',
    remedy: 'Ask the issuer for a token that carries the claim that the sentence names.',
  },
  CLAIM_INVALID: {
    ...TOKEN,
    meaning: 'A claim is there and is not of the kind that it has to be.',
    cause: 'The issuer writes a number as text or a list where one value belongs.',
    remedy: 'The operator of the issuer fixes the claim that the sentence names.',
  },
  EMAIL_NOT_VERIFIED: {
    ...TOKEN,
    meaning: 'The issuer does not say that the e-mail address belongs to the person who logged in.',
    cause: 'The address was never confirmed, or the issuer never sends `email_verified`.',
    remedy:
      'Confirm the address with the issuer. For an issuer that never says so there is `skip-email-verification`.',
  },
  IDENTITY_REFUSED: {
    ...TOKEN,
    meaning:
      'The name that the token would have in a certificate is not allowed for this issuer block, or is no such name.',
    cause:
      'The subject lies outside `subject-domain` or the trust domain, a template made no URI, or a claim holds escapes (`rel%C3%A4`) so that another claim (`relä`) would have the same name.',
    remedy: 'The sentence says which rule the name breaks; the operator compares it with the issuer block.',
  },
  ISSUER_CLAIM_REFUSED: {
    ...TOKEN,
    meaning: 'The `issuer-claim` of the token names a provider that `issuer-claim-values` does not list.',
    cause: 'Somebody logged in by a provider of the broker that was not meant to sign here.',
    remedy:
      'Log in by another provider, or the operator adds the value to `mayfly.issuer-claim-values` of the issuer block.',
  },
  TEMPLATE_FAILED: {
    ...TOKEN,
    meaning:
      'A template of the CI provider needs a claim that the token does not have, or would make a name of one that is null, empty, a list or a map.',
    cause:
      'The provider leaves the claim out for this kind of job (GitLab: `ci_config_ref_uri` is null where the pipeline configuration lies elsewhere), or the template has a typing error.',
    remedy: 'The operator compares the template with the claims; `mayfly explain` shows both.',
  },
};
