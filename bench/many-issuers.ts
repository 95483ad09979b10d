/** Configurations that differ only in what does not apply to the benchmark's tokens. */
import { githubProviderYaml } from './github-provider-yaml.ts';

/** What a security team would write; the benchmark's tokens meet it. */
export const RULE = 'claims.repository_owner_id == "123456" && claims.ref == "refs/heads/main"';

/** A rule as a security team would write it, which the benchmark's tokens meet. */
export const ruleYaml = (expression = RULE): string => `    mayfly:
      rules:
        - name: main-branch-of-octo-org
          allow: ${expression}
`;

// Keys of their own, so that starting does not ask a thousand servers that do not exist.
const KEYS = '{keys: [{kty: OKP, crv: Ed25519, kid: one, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo}]}';

const otherIssuer = (n: number): string => `  https://issuer-${n}.example.com:
    client-id: sigstore
    type: email
    mayfly:
      jwks: ${KEYS}
      rules:
        - name: team-${n}
          allow: claims.email.endsWith("@team-${n}.example.com") && claims.email_verified
`;

/** The benchmark's issuer with one rule, and `others` issuers with a rule each. */
export function manyIssuersYaml(issuer: string, others: number, expression?: string): string {
  const yaml = githubProviderYaml(issuer);
  const at = yaml.indexOf('ci-issuer-metadata:');
  const otherIssuers = Array.from({ length: others }, (_, n) => otherIssuer(n)).join('');
  return `${yaml.slice(0, at)}${ruleYaml(expression)}${otherIssuers}${yaml.slice(at)}`;
}
