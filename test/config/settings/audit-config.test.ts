import { hostname } from 'node:os';
import { expect } from 'chai';
import { ConfigError } from '../../../config/findings/config-error.ts';
import { parseConfig } from '../../../config/load/load.ts';

const ISSUER = 'oidc-issuers: {"https://a.example": {client-id: x, type: email}}\n';

const auditOf = (text: string) =>
  parseConfig(`${ISSUER}mayfly:\n  audit: ${text}`, { directory: '/etc/mayfly' }).mayfly.audit;

function problemsOf(text: string): string[] {
  try {
    auditOf(text);
  } catch (error) {
    expect(error).to.be.instanceOf(ConfigError);
    return (error as ConfigError).problems.map(({ path, message }) => `${path}: ${message}`);
  }
  return [];
}

describe('config: mayfly.audit', () => {
  it('is nothing when it is not there', () => {
    expect(parseConfig(ISSUER).mayfly.audit).to.equal(undefined);
  });

  it('fills in what a file needs, and makes its path absolute', () => {
    expect(auditOf('{file: {path: log/audit.jsonl}}')).to.deep.equal({
      stdout: false,
      file: { path: '/etc/mayfly/log/audit.jsonl', maxBytes: 104_857_600, maxAgeMs: undefined, keep: 30 },
      syslog: undefined,
      failClosed: false,
      refusalsPerMinute: 60,
    });
  });

  it('reads several places at once', () => {
    const syslog = '{address: "tls://[2001:db8::1]:6514", facility: local3, ca-file: ca.pem}';
    const text = `{stdout: true, file: {path: /a, max-size: 1, max-age: 24, keep: 2}, syslog: ${syslog}, fail-closed: yes}`;
    expect(auditOf(text)).to.deep.equal({
      stdout: true,
      file: { path: '/a', maxBytes: 1_048_576, maxAgeMs: 86_400_000, keep: 2 },
      syslog: {
        transport: 'tls',
        host: '2001:db8::1',
        port: 6514,
        facility: 'local3',
        caFile: '/etc/mayfly/ca.pem',
      },
      failClosed: true,
      refusalsPerMinute: 60,
    });
  });

  it('takes the database of the logs, under the name of this host', () => {
    const log = '{store: "postgres://mayfly@127.0.0.1/mayfly"}';
    const text = `${ISSUER}mayfly:\n  log: ${log}\n  audit: {database: true, fail-closed: true}`;
    const { mayfly } = parseConfig(text, { directory: '/etc/mayfly' });
    expect(mayfly.audit?.database).to.deep.equal({ place: mayfly.log.commits, writer: hostname() });
  });

  const mistakes: readonly (readonly [text: string, problem: string])[] = [
    ['{}', 'mayfly.audit: names no place for its lines'],
    ['{stdout: false, fail-closed: true}', 'mayfly.audit: names no place for its lines'],
    ['{stdout: true, to: [file]}', 'mayfly.audit: unknown key "to"'],
    ['{database: true}', 'mayfly.audit.database: needs a database, and the logs are in files'],
    ['{file: {keep: 3}}', 'mayfly.audit.file.path: is missing; it must be text'],
    ['{file: {path: a, keep: 0}}', 'mayfly.audit.file.keep: must be at least 1'],
    [
      '{syslog: {address: "udp://a:514"}, fail-closed: true}',
      'mayfly.audit.fail-closed: needs a place that says whether it took a line, and syslog over UDP does not',
    ],
  ];
  for (const [text, problem] of mistakes)
    it(`refuses ${text}`, () => {
      expect(problemsOf(text)).to.deep.equal([problem]);
    });

  for (const address of [
    'a.example',
    'udp://a.example',
    'http://a:1',
    'tcp://a:0',
    'tcp://a:65536',
    'tcp://a:1/x',
    'tcp://[a]:1',
  ])
    it(`refuses ${address} as the address of a syslog server`, () => {
      expect(problemsOf(`{syslog: {address: "${address}"}}`)).to.deep.equal([
        'mayfly.audit.syslog.address: must be udp://HOST:PORT, tcp://HOST:PORT or tls://HOST:PORT',
      ]);
    });
});
