import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { type DevMayfly, startDev } from '../support/mayfly.ts';

/** Resident bytes of a process, on Linux. */
const residentBytes = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;

describe('server: memory of the real program', function () {
  if (process.platform !== 'linux') return;

  let running: DevMayfly;
  before(async () => {
    running = await startDev({ byLauncher: 'built' });
  });
  after(() => running.stop());

  const CROWDS: readonly (readonly [name: string, url: () => string, connections: number])[] = [
    ['the public listener', () => running.url, 1200],
    ['the operator’s listener', () => running.metricsUrl, 400],
  ];
  for (const [name, url, connections] of CROWDS)
    it(`stays what it is when ${connections} connections send requests in heaps and read nothing: ${name}`, async () => {
      const { host, hostname, port } = new URL(url());
      const heap = `GET /healthz HTTP/1.1\r\nHost: ${host}\r\n\r\n`.repeat(1400);
      const crowd = Array.from({ length: connections }, () =>
        connect(Number(port), hostname)
          .on('error', () => undefined)
          .pause(),
      );
      for (const socket of crowd) socket.write(heap);
      // Each comes after the others in line.
      for (let i = 0; i < 5; i++) expect((await fetch(`${running.url}/healthz`)).status).to.equal(200);
      expect(residentBytes(running.child.pid ?? 0)).to.be.below(400e6);
      for (const socket of crowd) socket.destroy();
    });
});
