import { expect } from 'chai';
import { mediumOfType } from '../../storage/storage-medium.ts';

describe('storage/storage-medium', () => {
  it('knows the file systems that no store may lie on', () => {
    for (const [type, name] of [
      [0x6969, 'NFS'],
      [0xff534d42, 'CIFS'],
      // As the system call of some machines has it, signed.
      [0xff534d42 | 0, 'CIFS'],
      [0x65735546, 'FUSE'],
    ] as const)
      expect(mediumOfType(type)).to.deep.equal({ kind: 'unsuitable', name });
  });

  it('knows those that keep nothing for long, and takes every other for a disk', () => {
    const ext4 = 0xef53;
    expect(mediumOfType(ext4)).to.deep.equal({ kind: 'lasting' });
    expect(mediumOfType(0x858458f6 | 0))
      .to.have.property('sentence')
      .that.includes('ramfs');
    expect(mediumOfType(0x794c7630))
      .to.have.property('sentence')
      .that.includes('container')
      .and.includes('mount a volume');
  });
});
