import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect } from 'chai';
import { openDirectorySource } from '../../../ct-log/directory-source.ts';
import { LogError } from '../../../tlog/core/log-error.ts';
import { entry, testLog, type TestLog } from '../../ct-log/support/test-log.ts';
import { failureOf } from '../../support/failure.ts';

describe('ct-log: the identity of a log', () => {
  let test: TestLog;
  beforeEach(async () => {
    test = await testLog();
  });
  afterEach(() => test.remove());

  const path = (name: string): string => join(test.directory, name);
  const edit = (fields: Record<string, unknown>): void => {
    const old = JSON.parse(readFileSync(path('log.json'), 'utf8')) as Record<string, unknown>;
    writeFileSync(path('log.json'), JSON.stringify({ ...old, ...fields }));
  };

  const change = (sql: string): void => {
    const db = new DatabaseSync(path('commit.db'));
    db.exec(sql);
    db.close();
  };
  /** As a version left it that kept no more than the log's id. */
  const forget = (): void => {
    change("DELETE FROM meta WHERE key = 'identity'");
  };
  const grow = async (count: number): Promise<void> => {
    const log = await test.open();
    await Promise.all(Array.from({ length: count }, (_, i) => log.append(entry(i))));
    await log.close();
  };
  const refusal = async (): Promise<LogError> => {
    const failure: unknown = await failureOf(test.open());
    expect(failure).to.be.instanceOf(LogError).with.property('code', 'LOG_CORRUPT');
    return failure as LogError;
  };

  for (const fields of [
    { origin: 'localhost/log/2027' },
    { origin: 'other.example/log/2026' },
    { sctExtensions: 'none' },
    { createdAt: '2020-01-01T00:00:00.000Z' },
  ]) {
    const [name = ''] = Object.keys(fields);
    it(`is kept whole from the first moment: another ${name}`, async () => {
      edit(fields);
      const { message, hint } = await refusal();
      expect(message).to.include('log.json was edited').and.include(name);
      expect(hint).to.include('Write that into log.json again');
      const failure: unknown = await failureOf(openDirectorySource(test.directory));
      expect(failure).to.be.instanceOf(LogError).with.property('message', message);
    });
  }

  it('is not in the way of a log.json that says the same in other words', async () => {
    const text = readFileSync(path('log.json'), 'utf8');
    const compact = JSON.stringify(JSON.parse(text));
    expect(compact).to.not.equal(text);
    writeFileSync(path('log.json'), compact);
    await grow(1);
    expect((await openDirectorySource(test.directory)).head.size).to.equal(1);
  });

  it('is bound when a log of an older version is opened for the first time', async () => {
    await grow(3);
    forget();
    await grow(2);
    edit({ origin: 'localhost/log/2027' });
    expect((await refusal()).message).to.include('origin "localhost/log/2026"');
  });

  it('is not bound to an edited log.json where entries or the checkpoint say otherwise', async () => {
    await grow(3);
    forget();
    edit({ origin: 'localhost/log/2027' });
    expect((await refusal()).message).to.include('origin is "localhost/log/2026" by the checkpoint');
    edit({ origin: 'localhost/log/2026', sctExtensions: 'none' });
    expect((await refusal()).message).to.include('sctExtensions is "leaf_index" by the entries');
    edit({ sctExtensions: 'leaf_index' });
    await grow(1);
  });

  it('is held to a full tile when the commit store has no entry', async () => {
    await grow(256);
    forget();
    change('DELETE FROM entry');
    edit({ sctExtensions: 'none' });
    expect((await refusal()).message).to.include('sctExtensions is "leaf_index" by the entries');
  });

  it('is bound with a word about it when nothing vouches for it', async () => {
    await grow(256);
    forget();
    change('DELETE FROM entry');
    rmSync(path('checkpoint'));
    rmSync(path('tile/data/000'));
    const log = await test.open();
    for (const field of ['origin', 'sctExtensions'])
      expect(log.warnings.join('\n')).to.match(
        new RegExp(`bound to log\\.json from now on; that its ${field} is still`),
      );
    await log.close();
    expect((await test.open()).warnings).to.deep.equal([]);
  });

  it('leaves the first word to what names the file that is damaged', async () => {
    await grow(3);
    forget();
    change('UPDATE entry SET bytes = zeroblob(3) WHERE idx = 0');
    expect((await refusal()).message).to.match(/^commit\.db: entry 0 is damaged/);
  });
});
