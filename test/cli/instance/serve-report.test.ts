import { expect } from 'chai';
import { serveReport, type ReadyService } from '../../../cli/instance/serve-report.ts';

describe('cli/instance/serve-report', () => {
  const service: ReadyService = {
    url: 'http://127.0.0.1:5555',
    publicUrl: undefined,
    logUrl: 'http://127.0.0.1:5555/log/2026',
    logSize: 7,
    metricsUrl: 'http://127.0.0.1:2112',
    listen: '127.0.0.1:5555',
    metricsListen: '127.0.0.1:2112',
    grpcListen: undefined,
    grpcWithTls: false,
    issuers: ['https://issuer.example'],
    rules: 2,
    openBlocks: [],
    data: './data',
    configFile: '/srv/data/config.yaml',
    isOwnConfig: false,
  };
  const script = process.argv[1];
  afterEach(() => {
    process.argv[1] = script ?? '';
  });

  it('shows the public address first, the listener second, and offers the public one to clients', () => {
    const publicUrl = 'https://ca.example.org';
    const lines = serveReport({ ...service, publicUrl }).split('\n');
    expect(lines[1]).to.match(/^ {2}Certificates +https:\/\/ca\.example\.org /);
    expect(lines[2]).to.match(/^ {2}Listener +http:\/\/127\.0\.0\.1:5555$/);
    expect(lines.join('\n')).to.match(/^ {2}Trust +https:\/\/ca\.example\.org\/trust\/ /m);
    expect(lines.join('\n')).to.contain('certificate --url https://ca.example.org --trust trust');
    expect(serveReport(service)).to.not.contain('Listener');
    expect(serveReport(service)).to.contain('certificate --url http://127.0.0.1:5555 ');
  });

  it('says which listeners other machines reach, and still offers clients a URL', () => {
    const text = serveReport({ ...service, listen: '0.0.0.0:5555', metricsListen: '[::]:2112' });
    expect(text).to.match(/Listener +0\.0\.0\.0:5555 +\(every IPv4 address of this machine\)/);
    expect(text).to.match(/Metrics +http:\/\/127.*\n +\[::\]:2112 +\(every address of this machine\)/);
    expect(text).to.contain('certificate --url http://127.0.0.1:5555 ');
  });

  it('offers no certificate when there is no issuer, and says how to add one', () => {
    const text = serveReport({ ...service, issuers: [] });
    expect(text).to.contain('oidc-issuers in /srv/data/config.yaml');
    expect(text).to.not.contain('mayfly certificate').and.not.contain('--url');
  });

  it('counts issuers and rules, and names the issuer blocks that anybody of their issuer can use', () => {
    const rows = (over: Partial<ReadyService>): string[] =>
      serveReport({ ...service, ...over })
        .split('\n')
        .filter((line) => /^ {2}(?:Issuers|Rules) /.test(line));
    expect(rows({})).to.deep.equal(['  Issuers       1: https://issuer.example', '  Rules         2']);
    const many = Array.from({ length: 7 }, (_, i) => `issuer-${i}`);
    const [issuers, rules] = rows({ issuers: many, rules: 0, openBlocks: ['issuer-3'] });
    expect(issuers).to.match(/7: issuer-0, .*issuer-4, and 2 more$/);
    expect(rules).to.match(/0 {3}issuer blocks that allow by none, .*: 1: issuer-3$/);
  });

  it('prints lines that can be pasted: the program as it was called, and quoted paths', () => {
    process.argv[1] = '/opt/mayfly/bin/mayfly.js';
    const text = serveReport({ ...service, data: './my data' });
    expect(text).to.contain(
      `/opt/mayfly/bin/mayfly.js trust export --data '${process.cwd()}/my data' --out trust`,
    );
    expect(text).to.contain('/opt/mayfly/bin/mayfly.js certificate --url');
  });
});
