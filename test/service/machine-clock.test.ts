import { execFileSync } from 'node:child_process';
import { expect } from 'chai';
import { machineClock } from '../../service/machine-clock.ts';
import { skipUnless } from '../support/skipped.ts';

describe('service/machine-clock', () => {
  it('names the boot of the machine by what another process sees, too', function () {
    skipUnless(this, process.platform === 'linux', 'this is not Linux');
    const seen = execFileSync('cat', ['/proc/sys/kernel/random/boot_id'], { encoding: 'utf8' });
    expect(machineClock().boot).to.match(/^[0-9a-f-]{36}$/);
    expect(machineClock().boot).to.equal(seen.trim());
  });

  it('counts on, whatever the wall clock says', () => {
    const clock = machineClock();
    const [now, uptime] = [clock.now(), clock.uptime()];
    for (const end = performance.now() + 30; performance.now() < end;);
    expect(clock.now()).to.be.greaterThan(now);
    expect(clock.uptime()).to.be.greaterThan(uptime);
  });
});
