import { expect } from 'chai';
import { fromBase64, toBase64, utf8, utf8Text } from '../../../core/bytes.ts';
import type { Head } from '../../../tlog/store/commit-store.ts';
import { FormatError } from '../../../core/errors.ts';
import { headSigner } from '../../../tlog/sequence/head-signer.ts';
import { LogError } from '../../../tlog/core/log-error.ts';
import { ctLogIdentity, type CtLogIdentity } from '../../../ct-log/log-identity.ts';
import { checkpointSigners, logKeys } from '../../../ct-log/log-keys.ts';
import { sha256 } from '../../../tlog/core/sha256.ts';
import {
  requireCheckpointOf,
  requireEverySignature,
  verifyCheckpoint,
  type VerifiedCheckpoint,
} from '../../../tlog/tree/verify-head.ts';
import { logSigners } from '../../ct-log/support/log-keys.ts';

const ORIGIN = 'localhost/log/2026';
const HEAD: Head = { size: 7, root: sha256(Uint8Array.of(1)), timestamp: 1_764_000_000_000 };
const signers = logSigners();
const identityOf = (origin: string): CtLogIdentity =>
  ctLogIdentity({
    origin,
    sctExtensions: 'leaf_index',
    createdAt: 0,
    publicKey: signers.treeHead.publicKey,
    ed25519PublicKey: signers.checkpoint.publicKey.subarray(-32),
  });
const KEYS = logKeys(identityOf(ORIGIN));

describe('tlog/tree/verify-head', () => {
  let good: Uint8Array;
  before(
    async () =>
      ({ checkpoint: good } = await headSigner(ORIGIN, checkpointSigners(identityOf(ORIGIN), signers))(HEAD)),
  );

  /** The lines of the good checkpoint: origin, size, root, an empty one, the ECDSA signature, the Ed25519 one. */
  const edited = (edit: (lines: string[]) => void): Uint8Array => {
    const lines = utf8Text(good).split('\n');
    edit(lines);
    return utf8(lines.join('\n'));
  };
  const refusal = (work: () => unknown): string => {
    try {
      work();
      return 'none';
    } catch (error) {
      expect(error).to.satisfy((one: unknown) => one instanceof LogError || one instanceof FormatError);
      return (error as Error).message;
    }
  };
  const kinds = ({ signedBy }: VerifiedCheckpoint): string[] => signedBy.map(({ algorithm }) => algorithm);
  const [ECDSA, ED25519] = [4, 5];
  /** Flips a bit in a signature, behind the id of its key. */
  const flipped = (line: number, at: number): Uint8Array =>
    edited((lines) => {
      const [dash = '', name = '', blob = ''] = lines[line]?.split(' ') ?? [];
      const bytes = fromBase64(blob);
      const place = at < 0 ? bytes.length + at : at;
      bytes[place] = (bytes[place] ?? 0) ^ 1;
      lines[line] = `${dash} ${name} ${toBase64(bytes)}`;
    });

  it('says what a checkpoint proves, and by which keys', () => {
    const verified = verifyCheckpoint(good, KEYS);
    expect(verified).to.deep.include({ origin: ORIGIN, size: 7, timestamp: HEAD.timestamp });
    expect([...verified.root]).to.deep.equal([...HEAD.root]);
    expect(kinds(verified)).to.deep.equal(['ECDSA', 'Ed25519']);
    const alone = verifyCheckpoint(good, KEYS.slice(1));
    expect([kinds(alone), alone.timestamp]).to.deep.equal([['Ed25519'], undefined]);
  });

  it('takes no text that a key did not sign: another size, root or time', () => {
    const other = toBase64(sha256(Uint8Array.of(2)));
    for (const [what, edit] of [
      ['size', (lines: string[]) => (lines[1] = '8')],
      ['root', (lines: string[]) => (lines[2] = other)],
    ] as const)
      for (const keys of [KEYS, KEYS.slice(0, 1), KEYS.slice(1)]) {
        const checkpoint = edited((lines) => void edit(lines));
        expect(
          refusal(() => verifyCheckpoint(checkpoint, keys)),
          what,
        ).to.contain('does not hold');
      }
    // The time stands before the ECDSA signature, behind the id of the key.
    expect(refusal(() => verifyCheckpoint(flipped(ECDSA, 11), KEYS))).to.contain('ECDSA signature');
  });

  it('takes no signature that does not hold beside one that does', () => {
    for (const at of [-1, -9]) {
      expect(refusal(() => verifyCheckpoint(flipped(ED25519, at), KEYS))).to.contain('Ed25519 signature');
      expect(refusal(() => verifyCheckpoint(flipped(ECDSA, at), KEYS))).to.match(/ECDSA|DER/);
    }
  });

  it('takes no checkpoint that another origin stands on, whichever signature is left', () => {
    // The ECDSA signature covers no origin: only the line of the key says whose it is.
    for (const origin of ['localhost/log/2027', 'evil.example/log', `${ORIGIN}x`])
      for (const cut of [ED25519, ECDSA, undefined]) {
        const checkpoint = edited((lines) => {
          lines[0] = origin;
          if (cut !== undefined) lines.splice(cut, 1);
        });
        expect(refusal(() => verifyCheckpoint(checkpoint, KEYS))).to.contain('no signature of a known key');
        const renamed = utf8(utf8Text(checkpoint).replaceAll(` ${ORIGIN} `, ` ${origin} `));
        expect(refusal(() => verifyCheckpoint(renamed, KEYS))).to.contain('no signature of a known key');
      }
  });

  it('takes none that no known key has signed', () => {
    const others = logKeys({ ...identityOf(ORIGIN), ...ofOthers() });
    for (const keys of [[], others])
      expect(refusal(() => verifyCheckpoint(good, keys))).to.contain('no signature of a known key');
    const id = edited((lines) =>
      lines.splice(ECDSA, 2, ...[ECDSA, ED25519].map((i) => lineOf(flipped(i, 0), i))),
    );
    expect(refusal(() => verifyCheckpoint(id, KEYS))).to.contain('no signature of a known key');
  });

  it('knows which signature of the log is missing', () => {
    const left = (cut: number): VerifiedCheckpoint =>
      verifyCheckpoint(
        edited((lines) => lines.splice(cut, 1)),
        KEYS,
      );
    const every = (verified: VerifiedCheckpoint): string =>
      refusal(() => {
        requireEverySignature(verified, KEYS);
      });
    expect(every(verifyCheckpoint(good, KEYS))).to.equal('none');
    expect(every(left(ED25519))).to.contain("lacks the signature of the log's Ed25519 key");
    expect(every(left(ECDSA))).to.contain("lacks the signature of the log's ECDSA key");
  });

  it('knows the signed form of a head from that of any other', () => {
    const of = (head: Head, checkpoint = good): string =>
      refusal(() => {
        requireCheckpointOf(head, checkpoint, KEYS);
      });
    expect(of(HEAD)).to.equal('none');
    for (const change of [{ size: 8 }, { root: sha256(Uint8Array.of(2)) }, { timestamp: HEAD.timestamp + 1 }])
      expect(of({ ...HEAD, ...change }), JSON.stringify(change)).to.contain('not the committed one');
    // Without the ECDSA signature nothing says when.
    expect(
      of(
        HEAD,
        edited((lines) => lines.splice(ECDSA, 1)),
      ),
    ).to.contain('not the committed one');
  });
});

const lineOf = (checkpoint: Uint8Array, line: number): string => utf8Text(checkpoint).split('\n')[line] ?? '';

/** Keys of another log. */
function ofOthers(): Pick<CtLogIdentity, 'publicKey' | 'ed25519PublicKey'> {
  const { treeHead, checkpoint } = logSigners();
  return { publicKey: treeHead.publicKey, ed25519PublicKey: checkpoint.publicKey.subarray(-32) };
}
