import { expect } from 'chai';
import { LogError } from '../../../tlog/core/log-error.ts';
import { PolicyError } from '../../../policy/core/policy-error.ts';
import { problemOf, problemReply, REASON_DOMAINS } from '../../../server/reasons/problem.ts';

describe('server: what a failure of the log looks like to a caller', () => {
  const sentence = 'the file /var/lib/mayfly/logs/2026/commit.db cannot be written';
  const fault = (code: 'LOG_STORAGE' | 'LOG_BUSY') =>
    new LogError(code, sentence, { hint: 'Look at the disk sda1.', metadata: { file: 'commit.db' } });

  it('names no file, disk or detail, which the log line has', () => {
    const problem = problemOf(fault('LOG_STORAGE'), 'r1');
    expect(problem.status).to.equal(503);
    expect(problem.sentence).to.equal(sentence);
    const { body } = problemReply(problem);
    expect(body).not.to.match(/mayfly\/|commit\.db|sda1/);
    expect(body).to.contain('the transparency log takes no entries at the moment');
  });

  it('shows the words of a log that is only busy', () => {
    expect(problemReply(problemOf(fault('LOG_BUSY'), 'r1')).body).to.contain('sda1');
  });
});

describe('server: what a refusal by rules and limits looks like to a caller', () => {
  const answerOf = (error: PolicyError) => {
    const { status, headers, body } = problemReply(problemOf(error, 'r1'));
    return { status, headers, body: JSON.parse(String(body)) as Record<string, unknown> };
  };

  it('shows the message of the rule to old clients too', () => {
    const error = new PolicyError('RULE_DENIED', 'Pull requests cannot sign; merge first.', {
      metadata: { rule: 'no-forks', entry: 'ci' },
    });
    const { status, body } = answerOf(error);
    expect(status).to.equal(403);
    expect(body).to.include({ code: 7, message: 'Pull requests cannot sign; merge first.' });
    expect(JSON.stringify(body['details'])).to.contain('"rule":"no-forks"');
  });

  it('says when to try again, as the limit knows it', () => {
    const limited = (retryAfter: string) =>
      new PolicyError('PRINCIPAL_RATE_LIMITED', 'later', { metadata: { retryAfter } });
    const { status, headers, body } = answerOf(limited('17'));
    expect([status, body['code'], headers]).to.deep.equal([429, 8, ['Retry-After', '17']]);
    expect(answerOf(limited('soon\r\nX: y')).headers).to.deep.equal(['Retry-After', '1']);
  });

  it('names no file of the replay guard', () => {
    const error = new PolicyError('REPLAY_GUARD_UNAVAILABLE', 'cannot write /var/lib/mayfly/used.db', {
      metadata: { file: '/var/lib/mayfly/used.db' },
    });
    const { status, headers, body } = answerOf(error);
    expect([status, body['code'], headers]).to.deep.equal([503, 14, ['Retry-After', '5']]);
    expect(JSON.stringify(body)).to.not.contain('used.db');
  });

  it('says of the replay guard what clients know by its text', () => {
    const { body } = answerOf(new PolicyError('REPLAY_GUARD_UNAVAILABLE', 'cannot write the file'));
    expect(body).to.include({ message: 'the service cannot tell whether the token was used before' });
  });
});

describe('server: whose fault a refusal is', () => {
  it('is the caller’s below status 500, and where the caller chooses it', () => {
    for (const { error: Domain, rows } of REASON_DOMAINS)
      for (const code of Object.keys(rows)) {
        const { status, isOurs } = problemOf(new (Domain as unknown as AnyError)(code, 'x'), 'r1');
        const isChosen = ['DEADLINE_EXCEEDED', 'METHOD_NOT_ALLOWED'].includes(code);
        expect(isOurs, code).to.equal(status >= 500 && !isChosen);
      }
    expect(problemOf(new TypeError('x'), 'r1').isOurs).to.equal(true);
  });
});

type AnyError = new (code: string, message: string) => Error;
