import { expect } from 'chai';
import { encodePem } from '../../../core/pem.ts';
import {
  EMPTY_TRUSTED_ROOT,
  type TrustedAuthority,
  type TrustedLogInstance,
} from '../../../trust/format/trusted-root.ts';
import { encodeMetadata, parseMetadata } from '../../../trust/tuf/metadata.ts';
import { ROLES } from '../../../trust/tuf/roles.ts';
import { sigstoreTargets } from '../../../trust/tuf/sigstore-targets.ts';
import { stageChange } from '../../../trust/tuf/stage-change.ts';
import { encodeStagedChange, parseStagedChange } from '../../../trust/tuf/staged-change.ts';
import { TufError } from '../../../trust/tuf/tuf-error.ts';
import { expectTypedErrors, expectTypedErrorsOnText } from '../../support/parsers.ts';
import { contents, removeScratch, testRepository } from './support/repository.ts';

const NOW = Date.UTC(2026, 10, 29);
const bytes = (value: number): Uint8Array => Uint8Array.of(value);
const chain = (...values: readonly number[]): readonly Uint8Array[] => values.map(bytes);

const authority = (certificates: readonly Uint8Array[], end?: number): TrustedAuthority => ({
  organization: 'Example',
  commonName: 'Example CA',
  uri: 'https://ca.example.org',
  chain: certificates,
  window: { start: 0, end },
});

const log = (key: number, end?: number): TrustedLogInstance => ({
  baseUrl: `https://log.example.org/${key}`,
  publicKey: bytes(key),
  keyDetails: 'PKIX_ECDSA_P256_SHA_256',
  window: { start: 0, end },
  logId: bytes(key),
});

const SIGNING = {
  certificateAuthorities: [],
  openidProviders: [],
  artifactLogs: [],
  timestampAuthorities: [],
};

/** Runs a parser whose refusals are of its own class. */
const refusing =
  <T>(parse: (input: T) => unknown) =>
  (input: T): void => {
    try {
      parse(input);
    } catch (error) {
      if (!(error instanceof TufError)) throw error;
    }
  };

describe('trust/tuf: formats', () => {
  afterEach(removeScratch);

  it('names a file for each certificate and key that has not ended, what is in force without a number where tools know no other', () => {
    const root = {
      certificateAuthorities: [
        authority(chain(2, 9)),
        authority(chain(1, 9), NOW - 1),
        authority(chain(3, 8), NOW - 1),
      ],
      certificateLogs: [log(20), log(21, NOW - 1)],
      timestampAuthorities: [authority(chain(30, 31, 9)), authority(chain(32, 9), NOW - 1)],
      artifactLogs: [log(40)],
    };
    const targets = sigstoreTargets(root, SIGNING, NOW);
    const shown = [...targets].map(([name, { text, usage }]) =>
      [name, usage?.usage, usage?.status, text.split('\n')[1]].filter((part) => part !== undefined).join(' '),
    );
    const base64 = (value: number): string => encodePem('X', bytes(value)).split('\n')[1] ?? '';
    expect(shown.slice(2)).to.deep.equal([
      `fulcio_v1.crt.pem Fulcio Active ${base64(9)}`,
      `fulcio_intermediate_v1.crt.pem Fulcio Active ${base64(2)}`,
      `ctfe.pub CTFE Active ${base64(20)}`,
      `rekor.pub Rekor Active ${base64(40)}`,
      `tsa_leaf.crt.pem TSA Active ${base64(30)}`,
      `tsa_intermediate_0.crt.pem TSA Active ${base64(31)}`,
      `tsa_root.crt.pem TSA Active ${base64(9)}`,
    ]);
    expect([...targets.keys()].slice(0, 2)).to.deep.equal(['trusted_root.json', 'signing_config.v0.2.json']);
    // A root stays as long as one chain with it counts; a successor takes the names of what has ended.
    const ended = {
      ...root,
      certificateAuthorities: [authority(chain(2, 9), NOW - 1), authority(chain(1, 9))],
      certificateLogs: [log(20, NOW - 1), log(21)],
      timestampAuthorities: [authority(chain(30, 9), NOW - 1)],
    };
    const left = [...sigstoreTargets(ended, SIGNING, NOW)].slice(2);
    expect(left.map(([name, { text }]) => `${name} ${text.split('\n')[1]}`)).to.deep.equal([
      `fulcio_v1.crt.pem ${base64(9)}`,
      `fulcio_intermediate_v1.crt.pem ${base64(1)}`,
      `ctfe.pub ${base64(21)}`,
      `rekor.pub ${base64(40)}`,
    ]);
    expect([...sigstoreTargets(EMPTY_TRUSTED_ROOT, SIGNING, NOW).keys()]).to.have.length(2);
  });

  it('reads any bytes as metadata or refuses them by its own error', async () => {
    const repository = await (await testRepository()).read();
    for (const role of ROLES)
      expectTypedErrors(
        refusing((input: Uint8Array) => parseMetadata(role, input)),
        [encodeMetadata(repository[role])],
      );
  });

  it('reads any text as a staged change or refuses it by its own error', async () => {
    const repository = await (await testRepository()).read();
    const edits = { add: [], remove: [] };
    const request = { contents: contents('second'), root: edits, targets: edits, renew: true };
    const staged = stageChange(repository, request, Date.now());
    if (staged === undefined) throw new Error('nothing would change');
    expectTypedErrorsOnText(refusing(parseStagedChange), [encodeStagedChange(staged)]);
  });
});
