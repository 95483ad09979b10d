import { expect } from 'chai';
import { portsToChoose } from '../../bench/free-port.ts';

describe('bench/free-port', () => {
  it('chooses below the ports that the system hands out, wherever those begin', () => {
    expect(portsToChoose('32768\t60999\n')).to.deep.equal([16_384, 32_768]);
    expect(portsToChoose('49152\t65535\n')).to.deep.equal([16_384, 32_768]);
    expect(portsToChoose('24000\t60999\n')).to.deep.equal([16_384, 24_000]);
    expect(portsToChoose('10000\t65535\n')).to.deep.equal([5_904, 10_000]);
  });

  it('chooses as usual where that is not known, or where nothing is left below', () => {
    expect(portsToChoose(undefined)).to.deep.equal([16_384, 32_768]);
    expect(portsToChoose('1024\t65535\n')).to.deep.equal([16_384, 32_768]);
  });
});
