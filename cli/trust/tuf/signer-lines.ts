import { keysOf } from '../../../trust/tuf/new-metadata.ts';
import { signersOf } from '../../../trust/tuf/metadata.ts';
import { rootOf, signaturesMissing, type StagedChange } from '../../../trust/tuf/staged-change.ts';

/** Who signed a change, who may yet, and what is missing: a line each. */
export function signerLines(change: StagedChange): readonly string[] {
  const { before, root, targets } = change;
  const rows = [
    ...(root === undefined
      ? []
      : [
          { what: 'root, by the keys of before', by: before.root, role: 'root', metadata: root } as const,
          { what: 'root, by its own keys', by: root, role: 'root', metadata: root } as const,
        ]),
    ...(targets === undefined
      ? []
      : [{ what: 'targets', by: rootOf(change), role: 'targets', metadata: targets } as const]),
  ];
  return rows.flatMap(({ what, by, role, metadata }) => {
    const { keys, threshold } = keysOf(by.signed)[role];
    const signed = signersOf(by.signed, role, metadata);
    return [
      `Signatures over the ${what}: ${signed.length} of ${threshold}`,
      ...keys.map(({ keyID }) => `  ${keyID}  ${signed.includes(keyID) ? 'signed' : 'has not signed'}`),
    ];
  });
}

/** What is missing, in one sentence; undefined when the change can be imported. */
export function missingText(change: StagedChange): string | undefined {
  const missing = signaturesMissing(change);
  if (missing.length === 0) return undefined;
  return `Missing: ${missing.map(({ what, count }) => `${count} over the ${what}`).join('; ')}.`;
}
