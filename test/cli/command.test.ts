import { expect } from 'chai';
import { runCli } from '../support/run-cli.ts';

const TOKEN = 'eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJl';

describe('cli: a token typed as the value of another option', () => {
  for (const option of ['--url', '--key-type', '--flow', '--trust']) {
    it(`is not repeated for ${option}`, async () => {
      const { stdout, stderr } = await runCli(['certificate', option, TOKEN]);
      expect(stdout + stderr)
        .to.contain('(a token)')
        .and.not.contain('eyJ');
    });
  }
});
