import { expect } from 'chai';
import { speaker } from '../../../cli/program/command.ts';
import { standardStream } from '../../../cli/program/standard-streams.ts';
import { runMayfly } from '../../support/mayfly.ts';

const TOKEN = 'eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJl';

describe('cli: a token typed as the value of another option', () => {
  for (const option of ['--url', '--key-type', '--flow', '--trust']) {
    it(`is not repeated for ${option}`, async () => {
      const { stdout, stderr } = await runMayfly(['certificate', option, TOKEN]);
      expect(stdout + stderr)
        .to.contain('(a token)')
        .and.not.contain('eyJ');
    });
  }
});

describe('cli: progress of long work', () => {
  const stderr = standardStream(2);
  const { isTTY } = stderr;
  const write = stderr.write.bind(stderr);
  const { now } = Date;
  afterEach(() => {
    Object.assign(stderr, { isTTY, write });
    Date.now = now;
  });

  /** What is written in ten seconds in which the work reports every tenth of one. */
  function written(isTerminal: boolean, json: boolean): string[] {
    const lines: string[] = [];
    let time = 1_000;
    Date.now = () => time;
    Object.assign(stderr, { isTTY: isTerminal, write: (text: string) => lines.push(text) });
    const speak = speaker(json);
    for (; time <= 11_000; time += 100) speak.progress(() => `at ${time}`);
    Object.assign(stderr, { isTTY, write });
    return lines;
  }

  it('comes on a terminal now and then, and nowhere else', () => {
    expect(written(true, false)).to.deep.equal([3, 5, 7, 9, 11].map((second) => `at ${second}000\n`));
    expect(written(false, false)).to.deep.equal([]);
    expect(written(true, true)).to.deep.equal([]);
  });
});
