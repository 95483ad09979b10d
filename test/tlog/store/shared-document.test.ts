/** Small files that services share, on a real server whose standby is away. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { createTuf } from '../../../instance/create-tuf.ts';
import { createInstance } from '../../../instance/create-instance.ts';
import { loadKeyFile } from '../../../signers/key-file.ts';
import { LogError } from '../../../tlog/core/log-error.ts';
import { migrate } from '../../../tlog/store/postgres-schema.ts';
import { isUnsettled, MAX_DOCUMENT, SharedDocument } from '../../../tlog/store/shared-document.ts';
import type { OutsidePlace } from '../../../tlog/store/store-places.ts';
import { keysOf } from '../../../trust/tuf/new-metadata.ts';
import { refresh } from '../../../trust/tuf/publish.ts';
import { readRepository } from '../../../trust/tuf/repository.ts';
import { TufError } from '../../../trust/tuf/tuf-error.ts';
import { isKey } from '../../../trust/tuf/tuf-key.ts';
import { readFile } from 'node:fs/promises';
import { failureAs, failureOf } from '../../support/failure.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { PostgresServer } from '../../support/postgres-server.ts';
import { removeScratch, scratchDirectory } from '../../trust/tuf/support/repository.ts';

describe('tlog/store/shared-document', function () {
  this.timeout(120_000);
  let server: PostgresServer | undefined;
  let schemas = 0;
  let place: OutsidePlace;
  const documents: SharedDocument[] = [];
  before(async function () {
    server = await PostgresServer.start(this);
  });
  after(() => server?.remove());
  beforeEach(async () => {
    place = {
      url: running().url({ schema: `documents_${schemas++}` }),
      passwordFile: running().passwordFile,
    };
    await migrate(place);
  });
  afterEach(async () => {
    await running().waitForStandby(false);
    for (const one of documents.splice(0)) await one.close();
    removeScratch();
  });

  const running = (): PostgresServer => server ?? expect.fail('no server');
  const document = (): SharedDocument => {
    const made = new SharedDocument(place, new Uint8Array(32).fill(3), 'test');
    documents.push(made);
    return made;
  };
  const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

  it('replaces the version that is named and no other', async () => {
    const [a, b] = [document(), document()];
    expect(await a.read()).to.equal(undefined);
    expect(await a.replace(undefined, bytes('one'))).to.equal(true);
    expect(await b.replace(undefined, bytes('other'))).to.equal(false);
    expect(await b.replace(1, bytes('two'))).to.equal(true);
    expect(await a.replace(1, bytes('other'))).to.equal(false);
    expect(await a.read()).to.deep.include({ version: 2, bytes: bytes('two') });
  });

  it('reads no row that is larger than one can be', async () => {
    const one = document();
    await one.replace(undefined, bytes('one'));
    const schema = new URL(place.url).searchParams.get('schema') ?? '';
    await running().query(
      `UPDATE ${schema}.shared_document SET bytes = convert_to(repeat('a', ${MAX_DOCUMENT + 1}), 'UTF8')`,
    );
    expect((await failureAs(LogError, one.read())).code).to.equal('LOG_CORRUPT');
  });

  it('has more time for more bytes', async () => {
    const proxy = await TcpProxy.to(running().port);
    const { url } = place;
    try {
      const at = { ...place, url: url.replace(`:${running().port}/`, `:${proxy.port}/`) };
      const one = new SharedDocument(at, new Uint8Array(32).fill(3), 'test');
      documents.push(one);
      expect(await one.read()).to.equal(undefined);
      const large = new Uint8Array(4 * 1024 * 1024).fill(1);
      proxy.set({ requests: 'silence' });
      const replaced = one.replace(undefined, large);
      await delay(3_500);
      proxy.set({});
      expect(await replaced).to.equal(true);
      const there = await one.read();
      // What was settled has been raised once more.
      expect(there?.version).to.equal(1);
      expect(Buffer.compare(there?.bytes ?? new Uint8Array(), large)).to.equal(0);
    } finally {
      await proxy.close();
    }
  });

  it('does not take a change for done whose wait for the standby was ended, before another one is there', async () => {
    const one = document();
    await one.replace(undefined, bytes('one'));
    await running().waitForStandby(true);
    const lost = failureOf(one.replace(1, bytes('two')));
    await running().endWait();
    expect(isUnsettled(await lost)).to.equal(true);
    await running().waitForStandby(false);
    const { version = 0 } = (await one.read()) ?? {};

    await running().waitForStandby(true);
    const settled = one.replace(version, bytes('three'));
    await running().endWait();
    await running().waitForStandby(false);
    expect(await settled).to.equal(true);
    // It was raised once more, so that nothing late finds the version that it was to replace.
    expect(await one.read()).to.deep.include({ version: version + 2, bytes: bytes('three') });
  });

  it('keeps the keys of a repository that may count later', async () => {
    const scratch = scratchDirectory();
    const { paths } = await createInstance({
      data: join(scratch, 'data'),
      mode: 'production',
      authority: { organization: 'T', commonName: 'T', keyType: 'p256', rootKey: 'keep' },
      origin: 'ca.example.org/log/2026',
      sctExtensions: 'leaf_index',
      configText: '',
      clock: Date.now,
    });
    const file = join(scratch, 'tuf-root.key.pem');
    const made = { rootKey: { file }, urls: { publicUrl: 'https://ca.example.org' }, shared: place };
    await running().waitForStandby(true);
    const failure = await failureAs(TufError, createTuf(paths, made, { clock: Date.now }));
    expect(failure).to.include({ code: 'TUF_UNKNOWN' });
    expect(failure.hint).to.include(`Keep ${file}`);
    expect(existsSync(file)).to.equal(true);
    await running().waitForStandby(false);
    // What waited is there then.
    await refresh(paths.tuf);
    const root = (await readRepository(paths.tuf))?.root ?? expect.fail('no repository');
    const { publicKey } = await loadKeyFile(await readFile(file));
    expect(keysOf(root.signed).root.keys.map((key) => isKey(key, publicKey))).to.deep.equal([true]);
    expect(await failureAs(TufError, createTuf(paths, made, { clock: Date.now }))).to.include({
      code: 'TUF_EXISTS',
    });
    expect(existsSync(file)).to.equal(true);
  });
});
