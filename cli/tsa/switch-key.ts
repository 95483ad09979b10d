/** Puts the staged key for timestamps in force, and says what comes next. */
import { createHash } from 'node:crypto';
import { toHex } from '../../core/bytes.ts';
import { encodePem } from '../../core/pem.ts';
import { timestampSuccession, type Chain } from '../../instance/succession.ts';
import { switchSuccessor } from '../../instance/switch-successor.ts';
import { quotedPath } from '../../storage/quoted-path.ts';
import { certificateLine, switchedLines } from '../ca/ca-output.ts';
import type { Speaker } from '../program/command.ts';
import { invocation } from '../program/invocation.ts';
import { checkedChain } from './certification.ts';
import type { TimestampDirectory } from './timestamp-directory.ts';

/** Does it, as {@link switchSuccessor} does. */
export async function putInForce(directory: TimestampDirectory, speak: Speaker): Promise<void> {
  const { data, paths, passphrase } = directory;
  // Its root was that of the CA when it was staged; the CA may have another one by now.
  const { chainPem, former, was } = await switchSuccessor(
    timestampSuccession(paths, passphrase),
    (text, key) => checkedChain(text, key),
  );
  const lines = [
    ...switchedLines(was, chainPem),
    ...(former === undefined
      ? ['Next: start the service anew, and make a backup.']
      : formerLines(former, data)),
  ];
  speak.answer(
    {
      chain: paths.timestampChain,
      key: paths.timestampKey,
      finished: was === 'interrupted',
      isNew: was !== 'in force',
      subject: certificateLine(chainPem),
    },
    lines.join('\n'),
  );
}

function formerLines(former: Chain, data: string): readonly string[] {
  const [certificate = new Uint8Array()] = former;
  const sha256 = toHex(createHash('sha256').update(certificate).digest());
  return [
    `Before: ${certificateLine(encodePem('CERTIFICATE', certificate))}. It stays trusted, and its key is deleted.`,
    'Next: start the service anew, and make a backup. After that the window of the former one may end:',
    `  ${invocation()} trust end --data ${quotedPath(data)} --tsa ${sha256} --at now --reason superseded`,
  ];
}
