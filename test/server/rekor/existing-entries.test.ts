/** An entry that is there is answered whatever keeps new ones away, and to nobody who may not see it. */
import { expect } from 'chai';
import { AuditError } from '../../../audit/audit-error.ts';
import { EntryError } from '../../../rekor/entries/entry-error.ts';
import { LogError } from '../../../tlog/core/log-error.ts';
import { V2 } from '../../rekor/format/support/rekor-vectors.ts';
import { post } from '../../support/test-service.ts';
import { startV2Server, type V2Server } from './support/v2-server.ts';

const [first = '', second = ''] = V2.entries.map(({ request }) => request);
const TOKEN = 'a-token-without-blanks';

describe('server/rekor: an entry that is there', () => {
  let server: V2Server | undefined;
  afterEach(async () => {
    await server?.stop();
    server = undefined;
  });

  const add = async (request: string, token?: string): Promise<readonly [status: number, body: string]> => {
    const response = await fetch(`${server?.url ?? ''}/api/v2/log/entries`, {
      method: 'POST',
      body: request,
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    });
    return [response.status, await response.text()];
  };
  /** What became of the first entry, which is there, and of the second, which is not. */
  const statuses = async (token?: string): Promise<readonly [there: number, isNew: number]> => [
    (await add(first, token))[0],
    (await add(second, token))[0],
  ];
  const indexOf = (body: string): string => (JSON.parse(body) as { readonly logIndex: string }).logIndex;

  const ended = new EntryError('ENTRY_NOT_ADMITTED', 'the certificate is not valid any more');

  it('is answered when its certificate has ended, to those who may read the log', async () => {
    for (const [kind, withToken, withoutToken] of [
      ['public', 201, 201],
      ['token', 201, 403],
    ] as const) {
      const now: { refusal?: EntryError } = {};
      const access = kind === 'token' ? { kind, token: TOKEN } : { kind };
      server = await startV2Server({ access, admission: () => now.refusal });
      expect((await add(first))[0]).to.equal(201);
      now.refusal = ended;
      expect(await statuses(TOKEN), kind).to.deep.equal([withToken, 403]);
      expect(await statuses(), kind).to.deep.equal([withoutToken, 403]);
      const [, body] = await add(first, TOKEN);
      expect(indexOf(body)).to.equal('1');
      // Who has no right signature learns nothing.
      const forged = first.replace(/"content":"(.)(.)/, '"content":"$2$1');
      expect((await add(forged, TOKEN))[0]).to.equal(400);
      expect(server.log.status().size).to.equal(2);
      await server.stop();
      server = undefined;
    }
  });

  it('is answered when no log has its certificate any more, or that log cannot be read, to those who may read', async () => {
    const faults = [
      [new EntryError('ENTRY_CERTIFICATE_UNLOGGED', 'it is in no log'), 403],
      [new LogError('LOG_CORRUPT', 'a tile is missing'), 503],
    ] as const;
    for (const [fault, status] of faults) {
      const now: { fault?: Error } = {};
      server = await startV2Server({
        access: { kind: 'token', token: TOKEN },
        certificates: {
          require: () => (now.fault === undefined ? Promise.resolve() : Promise.reject(now.fault)),
        },
      });
      expect((await add(first))[0]).to.equal(201);
      now.fault = fault;
      expect(await statuses(TOKEN), fault.message).to.deep.equal([201, status]);
      expect(await statuses(), fault.message).to.deep.equal([status, status]);
      expect(server.log.status().size).to.equal(2);
      await server.stop();
      server = undefined;
    }
  });

  it('is answered to nobody whose entries are never taken', async () => {
    let isListed = true;
    server = await startV2Server({
      admission: () => {
        if (!isListed) throw ended;
        return undefined;
      },
    });
    expect((await add(first))[0]).to.equal(201);
    isListed = false;
    expect(await statuses()).to.deep.equal([403, 403]);
  });

  it('is answered while the clock is behind, and not while the log is busy', async () => {
    let code: 'LOG_CLOCK' | 'LOG_BUSY' | undefined;
    const refusal = (): LogError | undefined => code && new LogError(code, 'not now');
    server = await startV2Server({ change: { refusal } });
    expect((await add(first))[0]).to.equal(201);
    code = 'LOG_CLOCK';
    expect(await statuses()).to.deep.equal([201, 503]);
    code = 'LOG_BUSY';
    expect(await statuses()).to.deep.equal([503, 503]);
    code = undefined;
    expect(await statuses()).to.deep.equal([201, 201]);
  });

  it('is answered while the audit takes no lines, as it has its line', async () => {
    const now: { refusal?: AuditError } = {};
    server = await startV2Server({
      audit: {
        isFailClosed: true,
        redacted: () => undefined,
        submitted: () => undefined,
        status: () => ({ lines: { issued: 0, logged: 0, refused: 0, suppressed: 0 }, destinations: [] }),
        refusal: () => now.refusal,
        entryRefused: () => true,
        refused: () => true,
        issued: () => undefined,
        logged: () => (now.refusal === undefined ? Promise.resolve() : Promise.reject(now.refusal)),
        close: () => Promise.resolve(),
      },
    });
    expect((await add(first))[0]).to.equal(201);
    now.refusal = new AuditError('AUDIT_UNAVAILABLE', 'no line can be written');
    expect(await statuses()).to.deep.equal([201, 503]);
    expect(server.log.status().size).to.equal(2);
  });

  it('is answered when verifiers trust the log no longer, which takes nothing new then', async () => {
    let until: number | undefined;
    server = await startV2Server({ trustedUntil: () => until });
    expect((await add(first))[0]).to.equal(201);
    until = Date.now() + 3_600_000;
    expect((await add(V2.entries[2]?.request ?? ''))[0]).to.equal(201);
    until = Date.now() - 1;
    expect(await statuses()).to.deep.equal([201, 405]);
    const refused = await post(`${server.url}/api/v2/log/entries`, second);
    expect(await refused.text()).to.include('please switch to the latest log');
    expect(await server.metrics()).to.include('outcome="ENTRY_LOG_UNTRUSTED"} 2');
    until += 3_600_000;
    expect((await add(second))[0]).to.equal(201);
  });

  it('is refused as one where the operator has duplicates refused', async () => {
    const now: { refusal?: EntryError } = {};
    server = await startV2Server({ refusesDuplicates: true, admission: () => now.refusal });
    expect((await add(first))[0]).to.equal(201);
    now.refusal = ended;
    expect(await statuses()).to.deep.equal([409, 403]);
  });
});
