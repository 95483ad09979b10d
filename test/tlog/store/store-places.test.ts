import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { toBase64 } from '../../../core/bytes.ts';
import { LogError } from '../../../tlog/core/log-error.ts';
import { chooseStores } from '../../../tlog/store/choose-stores.ts';
import {
  readStorePlaces,
  STORE_FILE,
  writeStorePlaces,
  type StorePlaces,
} from '../../../tlog/store/store-places.ts';
import { failureOf } from '../../support/failure.ts';
import { runs } from '../../support/runs.ts';

const ID = new Uint8Array(32).fill(7);
const LOG_ID = `"logId":"${toBase64(ID)}"`;

describe('tlog/store/store-places', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'mayfly-places-'));
  });
  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  const put = (text: string): void => {
    writeFileSync(join(directory, STORE_FILE), text);
  };

  it('has both stores in the directory where no file says otherwise', async () => {
    await writeStorePlaces(directory, { logId: ID });
    expect(await readStorePlaces(directory)).to.deep.equal({});
    expect((await chooseStores(directory)).commits.name).to.equal('commit.db');
  });

  it('reads what it wrote', async () => {
    const all: StorePlaces[] = [
      { commits: { url: 'postgres://mayfly@db.example.org/mayfly', passwordFile: '/run/secrets/db' } },
      { commits: { url: 'postgres://db/x' }, tiles: { url: 'postgres' } },
      { tiles: { url: 's3://bucket/log', endpoint: 'https://s3.example.org', region: 'eu' } },
    ];
    for (const places of all) {
      await writeStorePlaces(directory, { ...places, logId: ID });
      expect(await readStorePlaces(directory)).to.deep.equal({ ...places, logId: ID });
    }
  });

  it('refuses what it does not know rather than look for the log elsewhere', async () => {
    for (const text of [
      '',
      '[]',
      '{}',
      `{"version":2,${LOG_ID}}`,
      `{"version":1,"commits":{"url":"postgres://db/x"}}`,
      '{"version":1,"logId":"AAAA"}',
      '{"version":1,"logId":7}',
      `{"version":1,${LOG_ID},"other":{}}`,
      `{"version":1,${LOG_ID},"commits":{}}`,
      `{"version":1,${LOG_ID},"commits":"postgres://db/x"}`,
      `{"version":1,${LOG_ID},"commits":{"url":""}}`,
      `{"version":1,${LOG_ID},"commits":{"url":7}}`,
      `{"version":1,${LOG_ID},"commits":{"url":"postgres://db/x","password":"secret"}}`,
      `{"version":1,${LOG_ID},"commits":null}`,
    ]) {
      put(text);
      const failure = await failureOf(readStorePlaces(directory));
      expect(failure, text).to.be.instanceOf(LogError).with.property('code', 'LOG_CORRUPT');
      expect(await failureOf(chooseStores(directory))).to.have.property('code', 'LOG_CORRUPT');
    }
  });

  it('refuses a bucket without conditions beside a history with several writers', async () => {
    const tiles = { url: 's3://bucket/log', writes: 'plain' };
    await writeStorePlaces(directory, {
      commits: { url: 'postgres://db/x' },
      logId: new Uint8Array(32),
      tiles,
    });
    expect(await failureOf(chooseStores(directory))).to.have.property('code', 'LOG_UNSUITABLE_STORAGE');
    await writeStorePlaces(directory, { tiles });
    await chooseStores(directory);
  });

  it('refuses places of a kind that it does not know', async () => {
    for (const tiles of [
      { url: 's3://bucket/log', addressing: 'other' },
      { url: 's3://bucket/log', writes: 'other' },
      { url: 's3://' },
      { url: 'https://bucket/log' },
    ]) {
      await writeStorePlaces(directory, { tiles });
      expect(await failureOf(chooseStores(directory))).to.have.property('code', 'LOG_CORRUPT');
    }
  });

  it('throws nothing else, whatever the file holds', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), fc.json()), async (text) => {
        put(text);
        const outcome = await readStorePlaces(directory).catch((error: unknown) => error);
        if (outcome instanceof Error) expect(outcome).to.be.instanceOf(LogError);
      }),
      { numRuns: runs(100) },
    );
  });
});
