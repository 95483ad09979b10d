import { expect } from 'chai';
import { globSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeProtobuf } from '../../../scripts/write-protobuf.ts';
import { projectRoot } from '../../support/project-root.ts';

describe('the code of the proto files', function () {
  this.timeout(120_000);

  it('is what `npm run protobuf` writes', async () => {
    const out = await mkdtemp(join(tmpdir(), 'mayfly-protobuf-'));
    writeProtobuf(projectRoot, out);
    const committed = join(projectRoot, 'server/grpc/protobuf');
    const files = globSync('**/*.ts', { cwd: out }).sort();
    expect(files).to.deep.equal(globSync('**/*.ts', { cwd: committed }).sort());
    expect(files).to.include('fulcio_pb.ts');
    for (const file of files)
      expect(await readFile(join(out, file), 'utf8'), file).to.equal(
        await readFile(join(committed, file), 'utf8'),
      );
    await rm(out, { recursive: true });
  });
});
