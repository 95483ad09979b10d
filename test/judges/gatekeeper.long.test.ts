/** The rule that `mayfly trust export --for gatekeeper` prints, evaluated by OPA, which Gatekeeper is made of: what Ratify says of each image is made up. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { parseAllDocuments } from 'yaml';
import { admissionPolicy } from '../../trust/admission/admission-policy.ts';
import { parseTrustedRoot } from '../../trust/format/trusted-root.ts';
import { vectorPath } from '../support/vectors.ts';
import { needClient } from './support/stock-clients.ts';

const run = promisify(execFile);

/** What Gatekeeper's function `external_data` returns. */
interface RatifyAnswer {
  readonly responses?: readonly (readonly [image: string, verdict: { readonly isSuccess: boolean }])[];
  readonly errors?: readonly (readonly [image: string, error: string])[];
  readonly system_error?: string;
}

const IMAGES = ['a', 'b', 'c', 'd'];
const POD = {
  containers: [{ image: 'a' }, { image: 'b' }],
  initContainers: [{ image: 'c' }],
  ephemeralContainers: [{ image: 'd' }],
};
const judged = (...names: readonly string[]): NonNullable<RatifyAnswer['responses']> =>
  IMAGES.map((image) => [image, { isSuccess: names.includes(image) }] as const);

describe("judge: OPA with Gatekeeper's rule", function () {
  this.timeout(1_800_000);
  let scratch: string;
  before(async () => (scratch = await mkdtemp(join(tmpdir(), 'mayfly-opa-'))));
  after(() => rm(scratch, { recursive: true }));

  const write = async (name: string, content: string): Promise<string> => {
    await writeFile(join(scratch, name), content);
    return join(scratch, name);
  };

  async function rule(): Promise<string> {
    const text = await readFile(vectorPath('trust-shapes/tsa/trusted_root.json'), 'utf8');
    const policy = admissionPolicy('gatekeeper', {
      root: parseTrustedRoot(text),
      clientTrustConfig: '{}',
      publicUrl: 'https://ca.example.com',
      identity: 'ada@example.com',
      issuer: 'https://login.example.com',
      now: Date.parse('2026-12-01'),
    });
    const [template] = parseAllDocuments(policy).map((document) => document.toJS() as unknown);
    const { spec } = template as { spec: { targets: { rego: string }[] } };
    return spec.targets[0]?.rego ?? '';
  }

  /** The images that are named by what keeps the pod out, and what is said. */
  async function violations(opa: string, answer: RatifyAnswer): Promise<readonly string[]> {
    const { stdout: known } = await run(opa, ['capabilities', '--current'], { maxBuffer: 64 << 20 });
    const capabilities = JSON.parse(known) as { builtins: unknown[] };
    const decl = { type: 'function', args: [{ type: 'any' }], result: { type: 'any' } };
    capabilities.builtins.push({ name: 'external_data', decl });
    const files = [
      ...['--capabilities', await write('capabilities.json', JSON.stringify(capabilities))],
      ...['-d', await write('rule.rego', await rule())],
      ...['-d', await write('mock.rego', 'package mock\nanswer(_) = data.answer\n')],
      ...['-d', await write('data.json', JSON.stringify({ answer }))],
      ...['-i', await write('input.json', JSON.stringify({ review: { object: { spec: POD } } }))],
    ];
    const query = 'data.signedthroughmayfly.violation with external_data as data.mock.answer';
    const { stdout } = await run(opa, ['eval', '--v0-compatible', ...files, query]);
    const { result } = JSON.parse(stdout) as { result: { expressions: { value: { msg: string }[] }[] }[] };
    return result
      .flatMap(({ expressions }) => expressions.flatMap(({ value }) => value.map(({ msg }) => msg)))
      .sort();
  }

  it('lets a pod in when Ratify says of each of its images that it is signed, and never else', async function () {
    const opa = await needClient(this, 'opa-1.17.1');
    const good = { responses: judged('a', 'b', 'c', 'd'), errors: [], system_error: '' };
    expect(await violations(opa, good)).to.deep.equal([]);
    for (const image of IMAGES) {
      const others = IMAGES.filter((name) => name !== image);
      const answered = good.responses.filter(([name]) => name !== image);
      expect(await violations(opa, { ...good, responses: judged(...others) })).to.deep.equal([
        `${image} is not signed as demanded`,
      ]);
      expect(await violations(opa, { ...good, responses: answered, errors: [[image, 'no']] })).to.deep.equal([
        `${image} cannot be judged: no`,
      ]);
      expect(await violations(opa, { ...good, responses: answered })).to.deep.equal([
        `Ratify says nothing of ${image}`,
      ]);
    }
    expect(await violations(opa, { ...good, system_error: 'down' })).to.deep.equal([
      'Ratify cannot be asked: down',
    ]);
    expect(await violations(opa, {})).to.have.length(4);
  });
});
