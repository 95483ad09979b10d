/** A process of its own that redacts entries. Arguments: directory, then their indexes. */
import { openArtifactReads } from '../../../rekor/artifact-reads.ts';
import { readArtifactLogIdentity } from '../../../rekor/log-identity.ts';
import { redactEntries } from '../../../rekor/redact-entries.ts';
import type { Redaction } from '../../../rekor/redactions.ts';

const [directory = '', ...indexes] = process.argv.slice(2);
const reads = await openArtifactReads(directory);
const redactions: Redaction[] = [];
for (const index of indexes.map(Number)) {
  const [entry] = await reads.entriesFrom(index);
  if (entry === undefined) throw new Error(`there is no entry ${index}`);
  const { leafHash } = entry;
  redactions.push({ index, leafHash, redactedAt: Date.now(), reason: 'a test', isAudited: false });
}
await reads.close();
await redactEntries(directory, await readArtifactLogIdentity(directory), redactions);
