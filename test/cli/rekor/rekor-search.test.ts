import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { CommandError, type Speaker } from '../../../cli/program/command.ts';
import { search } from '../../../cli/rekor/rekor-search.ts';
import { createDirectoryLog } from '../../../instance/create-artifact-log.ts';
import { artifactLogPaths } from '../../../instance/artifact-logs.ts';
import { dataPaths } from '../../../instance/data-paths.ts';
import { openKey } from '../../../instance/open-key.ts';
import { openArtifactLog } from '../../../rekor/open-artifact-log.ts';
import type { ArtifactLog } from '../../../rekor/artifact-log.ts';
import { email, hashedrekord, namedCertificate, uri } from '../../search/support/bodies.ts';
import { makeDataDirectory } from '../../support/data-directory.ts';
import { failureAs } from '../../support/failure.ts';
import { openedArtifacts, type TestArtifactLogs } from '../../support/opened-artifacts.ts';
import { startTestService, type TestService } from '../../support/test-service.ts';
import { listener } from '../../trust/support/renewable-instance.ts';

const SUBJECT = `sha256:${'ab'.repeat(32)}`;

describe('mayfly rekor search', function () {
  this.timeout(60_000);
  let root: string;
  let data: string;
  let artifacts: TestArtifactLogs;
  let service: TestService;
  let lines: Record<string, unknown>[];
  let texts: string[];
  const speak: Speaker = {
    ...listener(),
    record: (facts, text) => {
      lines.push({ ...facts });
      texts.push(text);
      return Promise.resolve(true);
    },
  };
  const ada = namedCertificate([email('ada@example.org')]);
  const job = namedCertificate([uri('https://git.example.org/acme/app/ci.yml@refs/heads/main')]);

  /** Index 1 is of Ada, 2 to 4 are of jobs, and 4 names a subject. */
  const fill = async (log: ArtifactLog): Promise<void> => {
    const bodies = [ada, job].map(({ pem }) => hashedrekord(pem).body);
    const more = [1, 2].map((i) => hashedrekord(job.pem, `${i}`).body);
    for (const [i, body] of [...bodies, ...more].entries())
      await log.add({ body, namedDigests: i === 3 ? [SUBJECT] : [] });
  };

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'mayfly-rekor-search-'));
    data = join(root, 'data');
    await makeDataDirectory(data);
    const paths = dataPaths(data);
    for (const api of [1, 2] as const) {
      await createDirectoryLog(paths, {
        api,
        host: 'ca.example.org',
        passphrase: undefined,
        clock: Date.now,
      });
      const { directory, key } = artifactLogPaths(paths, api);
      const log = await openArtifactLog({
        directory,
        signer: await openKey(key, undefined),
        clock: Date.now,
      });
      await fill(log);
      await log.close();
    }
    await writeFile(join(root, 'ada.pem'), ada.pem);
    artifacts = await openedArtifacts();
    for (const log of artifacts.logs) await fill(log);
    service = await startTestService(() => ({ artifacts, logAccess: { kind: 'token', token: 'secret' } }));
    await writeFile(join(root, 'token'), 'secret\n', { mode: 0o600 });
  });
  beforeEach(() => {
    lines = [];
    texts = [];
  });
  after(async () => {
    await service.close();
    await artifacts.remove();
    await rm(root, { recursive: true });
  });

  const found = (): string[] => lines.map(({ api, logIndex }) => `${String(api)} ${String(logIndex)}`);
  /** The same of the directory and of the service. */
  const places = (): readonly {
    readonly data?: string;
    readonly url?: string;
    readonly accessTokenFile?: string;
  }[] => [{ data }, { url: service.url, accessTokenFile: join(root, 'token') }];

  it('says who signed, where and what, the newest first, in a directory and of a service', async () => {
    for (const place of places()) {
      lines = [];
      await search({ ...place, v1: true, identityPrefix: 'https://git.example.org/ACME/' }, speak);
      expect(found()).to.deep.equal(['v1 4', 'v1 3', 'v1 2']);
      expect(lines[0]).to.deep.include({ kind: 'hashedrekord 0.0.1' });
      const [signer] = lines[0]?.['signers'] as { identities: string[]; issuer: string; serial: string }[];
      expect(signer).to.deep.include({ issuer: 'https://issuer.example', serial: '0abc01' });
      expect(texts[0]).to.contain('https://git.example.org/acme/app/ci.yml@refs/heads/main');
      expect(lines[0]?.['time']).to.match(/^\d{4}-/);
    }
  });

  it('finds by certificate, digest of a subject, issuer and several of them', async () => {
    const cases: readonly (readonly [Parameters<typeof search>[0], string[]])[] = [
      [{ certificate: join(root, 'ada.pem') }, ['v1 1']],
      [{ digest: 'ab'.repeat(32) }, ['v1 4']],
      [{ digest: SUBJECT, identity: 'ada@example.org' }, []],
      [{ digest: SUBJECT, identity: 'ada@example.org', any: true }, ['v1 4', 'v1 1']],
      [{ issuer: 'https://issuer.example', limit: '2' }, ['v1 4', 'v1 3']],
      [{ issuer: 'https://issuer.example', before: '3' }, ['v1 2', 'v1 1']],
      [{ identity: 'nobody@example.org' }, []],
    ];
    for (const place of places())
      for (const [options, expected] of cases) {
        lines = [];
        await search({ ...place, v1: true, ...options }, speak);
        expect(found(), JSON.stringify(options)).to.deep.equal(expected);
      }
  });

  it('goes on behind a page that is empty because its time was over, and asks for none twice', async () => {
    const asked: unknown[] = [];
    const server = createServer((request, response) => {
      request.on('data', (bytes: Buffer) =>
        asked.push((JSON.parse(bytes.toString()) as { before?: number }).before),
      );
      request.on('end', () => {
        // 7, 3, and 3 again.
        response.setHeader('x-search-before', asked.length === 1 ? '7' : '3');
        response.setHeader('content-type', 'application/json');
        response.end('[]\n');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await search({ url: `http://127.0.0.1:${port}`, identity: 'a@b.example' }, speak);
    await new Promise((resolve) => server.close(resolve));
    expect(asked).to.deep.equal([undefined, 7, 3]);
    expect(found()).to.deep.equal([]);
  });

  it('searches both logs of a directory, of which that for Rekor v2 keeps no subjects', async () => {
    await search({ data, identity: 'ada@example.org' }, speak);
    expect(found()).to.deep.equal(['v1 1', 'v2 1']);
    lines = [];
    await search({ data, digest: SUBJECT }, speak);
    expect(found()).to.deep.equal(['v1 4']);
  });

  it('says what is missing, wrong or refused', async () => {
    const wrong: readonly (readonly [Parameters<typeof search>[0], RegExp])[] = [
      [{ data }, /say what to look for/],
      [{ identity: 'a' }, /either --data or --url/],
      [{ data, url: service.url, identity: 'a' }, /either --data or --url/],
      [{ data, digest: 'xyz' }, /no digest/],
      [{ data, identity: 'a', identityPrefix: 'b' }, /one of --identity/],
      [{ url: service.url, v2: true, identity: 'a' }, /Rekor v1 alone/],
      [{ url: service.url, identity: 'a' }, /answered 401: reading this log needs its access token/],
      [{ url: `${service.url}/nowhere`, identity: 'a' }, /answered 404/],
    ];
    for (const [options, message] of wrong) {
      const error = await failureAs(CommandError, search(options, speak));
      expect(error.message).to.match(message);
    }
  });
});
