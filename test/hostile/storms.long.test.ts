/** Floods of tokens that anybody can make up. Fetches, sockets and turns of the event loop are counted; nothing is timed. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect } from 'chai';
import { RETRY_INTERVAL } from '../../oidc/keys/issuer-keys.ts';
import { NEW_ISSUERS_BURST, NEW_ISSUERS_PER_SECOND } from '../../oidc/keys/unknown-issuer-keys.ts';
import { emailDefinition } from '../support/issuer-definitions.ts';
import { rawToken } from '../support/raw-token.ts';
import { TenantIssuers } from '../support/tenant-issuers.ts';
import { bodyV2, clientKey } from '../support/test-service.ts';
import { costOf, outcomeOf } from './support/attack.ts';
import { issuerBlock, startWorld, type World, type WorldOptions } from './support/world.ts';

const KEY = clientKey();
const CONNECTIONS = 8;
/** Requests that one connection has sent without having seen the answer. */
const AHEAD = 6;

/** Sends each token over a few connections and counts the answers by reason. The client is as bare as it can be: what
 * the storm costs should be the server's. */
async function storm({ service }: World, tokens: readonly string[]): Promise<Record<string, number>> {
  const { port, hostname } = new URL(service.url);
  const reasons: Record<string, number> = {};
  const waiting = [...tokens];
  const request = (token: string): string => {
    const body = JSON.stringify(bodyV2(token, KEY));
    const length = `Content-Length: ${Buffer.byteLength(body)}`;
    return `POST /api/v2/signingCert HTTP/1.1\r\nHost: ${hostname}\r\n${length}\r\n\r\n${body}`;
  };
  const work = async (socket: Socket): Promise<void> => {
    let text = '';
    let unanswered = 0;
    const send = (): void => {
      for (let token = waiting.pop(); token !== undefined; token = waiting.pop()) {
        socket.write(request(token));
        if (++unanswered === AHEAD) return;
      }
      if (unanswered === 0) socket.end();
    };
    socket.on('data', (data) => {
      text += data.toString('latin1');
      const seen = [...text.matchAll(/"reason":"(\w+)"|"certificates":/g)];
      for (const [, reason = 'issued'] of seen) reasons[reason] = (reasons[reason] ?? 0) + 1;
      unanswered -= seen.length;
      const last = seen.at(-1);
      if (last !== undefined) text = text.slice(last.index + last[0].length);
      send();
    });
    send();
    await once(socket, 'close');
  };
  const sockets = Array.from({ length: CONNECTIONS }, () => connect(Number(port), hostname));
  await Promise.all(sockets.map(work));
  return reasons;
}

/** Honest tokens, one after the other, for as long as the storm lasts. */
async function honestDuring<T>(
  world: World,
  work: Promise<T>,
  honest: () => Promise<string>,
): Promise<{ readonly result: T; readonly outcomes: ReadonlySet<string>; readonly count: number }> {
  const storming = { isOver: false };
  const over = work.finally(() => (storming.isOver = true));
  const outcomes = new Set<string>();
  let count = 0;
  do {
    outcomes.add(await outcomeOf(world, await honest()));
    count++;
  } while (!storming.isOver);
  return { result: await over, outcomes, count };
}

const STORM = 10_000;

describe('hostile: storms', function () {
  this.timeout(60_000);

  const open: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close();
  });
  const start = async (options?: WorldOptions): Promise<World> => {
    const world = await startWorld(options);
    open.push(world);
    return world;
  };

  it('of 10,000 unknown key ids cost the issuer one look in an interval, and honest tokens go on', async () => {
    const world = await start();
    const payload = { iss: world.issuer.url, aud: 'sigstore', exp: 9e9 };
    const tokens = Array.from({ length: STORM }, (_, i) =>
      rawToken({ alg: 'ES256', kid: `storm-${i}` }, payload),
    );
    // The same number of requests that are refused before anything is asked, as a measure for what this machine can do.
    const harmless = tokens.map(() => 'x.y.z');
    const calm = await costOf(async () =>
      expect(await storm(world, harmless)).to.deep.equal({ TOKEN_MALFORMED: STORM }),
    );
    expect(await outcomeOf(world, await world.honest())).to.equal('issued');
    const honest = await world.honestCost();
    const asked = world.issuer.requests.jwks;

    const began = Date.now();
    let count = 0;
    const cost = await costOf(async () => {
      const during = await honestDuring(world, storm(world, tokens), () => world.honest());
      expect(during.result).to.deep.equal({ KEY_UNKNOWN: STORM });
      expect([...during.outcomes]).to.deep.equal(['issued']);
      ({ count } = during);
    });
    expect(count).to.be.greaterThan(10);
    const intervals = Math.ceil((Date.now() - began) / RETRY_INTERVAL);
    expect(world.issuer.requests.discovery).to.equal(1);
    expect(world.issuer.requests.jwks - asked).to.be.at.most(intervals);
    expect(world.issuer.sockets.opened).to.be.at.most(2);
    // In time of the processor, that of the honest ones aside: other programs on the machine must not matter.
    expect(cost).to.be.lessThan(20 * calm + 3 * count * honest);
  });

  it('of 2,000 key ids while the issuer is down open no more sockets than tries', async () => {
    const world = await start();
    expect(await outcomeOf(world, await world.honest())).to.equal('issued');
    world.issuer.jwks.status = 500;
    const asked = world.issuer.requests.jwks;
    const payload = { iss: world.issuer.url, aud: 'sigstore', exp: 9e9 };
    const tokens = Array.from({ length: 2000 }, (_, i) =>
      rawToken({ alg: 'ES256', kid: `storm-${i}` }, payload),
    );
    const began = Date.now();
    const { result, outcomes } = await honestDuring(world, storm(world, tokens), () => world.honest());
    const { KEY_UNKNOWN = 0, ISSUER_UNREACHABLE = 0 } = result;
    expect(KEY_UNKNOWN + ISSUER_UNREACHABLE).to.equal(2000);
    expect([...outcomes]).to.deep.equal(['issued']);
    const intervals = Math.ceil((Date.now() - began) / RETRY_INTERVAL);
    expect(world.issuer.requests.jwks - asked).to.be.at.most(intervals);
  });

  it('of 3,000 made-up issuers under a pattern cost a bounded number of fetches, and live ones go on', async () => {
    const tenants = await TenantIssuers.start();
    open.push(tenants);
    tenants.isAbsent = (issuer) => !issuer.includes('honest');
    const world = await start({
      context: { createFetcher: tenants.createFetcher },
      issuers: () => [
        issuerBlock(emailDefinition('https://*.tenants.example/id/*', { name: 'tenants', isMeta: true })),
      ],
    });
    const honest = (): Promise<string> =>
      tenants.sign('https://honest.tenants.example/id/1', { email: 'alice@example.com' });
    expect(await outcomeOf(world, await honest())).to.equal('issued');
    const asked = tenants.asked.length;
    const tokens = Array.from({ length: 3000 }, (_, i) =>
      rawToken(
        { alg: 'ES256', kid: 'k' },
        { iss: `https://t${i}.tenants.example/id/${i}`, aud: 'sigstore', exp: 9e9 },
      ),
    );
    const began = Date.now();
    const { result, outcomes } = await honestDuring(world, storm(world, tokens), honest);
    expect(result).to.deep.equal({ ISSUER_UNREACHABLE: 3000 });
    expect([...outcomes]).to.deep.equal(['issued']);
    const allowed = NEW_ISSUERS_BURST + (NEW_ISSUERS_PER_SECOND * (Date.now() - began)) / 1000 + 1;
    expect(tenants.asked.length - asked).to.be.at.most(allowed);
    expect(tenants.connections).to.be.at.most(8);
  });

  it('of lines in the log stay few and short: most refusals are counted, and no line repeats what a client wrote', async () => {
    const world = await start();
    const payload = { iss: `https://${'x'.repeat(20_000)}`, aud: 'sigstore', exp: 9e9 };
    const began = Date.now();
    await storm(
      world,
      Array.from({ length: 200 }, () => rawToken({ alg: 'ES256', kid: 'k'.repeat(900) }, payload)),
    );
    const lines = world.service.lines.filter(({ event }) => event === 'refused');
    // A minute's lines, and what became free while it went on.
    expect(lines.length).to.be.within(60, 61 + (Date.now() - began) / 1000);
    for (const line of lines) expect(JSON.stringify(line).length).to.be.lessThan(600);
  });
});
