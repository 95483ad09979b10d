import { expect } from 'chai';
import { parseStatement } from '../../../bundle/format/statement.ts';
import { CommandError } from '../../../cli/program/command.ts';
import { statementOf } from '../../../cli/sign/statement.ts';

describe('cli/sign: a statement', () => {
  const claim = { name: 'a', digest: new Uint8Array(32), type: 'https://example.com/predicate' };
  const nested = (depth: number): string => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;

  it('is nested no deeper than verifiers read', () => {
    let deepest = 0;
    let refusal: unknown;
    for (let depth = 1; refusal === undefined; depth++)
      try {
        const statement = parseStatement(Buffer.from(statementOf({ ...claim, predicate: nested(depth) })));
        expect(statement.predicateType).to.equal(claim.type);
        deepest = depth;
      } catch (error) {
        refusal = error;
      }
    expect(refusal).to.be.instanceOf(CommandError).with.property('message').that.includes('nested deeper');
    expect(deepest).to.be.greaterThan(32);
  });
});
