import { expect } from 'chai';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Socket as TcpSocket } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SyslogDefinition } from '../../audit/audit-definition.ts';
import { openAudit, type Audit, type AuditOptions } from '../../audit/audit.ts';
import { issuedLine } from '../../audit/audit-line.ts';
import { octetCounted, syslogFormatter } from '../../audit/syslog-message.ts';
import { selfSigned } from '../support/tls-identity.ts';
import { auditLine } from './support/audit-schema.ts';
import { issuedDecision, Notes, refusedDecision } from './support/decisions.ts';
import { SyslogServer } from './support/syslog-server.ts';
import { failureOf } from '../support/failure.ts';

const HEADER = /^<(\d+)>1 (\S+) (\S+) mayfly (\d+) (\w+) - (\{.*\})$/;

/** What a message says, and its line. */
function parse(message: string): { header: string[]; line: Readonly<Record<string, unknown>> } {
  const [, ...header] = HEADER.exec(message) ?? [];
  return { line: auditLine(header.pop() ?? ''), header };
}

describe('audit: syslog', () => {
  const notes = new Notes();
  const audits: Audit[] = [];
  const open = async (
    syslog: Partial<SyslogDefinition> & Pick<SyslogDefinition, 'transport' | 'port'>,
    failClosed = false,
    parts: Partial<AuditOptions> = {},
  ): Promise<Audit> => {
    notes.all.length = 0;
    const audit = await openAudit(
      {
        stdout: false,
        failClosed,
        refusalsPerMinute: 60,
        syslog: { host: '127.0.0.1', facility: 'authpriv', ...syslog },
      },
      { clock: Date.now, note: notes.note, limits: { retryMs: 5 }, ...parts },
    );
    audits.push(audit);
    return audit;
  };
  afterEach(async () => {
    for (const audit of audits.splice(0)) await audit.close();
  });

  it('writes the header of RFC 5424 before the line', () => {
    const format = syslogFormatter({ facility: 'local2', hostname: 'ca 1.exämple', processId: 42 });
    const line = issuedLine(issuedDecision(), Date.UTC(2026, 0, 1));
    expect(format(line)).to.equal(`<149>1 2026-01-01T00:00:00.000Z ca1.exmple mayfly 42 issued - ${line}`);
    expect(octetCounted('abc')).to.equal('3 abc');
  });

  describe('over UDP', () => {
    let server: Socket;
    let port: number;
    before(async () => {
      server = createSocket('udp4').bind(0, '127.0.0.1');
      await once(server, 'listening');
      ({ port } = server.address());
    });
    after(() => {
      server.close();
    });

    it('sends a datagram for each line', async () => {
      const audit = await open({ transport: 'udp', port, facility: 'local0' });
      const received = (async () => {
        const messages: string[] = [];
        while (messages.length < 2) messages.push(String((await once(server, 'message'))[0]));
        return messages;
      })();
      void audit.issued(issuedDecision());
      audit.refused(refusedDecision(), 'TOKEN_EXPIRED');
      const [first, second] = (await received).map(parse);
      expect(first?.line).to.include({ event: 'issued', requestId: 'r1' });
      expect(first?.header).to.deep.equal([
        '133',
        first?.line['time'],
        hostname(),
        String(process.pid),
        'issued',
      ]);
      expect(second?.header[0]).to.equal('132');
      expect(second?.line).to.include({ event: 'refused', reason: 'TOKEN_EXPIRED' });
    });

    it('notes a line that no datagram can hold, and goes on with the next', async () => {
      const audit = await open({ transport: 'udp', port });
      const received = once(server, 'message');
      void audit.issued({ ...issuedDecision(), principal: 'a'.repeat(70_000) });
      void audit.issued(issuedDecision('r9'));
      const [message] = (await received) as [Buffer];
      expect(parse(message.toString()).line).to.include({ requestId: 'r9' });
      expect(notes.events).to.deep.equal(['error: audit line too long for a datagram']);
    });

    it('notes that no server listens', async () => {
      const gone = createSocket('udp4').bind(0, '127.0.0.1');
      await once(gone, 'listening');
      const audit = await open({ transport: 'udp', port: gone.address().port });
      gone.close();
      const sending = setInterval(() => void audit.issued(issuedDecision()), 5);
      await notes.until('audit is not written');
      clearInterval(sending);
      expect(String(notes.all[0]?.facts['sentence'])).to.contain('ECONNREFUSED');
    });
  });

  it('sends over TCP with octet counts, in order', async () => {
    const server = new SyslogServer();
    const audit = await open({ transport: 'tcp', port: await server.listen() });
    for (let i = 0; i < 300; i++) void audit.issued(issuedDecision(`r${i}`));
    await server.until(300);
    expect(server.messages.map((message) => parse(message).line['requestId'])).to.deep.equal(
      Array.from({ length: 300 }, (_, i) => `r${i}`),
    );
    expect(parse(server.messages[0] ?? '').header[0]).to.equal('85');
    await audit.close();
    await server.close();
  });

  it('connects again when the server is back, with what waited meanwhile', async () => {
    const first = new SyslogServer();
    const port = await first.listen();
    const audit = await open({ transport: 'tcp', port });
    void audit.issued(issuedDecision('before'));
    await first.until(1);
    await first.close();
    // The first lines after that may go into the broken connection: syslog has no receipts.
    const sending = setInterval(() => void audit.issued(issuedDecision('lost-perhaps')), 5);
    await notes.until('audit is not written');
    clearInterval(sending);
    for (let i = 0; i < 20; i++) void audit.issued(issuedDecision(`r${i}`));
    const second = new SyslogServer();
    await second.listen(port);
    while (second.messages.at(-1)?.includes('"r19"') !== true) await second.until(second.messages.length + 1);
    const ids = second.messages.map((message) => parse(message).line['requestId']);
    expect(ids.slice(-20)).to.deep.equal(Array.from({ length: 20 }, (_, i) => `r${i}`));
    await notes.until('audit is written again');
    await audit.close();
    await second.close();
  });

  it('holds as much as its limit while the server is down, and counts what is lost', async () => {
    const audit = await open({ transport: 'tcp', port: 1 }, false, {
      limits: { retryMs: 5, waiting: 4_000 },
    });
    for (let i = 0; i < 100; i++) void audit.issued(issuedDecision(`r${i}`));
    await notes.until('audit is not written');
    const [place] = audit.status().destinations;
    expect(place).to.include({ name: 'syslog', isFailing: true });
    expect(place?.lost).to.be.within(85, 95);
    await audit.close();
    expect(audit.status().destinations[0]?.lost).to.equal(100);
    expect(notes.all.at(-1)).to.deep.equal({
      level: 'error',
      event: 'audit lines lost',
      facts: { place: 'syslog', lost: 100 },
    });
  });

  it('fail-closed, refuses while the server is down, at once when that is known, and issues when it is back', async () => {
    const server = new SyslogServer();
    const port = await server.listen();
    const audit = await open({ transport: 'tcp', port }, true);
    await audit.issued(issuedDecision('r0'));
    await server.until(1);
    const [socket] = server.sockets;
    if (socket === undefined) throw new Error('nobody connected');
    await server.close();
    const tryOnce = (id: string): Promise<unknown> =>
      audit.issued(issuedDecision(id))?.then(
        () => 'taken',
        (error: unknown) => (error as { code?: string }).code,
      ) ?? Promise.resolve();
    while ((await tryOnce('r1')) === 'taken') await new Promise((resolve) => setImmediate(resolve));
    audit.refused(refusedDecision(), 'AUDIT_UNAVAILABLE');
    expect(await tryOnce('r2')).to.equal('AUDIT_UNAVAILABLE');
    const again = new SyslogServer();
    await again.listen(port);
    await again.until(1);
    expect(parse(again.messages[0] ?? '').line).to.include({ reason: 'AUDIT_UNAVAILABLE' });
    await notes.until('audit is written again');
    expect(await tryOnce('r3')).to.equal('taken');
    await again.until(2);
    expect(again.messages.map((message) => parse(message).line['requestId'])).to.deep.equal(['r2', 'r3']);
    await audit.close();
    await again.close();
  });

  it('fail-closed, refuses in time when the server reads nothing', async () => {
    const sockets: TcpSocket[] = [];
    const server = createServer({ pauseOnConnect: true }, (socket) => sockets.push(socket));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    const audit = await open({ transport: 'tcp', port }, true, {
      limits: { retryMs: 5, writeTimeoutMs: 100 },
    });
    // More than any socket's buffers hold.
    const large = { ...issuedDecision(), principal: 'a'.repeat(20_000_000) };
    const refusal = await failureOf(audit.issued(large));
    expect(refusal).to.include({ code: 'AUDIT_UNAVAILABLE' });
    const next = await failureOf(audit.issued(issuedDecision()));
    expect(next).to.include({ code: 'AUDIT_UNAVAILABLE' });
    for (const socket of sockets) socket.destroy();
    server.close();
  });

  it('speaks TLS, to a server whose certificate it was given and to no other', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'mayfly-audit-'));
    const identity = await selfSigned();
    const caFile = join(directory, 'ca.pem');
    await writeFile(caFile, identity.cert);
    const server = new SyslogServer(identity);
    const port = await server.listen();
    const audit = await open({ transport: 'tls', port, caFile }, true);
    await audit.issued(issuedDecision());
    await server.until(1);
    expect(parse(server.messages[0] ?? '').line).to.include({ requestId: 'r1' });
    const trusting = await open({ transport: 'tls', port }, true);
    const refusal = await failureOf(trusting.issued(issuedDecision('r2')));
    expect(refusal).to.include({ code: 'AUDIT_UNAVAILABLE' });
    expect(String(notes.all[0]?.facts['sentence'])).to.match(/self-signed/);
    expect(server.messages).to.have.length(1);
    await writeFile(caFile, 'nothing');
    const unusable = await failureOf(open({ transport: 'tls', port, caFile }));
    expect(unusable).to.include({ code: 'AUDIT_CA_UNUSABLE' });
    await audit.close();
    await server.close();
    await rm(directory, { recursive: true });
  });
});
