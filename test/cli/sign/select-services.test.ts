import { expect } from 'chai';
import { rfc3339 } from '../../../core/clock.ts';
import { failureAs } from '../../support/failure.ts';
import { selectServices } from '../../../cli/sign/select-services.ts';
import { CommandError } from '../../../cli/program/command.ts';
import type { SigningService } from '../../../trust/format/signing-config.ts';

const NOW = 1_000_000;

const service = (url: string, more: Partial<SigningService> = {}): SigningService => ({
  url,
  majorApiVersion: 1,
  window: { start: 0 },
  operator: url,
  ...more,
});

describe('cli: the services of a signing config that are asked', () => {
  const chosen = (
    services: SigningService[],
    selection: Parameters<typeof selectServices>[1],
    versions = [1, 2],
  ): string =>
    selectServices(services, selection, versions, NOW, 'log')
      .map(({ url }) => url)
      .join(' ');

  it('are the newest of the highest version that is spoken here', () => {
    const services = [
      service('old', { window: { start: 1 } }),
      service('new', { window: { start: 2 } }),
      service('higher', { majorApiVersion: 2 }),
      service('unknown', { majorApiVersion: 3 }),
    ];
    expect(chosen(services, { selector: 'ANY' })).to.equal('higher');
    expect(chosen(services, { selector: 'ANY' }, [1])).to.equal('new');
  });

  it('count at this moment', () => {
    const services = [
      service('over', { window: { start: 5, end: NOW - 1 } }),
      service('later', { window: { start: NOW + 1 } }),
      service('now', { window: { start: 1, end: NOW } }),
    ];
    expect(chosen(services, { selector: 'ANY' })).to.equal('now');
    expect(chosen(services, { selector: 'ALL' })).to.equal('now');
  });

  it('are all, or as many as are wanted, one of each operator', () => {
    const services = [
      service('a1', { operator: 'a' }),
      service('a2', { operator: 'a', majorApiVersion: 2 }),
      service('b'),
      service('c'),
    ];
    expect(chosen(services, { selector: 'ALL' })).to.equal('a2 b c');
    expect(chosen(services, { selector: 'EXACT', count: 2 })).to.equal('a2 b');
  });

  it('are no more than a bundle has room for', () => {
    const services = Array.from({ length: 33 }, (_, i) => service(`s${i}`));
    expect(chosen(services.slice(1), { selector: 'ALL' }).split(' ')).to.have.length(32);
    expect(() => chosen(services, { selector: 'ALL' })).to.throw(CommandError, /a bundle holds 32/);
  });

  it('are none of an empty list, and a refusal where some are named and too few can be used', () => {
    expect(chosen([], { selector: 'ALL' })).to.equal('');
    for (const [services, selection] of [
      [[service('unknown', { majorApiVersion: 3 })], { selector: 'ANY' }],
      [[service('unknown', { majorApiVersion: 3 })], { selector: 'ALL' }],
      [[service('a'), service('b', { operator: 'a' })], { selector: 'EXACT', count: 2 }],
    ] as const)
      expect(() => chosen([...services], selection)).to.throw(CommandError, /that can be used now/);
  });

  it('are refused with both times where all of them begin later than this machine has it', async () => {
    const later = [60_000, 120_000].map((ms) => service(`s${ms}`, { window: { start: NOW + ms } }));
    const { hint } = await failureAs(CommandError, () => chosen(later, { selector: 'ANY' }));
    expect(hint).to.include(
      `They begin at ${rfc3339(NOW + 60_000)}, and the clock of this machine says ${rfc3339(NOW)}`,
    );
  });
});
