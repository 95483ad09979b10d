import { expect } from 'chai';
import { claim, optionalText, requiredText } from '../../../oidc/core/claims.ts';
import type { Claims } from '../../../oidc/core/claims.ts';

describe('A claim', () => {
  const claims = JSON.parse('{"sub":"s","__proto__":{"email":"x"},"constructor":null}') as Claims;

  it('is what the token itself has under that very name', () => {
    expect(claim(claims, 'sub')).to.equal('s');
    expect(claim(claims, '__proto__')).to.deep.equal({ email: 'x' });
    expect(claim(claims, 'constructor')).to.equal(null);
    for (const name of ['email', 'Sub', 'toString', 'hasOwnProperty', 'valueOf'])
      expect(claim(claims, name), name).to.equal(undefined);
    for (const name of ['__proto__', 'constructor']) expect(claim({}, name), name).to.equal(undefined);
  });

  it('that only objects have is a text that is missing, not a fault', () => {
    expect(optionalText({}, 'toString')).to.equal('');
    expect(() => requiredText({}, 'toString'))
      .to.throw()
      .with.property('code', 'CLAIM_MISSING');
  });
});
