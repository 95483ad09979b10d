/**
 * A process that writes a log of artifacts. Arguments: directory, a file with the PEM of its key, how many entries at a time. Prints
 * for each entry a line `index leaf-hash integrated-time` once it was acknowledged, and goes on until it is killed.
 */
import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { toHex } from '../../../core/bytes.ts';
import { openArtifactLog } from '../../../rekor/open-artifact-log.ts';
import { localSigner } from '../../../signers/local-signer.ts';
import { artifact } from './rekor-log.ts';

const [directory = '', keyFile = '', width = '1'] = process.argv.slice(2);
const signer = localSigner(createPrivateKey(readFileSync(keyFile)));
const log = await openArtifactLog({ directory, signer, clock: Date.now });
for (let i = 0; ; i += Number(width)) {
  const adding = Array.from({ length: Number(width) }, (_, j) => log.add(artifact(i + j)));
  for (const { entry } of await Promise.all(adding))
    process.stdout.write(`${entry.index} ${toHex(entry.leafHash)} ${entry.integratedTime ?? ''}\n`);
}
