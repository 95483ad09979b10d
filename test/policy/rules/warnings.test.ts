import { expect } from 'chai';
import type { IssuerFacts } from '../../../policy/providers/provider.ts';
import { ruleWarnings } from '../../../policy/rules/warnings.ts';

const GITHUB = 'https://token.actions.githubusercontent.com';

describe('policy/rules/warnings', () => {
  const warnings = (
    expression: string,
    url = GITHUB,
    effect: 'allow' | 'deny' = 'allow',
    type: IssuerFacts['type'] = 'ci-provider',
  ): string[] =>
    ruleWarnings({ name: 'r', effect, expression }, { url, isMeta: false, type }).map(
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
      'key.type in ["P-256", "Ed25519"] && key.provenBy != "csr" && "uri" == principal.sanType',
    ]) {
      expect(warnings(expression), expression).to.deep.equal([]);
    }
    expect(warnings('principal.sanType == "email"', 'https://a.example', 'allow', 'email')).to.deep.equal([]);
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

  it('finds claims that are compared with a value of another kind, in deny rules above all', () => {
    for (const effect of ['allow', 'deny'] as const) {
      expect(warnings('claims.ref_protected == true', 'https://gitlab.example', effect)).to.deep.equal([
        '1:25 claims.ref_protected is text, and is compared with a bool',
      ]);
      expect(warnings('5 < 6 && claims["run_attempt"] in [1, 2]', GITHUB, effect)).to.deep.equal([
        '1:36 claims.run_attempt is text, and is compared with a number',
        '1:39 claims.run_attempt is text, and is compared with a number',
      ]);
      expect(warnings('claims.exp != "5"', GITHUB, effect)).to.deep.equal([
        '1:15 claims.exp is a number, and is compared with text',
      ]);
      for (const fine of [
        'claims.run_id in [1, "1"]',
        'claims.ref == null',
        'claims.other == true',
        'claims.exp > 5',
      ])
        expect(warnings(`${fine} && claims.repository_owner_id == "1"`, GITHUB, effect), fine).to.deep.equal(
          [],
        );
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

  it('finds the allow rules that an empty list meets', () => {
    const warning = 'all() also holds when claims.groups is empty';
    for (const expression of [
      'claims.groups.all(g, g.startsWith("team-"))',
      'has(claims.groups) && claims.groups.all(g, g != "guest")',
      'claims.kind == "staff" && claims.groups.all(g, g != "guest") && claims.groups.all(g, g != "robot")',
      'claims.kind == "staff" || claims.groups.all(g, g != "guest")',
      'size(claims.groups) < 5 && claims.groups.all(g, g != "guest")',
      'claims.groups.size() >= 0 && claims.groups.all(g, g != "guest")',
      '!claims.groups.exists(g, g == "x") && claims.groups.all(g, g != "guest")',
      'claims.kind == "staff" ? claims.groups.all(g, g != "guest") : false',
      'size(claims.other) > 0 && claims.groups.all(g, g != "guest")',
    ])
      expect(
        warnings(expression).map((warning) => warning.replace(/^\d+:\d+ /, '')),
        expression,
      ).to.deep.equal([warning]);
    expect(warnings('claims.groups.all(g, g == "a")')).to.deep.equal([`1:14 ${warning}`]);
    expect(warnings('claims.teams.exists(t, t.members.all(m, m == "a"))')[0]).to.contain(
      't.members is empty',
    );
    expect(warnings('claims.groups.filter(g, g != "x").all(g, g == "a")')[0]).to.contain('the list is empty');
  });

  it('leaves those that demand an element, and those for whom it is no harm', () => {
    const all = 'claims.groups.all(g, g != "guest")';
    for (const expression of [
      ...['size(claims.groups) > 0', 'claims.groups.size() >= 1', '0 < size(claims.groups)'],
      ...['size(claims.groups) != 0', '!(size(claims.groups) == 0)', 'claims.groups != []'],
      ...['"staff" in claims.groups', 'claims.groups.exists(g, g == "staff")', 'claims.groups[0] == "staff"'],
      ...['claims.groups.exists_one(g, g == "staff")', 'claims.groups.filter(g, g == "a").size() > 0'],
      'claims.groups[0].startsWith("a")',
    ]) {
      expect(warnings(`${expression} && ${all}`), expression).to.deep.equal([]);
      expect(warnings(`${all} && claims.kind == "staff" && ${expression}`), expression).to.deep.equal([]);
    }
    for (const expression of [
      `!${all}`,
      `claims.kind == "staff" || !${all}`,
      `size(claims.groups) == 0 ? false : ${all}`,
      '["a", "b"].all(g, g in claims.groups)',
      'claims.all(name, name != "act")',
      'claims.path.split("/").all(part, part != "..")',
      'claims.teams.exists(t, size(t.members) > 0 && t.members.all(m, m == "a"))',
    ])
      expect(warnings(expression), expression).to.deep.equal([]);
    expect(warnings(all, GITHUB, 'deny')).to.deep.equal([]);
    expect(warnings(`!${all}`, GITHUB, 'deny')).to.deep.equal([]);
  });

  it('leaves what cannot be compiled to the compiler', () => {
    expect(warnings('claims.ref ==')).to.deep.equal([]);
  });
});
