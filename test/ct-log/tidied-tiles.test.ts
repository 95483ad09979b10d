/** Logs that remove partial tiles once the full one is there, as tlog-tiles permits: a reader whose head is older takes the full one. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { bundleOf, hashesOf, tileProofs } from '../../cli/log/watch/tiles.ts';
import { checkLog } from '../../ct-log/check.ts';
import { openDirectorySource } from '../../ct-log/directory-source.ts';
import { exportLog } from '../../ct-log/export-log.ts';
import { httpSource } from '../../ct-log/http-source.ts';
import { logKeys } from '../../ct-log/log-keys.ts';
import { proveCertificate } from '../../ct-log/proof.ts';
import { ProvenEntries } from '../../ct-log/proven-entries.ts';
import type { LogSource } from '../../ct-log/source.ts';
import { staticSource } from '../../ct-log/static-source.ts';
import { TILE_LEAVES } from '../../ct-log/tile-leaves.ts';
import { LogReadError } from '../../tlog/core/log-error.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { CompactRange } from '../../tlog/format/compact-range.ts';
import { readLogFile } from '../../tlog/core/log-file.ts';
import { verifyCheckpoint } from '../../tlog/tree/verify-head.ts';
import { failureAs } from '../support/failure.ts';
import { issuingLog, type Issued, type IssuingLog } from './support/issuing-log.ts';

describe('ct-log: partial tiles that are gone', function () {
  this.timeout(60_000);
  let test: IssuingLog;
  let copy: string;
  let server: Server;
  let issued: Issued[];
  let asked: string[];

  before(async () => {
    test = await issuingLog();
    const first = await test.issue(104);
    issued = first.issued;
    const old = first.log.reader.checkpoint();
    await first.log.close();
    await (await test.issue(156)).log.close();
    copy = await mkdtemp(join(tmpdir(), 'mayfly-tidied-'));
    await exportLog({
      source: await openDirectorySource(test.directory),
      out: copy,
      description: '{}',
    });
    await writeFile(join(copy, 'checkpoint'), old);
    server = createServer((request, response) => {
      const path = (request.url ?? '').slice(1);
      asked.push(path);
      void readLogFile(copy, path).then((bytes) => {
        response.writeHead(bytes === undefined ? 404 : 200).end(bytes);
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  beforeEach(() => {
    asked = [];
  });
  after(async () => {
    server.closeAllConnections();
    server.close();
    await rm(copy, { recursive: true });
    await test.remove();
  });

  const sources = (): readonly LogSource[] => [
    httpSource(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    staticSource(copy),
  ];

  it('do not make a log wrong for any of its readers', async () => {
    for (const source of sources()) {
      const checkpoint = await source.checkpoint();
      const verified = verifyCheckpoint(checkpoint, logKeys(test.identity));
      expect(verified.size).to.equal(104);
      const head = { ...verified, size: 104 };
      const result = await checkLog(source, { head, headName: 'checkpoint', sctExtensions: undefined });
      expect(result, JSON.stringify(result)).to.deep.include({ ok: true, entries: 104 });
      expect(await new ProvenEntries(source, verified).tile(0)).to.have.length(104);
      const proofLog = { source, logId: test.identity.logId, checkpoint, verified };
      const certificate = issued[7]?.certificate ?? new Uint8Array();
      expect(await proveCertificate(proofLog, certificate)).to.include({ index: issued[7]?.committed.index });
      expect((await bundleOf(source, TILE_LEAVES, 0, 104)).entries).to.have.length(104);
      const { frontier } = tileProofs(hashesOf(source, 104), 104);
      expect(new CompactRange(sha256, 104, await frontier()).root()).to.deep.equal(verified.root);
    }
    expect(asked).to.include.members(['tile/0/000.p/104', 'tile/0/000', 'tile/data/000']);
  });

  it('are missing where the full one is not there either', async () => {
    for (const source of sources()) {
      const error = await failureAs(LogReadError, source.tile('tile/0/005.p/7'));
      expect(error.message).to.contain('tile/0/005.p/7 does not exist');
    }
  });

  it('are asked for first: the full one is longer, and may not be there yet', async () => {
    const [source] = sources();
    await source?.tile('tile/data/001.p/4');
    expect(asked).to.deep.equal(['tile/data/001.p/4']);
  });
});
