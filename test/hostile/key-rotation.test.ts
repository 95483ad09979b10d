/** Keys that change while requests are on their way, and keys that were withdrawn. */
import { expect } from 'chai';
import { MAX_AGE, RETRY_INTERVAL, STALE_AGE } from '../../oidc/keys/issuer-keys.ts';
import { makeIssuerKey } from '../support/oidc-issuer.ts';
import { outcomeOf } from './support/attack.ts';
import { startWorld, type World } from './support/world.ts';

const MANY = 100;

describe('hostile: rotation of keys', () => {
  let world: World;
  beforeEach(async () => (world = await startWorld()));
  afterEach(() => world.close());

  const tally = (outcomes: readonly string[]): Record<string, number> =>
    Object.fromEntries([...Map.groupBy(outcomes, (one) => one)].map(([name, all]) => [name, all.length]));

  it('in mid-flight fails nobody: neither tokens of the old key, nor of the new one', async () => {
    expect(await outcomeOf(world, await world.honest())).to.equal('issued');
    const old = await Promise.all(Array.from({ length: MANY }, () => world.honest()));
    const first = old.slice(0, MANY / 2).map((token) => outcomeOf(world, token));
    await world.issuer.rotate({ keep: true });
    const young = await Promise.all(Array.from({ length: MANY }, () => world.honest()));
    const all = [...first, ...[...old.slice(MANY / 2), ...young].map((token) => outcomeOf(world, token))];
    expect(tally(await Promise.all(all))).to.deep.equal({ issued: 2 * MANY });
    // Once for the first token, and once for all tokens of the new key together.
    expect(world.issuer.requests).to.deep.equal({ discovery: 1, jwks: 2, other: 0 });
  });

  it('under the same key id is followed as well', async () => {
    expect(await outcomeOf(world, await world.honest())).to.equal('issued');
    const old = await world.honest();
    await world.issuer.rotate({ kid: world.issuer.key.kid });
    const tokens = await Promise.all(Array.from({ length: MANY }, () => world.honest()));
    expect(tally(await Promise.all(tokens.map((token) => outcomeOf(world, token))))).to.deep.equal({
      issued: MANY,
    });
    expect(await outcomeOf(world, old)).to.equal('TOKEN_SIGNATURE_INVALID');
  });

  it('that withdraws a key ends its tokens with the next refresh, and those of unknown keys do not delay that', async () => {
    const stolen = world.issuer.key;
    const forge = async (): Promise<string> =>
      outcomeOf(
        world,
        await world.issuer.sign(
          { email: 'alice@example.com', email_verified: true, exp: 9e9 },
          { key: stolen },
        ),
      );
    expect(await forge()).to.equal('issued');
    await world.issuer.rotate();
    // Old keys may serve until they are ten minutes old, also while tokens ask for unknown ones.
    world.service.skew = MAX_AGE;
    expect(await forge()).to.equal('KEY_UNKNOWN');
    expect(await outcomeOf(world, await world.honest())).to.equal('issued');
    expect(await forge()).to.equal('KEY_UNKNOWN');
  });

  it('that withdraws a key ends its tokens at once where a token of the new key was seen', async () => {
    const stolen = world.issuer.key;
    const forged = await world.issuer.sign(
      { email: 'alice@example.com', email_verified: true },
      { key: stolen },
    );
    expect(await outcomeOf(world, forged)).to.equal('issued');
    await world.issuer.rotate();
    expect(await outcomeOf(world, await world.honest())).to.equal('issued');
    expect(await outcomeOf(world, forged)).to.equal('KEY_UNKNOWN');
  });

  it('to no keys at all keeps those that were there for an hour, and no longer', async () => {
    const good = (): Promise<string> => world.honest();
    expect(await outcomeOf(world, await good())).to.equal('issued');
    const [key] = world.issuer.published.splice(0);
    world.service.skew = MAX_AGE;
    expect(await outcomeOf(world, await good())).to.equal('issued');
    // A token with an unknown key id has the keys looked for, and must not take them away either.
    expect(await outcomeOf(world, await world.issuer.sign({}, { key: await makeIssuerKey() }))).to.equal(
      'KEY_UNKNOWN',
    );
    expect(await outcomeOf(world, await good())).to.equal('issued');
    world.service.skew = STALE_AGE;
    expect(await outcomeOf(world, await good())).to.equal('KEY_UNKNOWN');
    if (key !== undefined) world.issuer.published.push(key);
    world.service.skew += RETRY_INTERVAL;
    expect(await outcomeOf(world, await good())).to.equal('issued');
  });
});
