import { expect } from 'chai';
import { ruleWarnings } from '../../../policy/rules/warnings.ts';

const GITHUB = 'https://token.actions.githubusercontent.com';

describe('policy/rules/warnings', () => {
  const warnings = (expression: string, issuer = GITHUB, effect: 'allow' | 'deny' = 'allow'): string[] =>
    ruleWarnings({ name: 'r', effect, expression }, issuer).map(
      ({ line, column, message }) => `${line}:${column} ${message}`,
    );

  it('has nothing against a rule that compares what stays the same', () => {
    for (const expression of [
      'claims.repository_owner_id == "123" && claims.ref == "refs/heads/main"',
      'claims.repository == "acme/app" && claims.repository_owner_id == "123"',
      'claims.project_path == "acme/app" && claims.project_id == "5"',
      'claims.ref.matches("^refs/heads/(main|release)$")',
      'claims.ref.matches("^(?:a$|b$)")',
      'claims.ref.matches("(?i)^[|$]a\\\\|b$") && claims.ref.startsWith("refs/tags/v")',
      'claims.job_workflow_ref.startsWith("acme/flows/.github/workflows/release.yml@")',
      'principal.san == "ops@example.com"',
      'claims.email.lowerAscii().endsWith("@example.com") || claims.email.endsWith("-ci@ops.example")',
      'claims.workflow_ref.endsWith("@refs/heads/main")',
      'key.type in ["P-256", "Ed25519"] && key.provenBy != "csr" && "email" == principal.sanType',
    ]) {
      expect(warnings(expression), expression).to.deep.equal([]);
    }
  });

  it('names the claims that can change hands, and those that cannot', () => {
    expect(warnings('claims.repository == "acme/app" &&\n  claims.actor == "octocat"')).to.deep.equal([
      '1:7 claims.repository is a name that can change hands',
      '2:9 claims.actor is a name that can change hands',
    ]);
    expect(warnings('claims["project_path"] == "a/b"', 'https://gitlab.example')).to.have.length(1);
    expect(warnings('claims.repository_owner == "evil"', GITHUB, 'deny')).to.have.length(1);
  });

  it('asks for an id in each of several alternatives', () => {
    const id = 'claims.repository_owner_id == "123"';
    expect(warnings(`${id} || claims.repository == "acme/app"`)).to.deep.equal([
      '1:46 claims.repository is a name that can change hands',
    ]);
    expect(warnings(`${id} && (claims.repository == "a/b" || claims.repository == "a/c")`)).to.deep.equal([]);
  });

  it('finds what is compared with a value that it never has, in deny rules above all', () => {
    for (const effect of ['allow', 'deny'] as const) {
      expect(warnings('key.type == "RSA2048" || key.provenBy == "CSR"', GITHUB, effect)).to.deep.equal([
        '1:13 key.type is never "RSA2048"',
        '1:42 key.provenBy is never "CSR"',
      ]);
      expect(warnings('!(key.type in ["P-256", "p384"])', GITHUB, effect)).to.deep.equal([
        '1:25 key.type is never "p384"',
      ]);
    }
  });

  it('does not trust the subject of GitHub', () => {
    for (const issuer of [
      GITHUB,
      `${GITHUB}/acme`,
      'https://token.actions.acme.ghe.com',
      'https://ghes.example/_services/token',
    ]) {
      expect(warnings('claims.sub == "repo:acme/app:ref:refs/heads/main"', issuer), issuer).to.deep.equal([
        '1:7 claims.sub of GitHub is made of names, and a repository can choose which',
      ]);
    }
    expect(warnings('claims.sub == "system:serviceaccount:a:b"', 'https://k8s.example')).to.deep.equal([]);
  });

  it('finds patterns and texts that more fits than was meant', () => {
    const one = (expression: string): string | undefined => warnings(expression)[0];
    expect(one('claims.ref.matches("main")')).to.contain('anywhere in it');
    expect(one('claims.ref.matches("^refs/heads/main")')).to.contain('at its start');
    expect(one('claims.ref.matches("main$")')).to.contain('at its end');
    expect(one('claims.ref.matches("^a|b$")')).to.contain('anywhere in it');
    expect(one('claims.ref.matches("^a$|^b")')).to.contain('at its start');
    expect(one('claims.ref.matches(r"^a\\$")')).to.contain('at its start');
    expect(one('claims.ref.contains("main")')).to.contain('contains()');
    expect(one('claims.job_workflow_ref.startsWith("acme")')).to.contain('a longer name');
    expect(one('claims.email.endsWith("example.com")')).to.contain('a longer name ends that way');
    expect(one('claims.email.lowerAscii().endsWith("example.com")')).to.contain('claims.email also ends');
    expect(one('claims.repository_owner_id == "1" && claims.repository.endsWith("app")')).to.contain(
      'also ends',
    );
    expect(one('true')).to.contain('admits everybody');
    expect(warnings('claims.ref.matches("pull")', GITHUB, 'deny')).to.deep.equal([]);
  });

  it('leaves what cannot be compiled to the compiler', () => {
    expect(warnings('claims.ref ==')).to.deep.equal([]);
  });
});
