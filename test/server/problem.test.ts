import { expect } from 'chai';
import { LogError } from '../../ct-log/log-error.ts';
import { problemOf } from '../../server/problem.ts';

describe('server: what a failure of the log looks like to a caller', () => {
  const sentence = 'the file /var/lib/mayfly/logs/2026/commit.db cannot be written';
  const fault = (code: 'LOG_STORAGE' | 'LOG_BUSY') =>
    new LogError(code, sentence, { hint: 'Look at the disk sda1.', metadata: { file: 'commit.db' } });

  it('names no file, disk or detail, which the log line has', () => {
    const problem = problemOf(fault('LOG_STORAGE'), 'r1');
    expect(problem.status).to.equal(503);
    expect(problem.sentence).to.equal(sentence);
    expect(problem.reply.body).not.to.match(/mayfly\/|commit\.db|sda1/);
    expect(problem.reply.body).to.contain('the transparency log takes no entries at the moment');
  });

  it('shows the words of a log that is only busy', () => {
    expect(problemOf(fault('LOG_BUSY'), 'r1').reply.body).to.contain('sda1');
  });
});
