import { expect } from 'chai';
import { LagWindow, WINDOW } from '../../../server/operator/event-loop-lag.ts';
import { startTestService, type TestService } from '../../support/test-service.ts';

/** Keeps the event loop of this process for so many milliseconds. */
function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

describe('server: metrics of the event loop’s lag', () => {
  describe('over a window', () => {
    it('are numbers before anything was recorded', () => {
      expect(Object.values(new LagWindow(0).read(0))).to.deep.equal([0, 0, 0, 0, 0, 0, 0]);
    });

    it('cover what was recorded since the scrape before, if that is long enough ago', () => {
      const window = new LagWindow(0);
      for (let i = 0; i < 99; i++) window.record(1);
      window.record(500);
      const lag = window.read(WINDOW);
      expect(lag.max).to.be.closeTo(0.5, 0.001);
      expect(lag.p50).to.be.closeTo(0.001, 0.0001);
      expect(lag.mean).to.be.closeTo(0.006, 0.0005);
      window.record(2);
      expect(window.read(2 * WINDOW).max).to.be.closeTo(0.002, 0.0001);
    });

    it('say the same to two who scrape at once, and lose nothing of what comes between', () => {
      const window = new LagWindow(0);
      window.record(30);
      const first = window.read(WINDOW);
      window.record(70);
      expect(window.read(WINDOW + 5)).to.deep.equal(first);
      expect(window.read(2 * WINDOW + 5).max).to.be.closeTo(0.07, 0.001);
    });

    it('have a young window whole when it is the first', () => {
      const window = new LagWindow(0);
      window.record(40);
      expect(window.read(5).max).to.be.closeTo(0.04, 0.001);
      window.record(90);
      expect(window.read(10).max).to.be.closeTo(0.09, 0.001);
    });
  });

  describe('of a service', () => {
    let service: TestService;
    before(async () => {
      service = await startTestService();
    });
    after(() => service.close());

    const scrape = async (): Promise<Map<string, number>> => {
      const text = await (await fetch(service.metricsUrl)).text();
      const lines = text.matchAll(/^(nodejs_eventloop_lag\w*_seconds) (\S+)$/gm);
      return new Map([...lines].map(([, name = '', value]) => [name, Number(value)]));
    };

    it('are finite when the loop is blocked, and when they are scraped twice at once', async () => {
      const names = ['', 'min_', 'max_', 'mean_', 'stddev_', 'p50_', 'p90_', 'p99_'];
      for (let i = 0; i < 3; i++) {
        block(100);
        for (const lag of await Promise.all([scrape(), scrape(), scrape()])) {
          expect([...lag.keys()]).to.have.members(names.map((name) => `nodejs_eventloop_lag_${name}seconds`));
          for (const [name, value] of lag) expect(value, name).to.be.within(0, 1000);
        }
      }
    });
  });
});
