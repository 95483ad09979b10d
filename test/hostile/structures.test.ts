/**
 * Documents and requests whose syntax is right and whose structure is not: every reader of JSON from outside answers, or throws its one typed error with
 * a sentence that is no longer than a sentence.
 */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import { encodeBundle } from '../../bundle/format/bundle-json.ts';
import { parseBundle } from '../../bundle/format/bundle.ts';
import { parseStatement } from '../../bundle/format/statement.ts';
import { parseLogAnswer, readLogAnswer } from '../../cli/sign/log-answer.ts';
import { utf8 } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { EntryError } from '../../rekor/entries/entry-error.ts';
import { decodeV1Json, readV1Proposal, soughtV1Body } from '../../rekor/entries/v1-proposal.ts';
import { readV2Proposal } from '../../rekor/entries/v2-proposal.ts';
import { SearchError } from '../../search/search-error.ts';
import { searchOf } from '../../server/rekor/v1/search-body.ts';
import { searchQueryOf } from '../../server/search/search-query.ts';
import { parseClientTrustConfig, parseSigningConfig } from '../../trust/format/signing-config.ts';
import { parseTrustedRoot } from '../../trust/format/trusted-root.ts';
import { encodeMetadata, parseMetadata } from '../../trust/tuf/metadata.ts';
import { ROLES } from '../../trust/tuf/roles.ts';
import { stageChange } from '../../trust/tuf/stage-change.ts';
import { encodeStagedChange, parseStagedChange } from '../../trust/tuf/staged-change.ts';
import { TufError } from '../../trust/tuf/tuf-error.ts';
import { recorded } from '../rekor/entries/support/recorded.ts';
import { rebuiltJson } from '../support/parsers.ts';
import { runs } from '../support/runs.ts';
import { contents, removeScratch, testRepository } from '../trust/tuf/support/repository.ts';
import {
  attestationBundle,
  messageBundle,
  statementOf,
  verified,
} from '../verify/bundle/support/bundle-world.ts';

type ErrorClass = new (...args: never[]) => Error;

/** One key names another one's details: verifiers do not find such an entry. */
const LOGGED_WRONGLY = 'rsa-key-with-wrong-details';

/** Characters. Names of members and places are repeated, and nothing that is longer. */
const LONGEST_SENTENCE = 400;

/** Tries documents like the good ones, none of which `read` may take for a reason to fail otherwise than by `typed`. */
async function expectReads(
  read: (text: string) => unknown,
  typed: ErrorClass,
  good: readonly string[],
  full = 3000,
): Promise<void> {
  let taken = 0;
  const property = fc.asyncProperty(rebuiltJson(good), async (text) => {
    try {
      await read(text);
      taken++;
    } catch (error) {
      expect(error).to.be.instanceOf(typed);
      expect((error as Error).message.length).to.be.lessThan(LONGEST_SENTENCE);
    }
  });
  for (const text of good) await read(text);
  await fc.assert(property, { numRuns: runs(full) });
  // Else no document came further than the first members. Of few, none may.
  if (runs(full) === full) expect(taken).to.be.greaterThan(0);
}

const shape = (file: string): string =>
  readFileSync(`test/vectors/trust-shapes/rekor1-tsa/${file}.json`, 'utf8');

describe('hostile: JSON of another structure', function () {
  this.timeout(120_000);
  after(removeScratch);

  it('as a request for an entry', async () => {
    const [first, second] = [recorded(1), recorded(2)];
    const requests = [...first.entries, ...(first.stock ?? [])].map(({ request }) => request);
    await expectReads((text) => readV1Proposal(decodeV1Json(utf8(text))), EntryError, requests, 2000);
    const seconds = second.entries
      .filter(({ name }) => name !== LOGGED_WRONGLY)
      .map(({ request }) => request);
    await expectReads((text) => readV2Proposal(utf8(text)), EntryError, seconds, 2000);
  });

  it('as a body that is looked for, and as what an index is asked', async () => {
    const bodies = recorded(1).entries.map(({ canonicalizedBody }) => canonicalizedBody);
    await expectReads((text) => soughtV1Body(decodeV1Json(utf8(text))), EntryError, bodies, 2000);
    const content = Buffer.from('-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n').toString(
      'base64',
    );
    const questions = [
      { email: 'ada@example.com', hash: `sha256:${'ab'.repeat(32)}`, operator: 'and', limit: 3, before: 9 },
      { publicKey: { format: 'x509', content } },
      { subjectPrefix: 'https://github.com/', issuer: 'https://token.example', serial: '1f', operator: 'or' },
    ].map((question) => JSON.stringify(question));
    await expectReads((text) => searchOf(Buffer.from(text)), EntryError, questions);
  });

  it('as the query of a search', async () => {
    const queries = [
      { identity: 'ada@example.com', since: '2026-11-22T10:00:00Z', limit: '3', join: 'true' },
      { 'identity-prefix': 'https://', log: 'v1', from: '1', before: '9', match: 'any' },
    ].map((query) => JSON.stringify(query));
    const read = (text: string): unknown => {
      const json: unknown = JSON.parse(text);
      const pairs = typeof json === 'object' && json !== null ? Object.entries(json) : [];
      const words = pairs.flatMap(([name, value]) =>
        (Array.isArray(value) ? value : [value]).map((one: unknown): [string, string] => [
          name,
          typeof one === 'string' ? one : JSON.stringify(one),
        ]),
      );
      return searchQueryOf(`/api/search/v1?${new URLSearchParams(words).toString()}`);
    };
    await expectReads(read, SearchError, queries);
  });

  it('as a bundle, which is judged all the same', async () => {
    const good = [messageBundle(), attestationBundle()].map(encodeBundle);
    await expectReads(parseBundle, FormatError, good);
    const judge = async (text: string): Promise<void> => {
      const { steps } = await verified(text);
      for (const { detail } of steps) expect(detail.length).to.be.lessThan(20_000);
    };
    await expectReads(judge, FormatError, good, 1000);
  });

  it('as a statement', async () => {
    await expectReads((text) => parseStatement(utf8(text)), FormatError, [JSON.stringify(statementOf())]);
  });

  it('as what a log answers to a signer', async () => {
    const { entries } = recorded(1);
    const kind = { kind: 'hashedrekord', version: '0.0.1' };
    const answers = entries.slice(0, 3).map(({ canonicalizedBody }, at) =>
      JSON.stringify({
        ['ab'.repeat(32)]: {
          body: Buffer.from(canonicalizedBody).toString('base64'),
          integratedTime: 1_700_000_000,
          logID: 'cd'.repeat(32),
          logIndex: at,
          verification: {
            signedEntryTimestamp: 'AAAA',
            inclusionProof: {
              logIndex: at,
              treeSize: 9,
              rootHash: 'ef'.repeat(32),
              hashes: ['ab'.repeat(32)],
              checkpoint: 'a\n',
            },
          },
        },
      }),
    );
    await expectReads((text) => readLogAnswer(1, parseLogAnswer(1, utf8(text)), kind), FormatError, answers);
  });

  it('as a document about trust', async () => {
    await expectReads(parseTrustedRoot, FormatError, [shape('trusted_root')]);
    await expectReads(parseSigningConfig, FormatError, [shape('signing_config')]);
    await expectReads(parseClientTrustConfig, FormatError, [shape('client_trust_config')]);
  });

  it('as metadata of TUF, or a change of it', async () => {
    const repository = await (await testRepository()).read();
    for (const role of ROLES) {
      const text = Buffer.from(encodeMetadata(repository[role])).toString();
      await expectReads((json) => parseMetadata(role, utf8(json)), TufError, [text], 1000);
    }
    const edits = { add: [], remove: [] };
    const staged = stageChange(
      repository,
      { contents: contents('second'), root: edits, targets: edits, renew: true },
      Date.now(),
    );
    if (staged === undefined) throw new Error('nothing would change');
    await expectReads(parseStagedChange, TufError, [encodeStagedChange(staged)]);
  });
});
