/** The public conformance cases by the suite's own protocol, each a program. */
import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  assetPath,
  CONFORMANCE_CASES,
  trustedRootPath,
  type ConformanceCase,
} from '../../bundle/support/conformance.ts';
import { projectRoot } from '../../support/project-root.ts';

const ENTRY_POINT = join(projectRoot, 'test/conformance/mayfly');

async function run(one: ConformanceCase, subject: string): Promise<number> {
  const { bundle, trustedRoot, key, identity, issuer } = one;
  const words = [
    ...['verify-bundle', '--bundle', assetPath(bundle)],
    ...(key === null
      ? ['--certificate-identity', identity, '--certificate-oidc-issuer', issuer]
      : ['--key', assetPath(key)]),
    ...(trustedRoot === null ? [] : ['--trusted-root', trustedRootPath(one)]),
    subject,
  ];
  const child = spawn(ENTRY_POINT, words, {
    stdio: 'ignore',
    env: { ...process.env, MAYFLY_NODE: process.execPath },
  });
  const [code] = (await once(child, 'exit')) as [number];
  return code;
}

describe('test/conformance/mayfly', function () {
  this.timeout(300_000);

  it('accepts 42 of 42 and refuses 98 of 98, by file and by digest', async () => {
    const counts = { accepted: 0, refused: 0 };
    for (const one of CONFORMANCE_CASES) {
      const file = assetPath(one.artifact);
      const digest = `sha256:${createHash('sha256').update(readFileSync(file)).digest('hex')}`;
      const codes = await Promise.all([file, digest].map((subject) => run(one, subject)));
      for (const code of codes) {
        if (one.expect === 'pass') expect(code, one.name).to.equal(0);
        // 2 where the key or the trusted root of the case cannot be read.
        else expect(code, one.name).to.be.oneOf([1, 2]);
        counts[code === 0 ? 'accepted' : 'refused']++;
      }
    }
    expect(counts).to.deep.equal({ accepted: 42, refused: 98 });
  });

  it('takes a file that is named like a digest for a file, and speaks no other command', async () => {
    const [one] = CONFORMANCE_CASES.filter(({ expect: outcome }) => outcome === 'pass');
    if (one === undefined) throw new Error('no case');
    expect(await run(one, `sha256:${'0'.repeat(64)}`)).to.equal(1);
    expect(await run(one, 'sha256:0')).to.equal(2);
    const [code] = (await once(spawn(ENTRY_POINT, ['sign-bundle'], { stdio: 'ignore' }), 'exit')) as [number];
    expect(code).to.equal(2);
  });
});
