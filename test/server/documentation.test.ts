import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { REASONS } from '../../server/reasons/problem.ts';
import { projectRoot } from '../support/project-root.ts';
import { openedTimestamps, testTimestampAuthority, timestampChain } from '../tsa/support/test-authority.ts';
import { openCertificateSearch } from '../../service/open-searches.ts';
import type { OpenedTimestamps } from '../../service/open-timestamps.ts';
import { openedArtifacts, type TestArtifactLogs } from '../support/opened-artifacts.ts';
import { startTestService, submissionOfNobody, type ServiceValues } from '../support/test-service.ts';

const read = (file: string): string => readFileSync(join(projectRoot, 'docs', file), 'utf8');

interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

const VALUES: Readonly<Record<string, string>> = {
  log: '2026',
  path: '0/000',
  tile: '0/000.p/1',
  fingerprint: '0'.repeat(64),
  entryUUID: '0'.repeat(64),
  file: 'trusted_root.json',
};

/** A repository of one file. */
const tuf: NonNullable<ServiceValues['tuf']> = {
  current: (path) => (path === '0/000' ? new Uint8Array(1) : undefined),
  status: () => ({ failure: 'none', differences: [], signatures: 0, failures: 0 }),
};

const trusted: NonNullable<ServiceValues['trusted']> = {
  status: () => ({ parts: [{ name: 'log', window: undefined }], failure: undefined }),
  windowOf: () => undefined,
};

describe('docs of the HTTP API', () => {
  let timestamps: OpenedTimestamps;
  let artifacts: TestArtifactLogs;

  before(async () => {
    timestamps = openedTimestamps(await testTimestampAuthority(Date.now, await timestampChain()));
    artifacts = await openedArtifacts();
  });

  after(() => artifacts.remove());

  it('lists every reason that an answer can carry, and none that it cannot', () => {
    const text = read('http-api.md');
    const table = text.slice(text.indexOf('| status, code |'), text.indexOf('Every 503'));
    const named = new Set([...table.matchAll(/`([A-Z][A-Z_]+[A-Z])`/g)].map(([, reason]) => reason));
    const documented = REASONS.filter((reason) => !reason.startsWith('LOG_'));
    for (const reason of documented) expect(named, reason).to.include(reason);
    for (const reason of named) expect(REASONS, reason).to.include(reason);
  });

  it('lists every metric and every check of readiness', async () => {
    const grpcListen = { host: '127.0.0.1', port: 0 };
    const service = await startTestService(() => ({
      timestamps,
      artifacts,
      tuf,
      trusted,
      grpcListen,
      submission: submissionOfNobody,
    }));
    const metrics = await (await fetch(`${service.metricsUrl}/metrics`)).text();
    const readiness = await (await fetch(`${service.metricsUrl}/readyz`)).text();
    await service.close();
    const pages = [read('monitoring.md'), read('operations.md'), read('audit.md')].join('\n');
    const names = [...metrics.matchAll(/^# TYPE (\w+)/gm)].map(([, name = '']) => name);
    const ours = names.filter((name) => !/^(?:process|nodejs)_/.test(name));
    expect(ours.length).to.be.above(20);
    expect(ours.filter((name) => !pages.includes(name))).to.deep.equal([]);
    const checks = [...readiness.matchAll(/"name": ?"([a-z-]+)"/g)].map(([, name = '']) => name);
    expect(checks.length).to.be.above(4);
    expect(checks.filter((name) => !pages.includes(`| \`${name}\``))).to.deep.equal([]);
  });

  it('describes, in OpenAPI, paths and methods that the service has', async () => {
    const { paths } = parse(read('openapi.yaml')) as OpenApi;
    expect(Object.keys(paths)).to.have.length.greaterThan(15);
    let search: { close(): Promise<void> } | undefined;
    const service = await startTestService(({ log, trustPlaces }) => {
      const opened = openCertificateSearch(log, join(trustPlaces.logs, '2026'));
      search = opened;
      return { timestamps, artifacts, tuf, search: opened, submission: submissionOfNobody };
    });
    for (const [path, methods] of Object.entries(paths)) {
      for (const method of Object.keys(methods)) {
        // Logs of artifacts are named after their API.
        const named = path.replace('/artifacts/{log}', '/artifacts/v2');
        const url = service.url + named.replace(/\{(\w+)\}/g, (_, name: string) => VALUES[name] ?? '');
        const response = await fetch(url, { method: method.toUpperCase() });
        const text = await response.text();
        expect([405, 501], `${method} ${path}`).to.not.include(response.status);
        expect(text, path).to.not.match(/"NOT_FOUND"|nothing at this path/);
      }
    }
    await search?.close();
    await service.close();
  });
});
