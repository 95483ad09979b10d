import { expect } from 'chai';
import type { MayflyError } from '../../../core/errors.ts';
import { TokenError } from '../../../oidc/core/token-error.ts';
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

describe('server: the message of a refusal', () => {
  it("begins with Fulcio's words to the byte, and ends with what clients may read of ours", () => {
    for (const { error, rows } of REASON_DOMAINS)
      for (const [code, row] of Object.entries(rows)) {
        const made = new (error as new (code: string, sentence: string) => MayflyError)(
          code,
          'what was\u202e wrong',
        );
        const { message, info } = problemOf(made, 'r1');
        const shown = row.instead?.sentence ?? 'what was\\u{202e} wrong';
        if (row.fulcioMessage === undefined) expect(message, code).to.equal(made.message);
        else expect(message, code).to.equal(`${row.fulcioMessage}: ${shown}`);
        expect(info.metadata['sentence'], code).to.equal(row.instead?.sentence ?? made.message);
      }
  });

  it('has the words of Fulcio for the single case, where it has some', () => {
    const fulcioMessage = 'extensions must have a non-empty issuer url';
    const error = new TokenError('CLAIM_INVALID', 'the claim "iss" is empty', { fulcioMessage });
    expect(problemOf(error, 'r1').message).to.equal(`${fulcioMessage}: the claim "iss" is empty`);
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
    expect(body['message']).to.match(/^the service cannot tell whether the token was used before: the store/);
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
