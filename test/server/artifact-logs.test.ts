/** Both APIs of Rekor of a whole service: its own certificates are logged, and nobody else's; nothing of Fulcio's is in the way. */
import { expect } from 'chai';
import { V1, V2 } from '../rekor/format/support/rekor-vectors.ts';
import { signatureOf } from '../support/logged-signature.ts';
import { openedArtifacts, type TestArtifactLogs } from '../support/opened-artifacts.ts';
import { noOtherLogs, post, startTestService, type TestService } from '../support/test-service.ts';

describe('server: logs of artifacts', () => {
  let service: TestService;
  let artifacts: TestArtifactLogs;
  /** Whether the certificate log has lost what it signed. */
  let isLost = false;
  before(async () => {
    artifacts = await openedArtifacts();
    service = await startTestService(({ log }) => ({
      artifacts,
      log: {
        ...log,
        reader: {
          ...log.reader,
          holds: (...asked) => (isLost ? Promise.resolve(false) : log.reader.holds(...asked)),
        },
      },
    }));
  });
  after(async () => {
    await service.close();
    await artifacts.remove();
  });

  it('log signatures by certificates of the service, say of the first API at once who signed, and count', async () => {
    const { first, second } = await signatureOf(service, 'an artifact');
    const logged = await post(`${service.url}/api/v1/log/entries`, first);
    expect(logged.status, await logged.clone().text()).to.equal(201);
    const id = logged.headers.get('etag');
    const found = await post(`${service.url}/api/v1/index/retrieve`, { email: 'alice@example.com' });
    expect(await found.json()).to.deep.equal([id]);
    const inSecond = await post(`${service.url}/api/v2/log/entries`, second);
    expect(inSecond.status, await inSecond.clone().text()).to.equal(201);
    const metrics = await (await fetch(`${service.metricsUrl}/metrics`)).text();
    for (const line of [
      'rekor_new_entries 1',
      'rekor_v2_new_hashedrekord_entries 1',
      'mayfly_artifact_entries_total{api="v1",outcome="added"} 1',
      'rekor_qps_by_api{path="/api/v1/log/entries",method="POST",code="201"} 1',
    ])
      expect(metrics).to.contain(line);
    expect(service.lines.filter(({ event }) => event === 'entry').map(({ log }) => log)).to.deep.equal([
      'artifacts/v1',
      'artifacts/v2',
    ]);
  });

  it('refuse certificates and keys of others', async () => {
    const refused = [
      ...V1.entries.map(({ request }) => ['/api/v1/log/entries', request] as const),
      ['/api/v2/log/entries', V2.entries[0]?.request ?? ''] as const,
    ];
    for (const [path, request] of refused) {
      const response = await post(service.url + path, request);
      expect(response.status).to.equal(403);
      expect(await response.text()).to.match(/not issued by this CA|not among those/);
    }
    const { head } = artifacts.logs[0]?.tree.head() ?? {};
    expect(head?.size).to.equal(2);
  });

  it('refuse certificates that the certificate log does not hold, whatever it has signed', async () => {
    const { first, second } = await signatureOf(service, 'another artifact');
    isLost = true;
    try {
      for (const [path, request] of [['v1', first] as const, ['v2', second] as const]) {
        const response = await post(`${service.url}/api/${path}/log/entries`, request);
        expect([response.status, await response.text()]).to.satisfy(
          ([status, text]: [number, string]) =>
            status === 403 && text.includes('does not hold the certificate'),
        );
      }
    } finally {
      isLost = false;
    }
    const metrics = await (await fetch(`${service.metricsUrl}/metrics`)).text();
    expect(metrics).to.contain('{api="v2",outcome="ENTRY_CERTIFICATE_UNLOGGED"} 1');
  });

  it('look into the log before the one in use for certificates that it has signed', async () => {
    const opened: string[] = [];
    const former = await startTestService(({ log }) => ({
      artifacts: { ...artifacts, certificateLogs: [log.identity] },
      // The log in use, as far as entries are asked whose they are, is another one.
      log: { ...log, identity: { ...log.identity, logId: new Uint8Array(32) } },
      otherLogs: {
        ...noOtherLogs('another'),
        open: (name) => {
          opened.push(name);
          return Promise.resolve(log);
        },
      },
    }));
    try {
      const { second } = await signatureOf(former, 'a third');
      const logged = await post(`${former.url}/api/v2/log/entries`, second);
      expect(logged.status, await logged.clone().text()).to.equal(201);
      expect(opened).to.deep.equal([former.log.identity.name]);
    } finally {
      await former.close();
    }
  });

  it('leave the paths of Fulcio, of timestamps and of the certificate log as they are', async () => {
    const statuses: readonly (readonly [string, number])[] = [
      ['/api/v1/rootCert', 200],
      ['/api/v1/signingCert', 501],
      ['/api/v1/timestamp/certchain', 404],
      ['/api/v2/trustBundle', 200],
      ['/healthz', 200],
      ['/log/2026/checkpoint', 200],
      ['/api/v1/logs', 404],
      ['/api/v1/nothing', 404],
    ];
    for (const [path, status] of statuses)
      expect((await fetch(service.url + path)).status, path).to.equal(status);
    const preflight = await fetch(`${service.url}/api/v1/log/entries`, {
      method: 'OPTIONS',
      headers: { origin: 'https://a.example', 'access-control-request-method': 'POST' },
    });
    expect(preflight.status).to.equal(204);
    expect(preflight.headers.get('access-control-allow-methods')).to.contain('POST');
  });
});
