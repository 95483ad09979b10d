/** A process that makes logs of artifacts, one after the other, until it is killed. Arguments: the directory for them, the API. Prints the name of each that is made. */
import { join } from 'node:path';
import { createArtifactLog } from '../../../rekor/create-artifact-log.ts';
import { localSigner } from '../../../signers/local-signer.ts';
import { rekorKey } from './rekor-log.ts';

const [parent = '', version = '1'] = process.argv.slice(2);
const api = version === '1' ? 1 : 2;
for (let i = 0; ; i++) {
  const directory = join(parent, `v${api}-${i}`);
  const host = 'rekor.example.org';
  await createArtifactLog({ directory, api, host, signer: localSigner(rekorKey(api)), clock: Date.now });
  process.stdout.write(`v${api}-${i}\n`);
}
