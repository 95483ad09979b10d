import { expect } from 'chai';
import { hintOf } from '../../core/errors.ts';
import { FileFault } from '../../storage/file-fault.ts';
import { TrustError } from '../../trust/collect.ts';

const system = (code: string): Error => Object.assign(new Error(`${code}: said the system`), { code });
const ofTrust = (cause: unknown): TrustError =>
  new TrustError('CHAIN_UNREADABLE', 'chain.pem cannot be read', {
    hint: 'Restore it from a backup.',
    cause,
  });

describe('core: what to do about a failure', () => {
  it('is to raise the limit of open files, and not to restore what is not lost', () => {
    for (const code of ['EMFILE', 'ENFILE'])
      for (const error of [ofTrust(system(code)), ofTrust(new FileFault('chain.pem', 'read', system(code)))])
        expect(hintOf(error)).to.include('Raise the limit of open files').and.not.include('backup');
    expect(hintOf(ofTrust(system('ENOENT')))).to.equal('Restore it from a backup.');
  });

  it('is to make room where nothing else is known', () => {
    expect(hintOf(new FileFault('chain.pem', 'written', system('ENOSPC')))).to.include('The disk is full');
    expect(hintOf(system('EDQUOT'))).to.include('quota');
    expect(hintOf(ofTrust(system('ENOSPC')))).to.equal('Restore it from a backup.');
    expect(hintOf(new Error('something'))).to.equal(undefined);
  });

  it('is found though errors name each other as their cause', () => {
    const [one, other] = [new Error('one'), new Error('other')];
    [one.cause, other.cause] = [other, one];
    expect(hintOf(one)).to.equal(undefined);
  });
});
