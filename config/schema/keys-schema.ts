import { z } from 'zod';
import { quantity } from './quantity.ts';

const reference = z.string().min(1, 'must not be empty');

const logKeysSchema = z.strictObject({
  ecdsa: reference.optional().meta({
    description: 'The P-256 key of that log, which signs SCTs and tree heads.',
  }),
  ed25519: reference.optional().meta({
    description: 'The Ed25519 key of that log, which signs checkpoints for witnesses.',
  }),
});

/** What stands under `mayfly.keys`. */
export const keysSchema = z.strictObject({
  ca: reference.optional().meta({
    description:
      'The key of the issuing CA: the path of a key file, relative to the directory of this file, or the URI of a key that is elsewhere: `pkcs11:…`, `awskms://…`, `gcpkms://…`, `azurekms://…`, `hashivault://KEY`, `openbao://KEY`. Without it, and likewise for the other keys, the file in the data directory.',
  }),
  'ca-next': reference.optional().meta({
    description:
      'The key of its successor while it is followed: of the two, the one signs that the chain in force was issued for.',
  }),
  timestamps: reference.optional().meta({ description: 'The key of the timestamp authority.' }),
  'timestamps-next': reference.optional().meta({
    description: 'The key of its successor, as `ca-next`.',
  }),
  logs: z.record(z.string(), logKeysSchema).default({}).meta({
    description:
      'The keys of certificate logs, by the names of their directories below `logs`. A log that is made by the service itself has its keys in files.',
  }),
  'artifact-logs': z
    .record(
      z.string().regex(/^v[12](?:-\d{1,4})?$/, 'must be the name of such a log, as v2 or v2-2'),
      reference,
    )
    .default({})
    .meta({
      description:
        'The keys of logs of artifacts, by the names of their directories below `artifacts`, such as `v2`: P-256 for v1, Ed25519 for v2.',
    }),
  timeout: quantity('seconds', 1, 30).default(2).meta({
    description: 'How long a signature of a key that is elsewhere may take, all tries together.',
  }),
  'max-in-flight': z.number().int().min(1).max(1000).default(16).meta({
    description: 'Signatures that are asked of each of these keys at once; more wait for their turn.',
  }),
});

/** The values under `mayfly.keys`, as the file spells them. */
export type KeysValues = z.output<typeof keysSchema>;
