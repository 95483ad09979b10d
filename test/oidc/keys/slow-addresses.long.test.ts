/**
 * Hosts with several addresses of which some lead nowhere. Real sockets: a listener whose queue is full answers nothing
 * to who wants to connect, as a network does that drops packets.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import dns from 'node:dns';
import { once } from 'node:events';
import type { LookupAddress } from 'node:dns';
import { expect } from 'chai';
import { createDocumentFetcher } from '../../../oidc/keys/fetch-document.ts';

/** Takes connections of its port only after a line on stdin, and answers them with JSON. Fills its queue before it
 * says its port. */
const LISTENER = `
import socket, sys
family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET
server = socket.socket(family)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind((sys.argv[1], int(sys.argv[2])))
server.listen(0)
fill = []
for _ in range(4):
    one = socket.socket(family)
    one.setblocking(False)
    one.connect_ex(server.getsockname())
    fill.append(one)
print(server.getsockname()[1], flush=True)
sys.stdin.readline()
for one in fill:
    one.close()
while True:
    client, _ = server.accept()
    client.settimeout(5)
    try:
        if client.recv(65536):
            client.sendall(b'HTTP/1.1 200 OK\\r\\ncontent-length: 7\\r\\nconnection: close\\r\\n\\r\\n{"a":1}')
    except OSError:
        pass
    client.close()
`;
import { skipUnless } from '../../support/skipped.ts';

describe('A host with several addresses', function () {
  const children: ChildProcess[] = [];
  const { lookup } = dns;

  before(function () {
    const needed = 'import socket; socket.socket(socket.AF_INET6).bind(("::1", 0))';
    const hasAll = process.platform === 'linux' && spawnSync('python3', ['-c', needed]).status === 0;
    skipUnless(this, hasAll, 'it takes Linux, Python and IPv6');
  });
  afterEach(() => {
    dns.lookup = lookup;
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });

  async function listen(address: string, port = 0): Promise<{ port: number; open: () => void }> {
    const child = spawn('python3', ['-c', LISTENER, address, String(port)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    children.push(child);
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    return { port: Number(line.toString()), open: () => child.stdin.write('\n') };
  }

  /** The only thing that is not real: what the name stands for. */
  function resolveTo(...addresses: readonly string[]): void {
    const found: LookupAddress[] = addresses.map((address) => ({
      address,
      family: address.includes(':') ? 6 : 4,
    }));
    dns.lookup = ((
      _name: string,
      _options: unknown,
      callback: (error: null, all: LookupAddress[]) => void,
    ) => {
      process.nextTick(callback, null, found);
    }) as typeof dns.lookup;
  }

  for (const order of [
    ['127.0.0.1', '::1'],
    ['::1', '127.0.0.1'],
    ['::1', '127.0.0.1', '::1'],
  ])
    it(`is reached at the one that is slow, when ${order.join(', ')} are its addresses in this order`, async () => {
      const slow = await listen('127.0.0.1');
      await listen('::1', slow.port);
      resolveTo(...order);
      const fetcher = createDocumentFetcher({}, {});
      const url = new URL(`http://issuer.example:${slow.port}/`);
      const fetched = fetcher.fetch(url, { timeout: 15_000, size: 100 });
      // More than Node waits for one address, and less than the system takes to try again.
      setTimeout(slow.open, 600);
      expect(await fetched).to.deep.equal({ a: 1 });
      await fetcher.close();
    });
});
