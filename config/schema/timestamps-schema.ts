import { z } from 'zod';
import { readOnly } from '../../core/der-reader.ts';
import { Tag } from '../../core/der-tag.ts';
import { oid } from '../../core/der-writer.ts';
import { SIGSTORE_POLICY } from '../../tsa/format/object-identifiers.ts';
import { timeServerAddress } from './addresses.ts';
import { bucketSchema, off } from './issuer-schema.ts';
import { quantity } from './quantity.ts';

const OBJECT_IDENTIFIER = /^(?:[01]\.[1-3]?\d|2\.\d{1,9})(?:\.(?:0|[1-9]\d{0,14})){1,14}$/;

/** What readers of ours take. */
const POLICY_OCTETS = 64;
const fits = (policy: string): boolean =>
  !OBJECT_IDENTIFIER.test(policy) || readOnly(oid(policy), Tag.oid).value.length <= POLICY_OCTETS;

const timeServersSchema = z.strictObject({
  servers: z
    .array(
      z
        .string()
        .refine(
          (text) => timeServerAddress(text) !== undefined,
          'must be HOST or HOST:PORT, an IPv6 address in brackets',
        ),
    )
    .min(1, 'must name at least one server')
    .max(8, 'must name at most 8 servers')
    .meta({
      description: 'Servers of NTP, e.g. `time.example.com` or `192.0.2.7:123`. Three can outvote one.',
    }),
  interval: quantity('seconds', 30, 86_400).default(300).meta({ description: 'How often they are asked.' }),
  'max-offset': quantity('seconds', 1, 3600).default(1).meta({
    description: 'By how much the clock may differ from the median of their answers.',
  }),
  'on-difference': z.enum(['stop', 'warn']).default('stop').meta({
    description:
      '`stop`: no timestamp while the clock differs by more; `warn`: the service log, `/readyz` and the metrics say so. Servers that do not answer stop nothing.',
  }),
});

/** What stands under `mayfly.timestamps`. */
export const timestampsSchema = z
  .strictObject({
    enabled: z.boolean().default(true).meta({
      description: 'Whether timestamps are granted where the data directory has a certificate for them.',
    }),
    policy: z
      .string()
      .regex(OBJECT_IDENTIFIER, 'must be an object identifier such as "1.3.6.1.4.1.57264.2"')
      .refine(fits, `must have at most ${POLICY_OCTETS} octets in DER`)
      .default(SIGSTORE_POLICY)
      .meta({
        description:
          'Object identifier of the policy under which timestamps are made; requests for another one are refused. The default is the one of Sigstore’s own authority.',
      }),
    accuracy: quantity('seconds', 1, 3601).optional().meta({
      description:
        'By how much the time may be off, as every timestamp says. Times are whole seconds, so with time servers it is at least 1s more than their `max-offset`, which is the default then (2s). Without them the default is 1s, and nothing but your care for the clock keeps that promise.',
    }),
    'rate-limit': z.union([off, bucketSchema]).default({ 'per-minute': 6000, burst: 1000 }).meta({
      description:
        'Timestamps for each client, which is an address or a /64 network of IPv6; 429 with `Retry-After` beyond it.',
    }),
    'log-grants': z.boolean().default(false).meta({
      description:
        'Whether the service log has a line for each timestamp: client, digest, serial number, time.',
    }),
    'time-servers': timeServersSchema.optional().meta({
      description: 'Servers of NTP that the clock is compared with; without it, none is asked.',
    }),
  })
  .refine(
    ({ accuracy, 'time-servers': servers }) =>
      accuracy === undefined || servers === undefined || accuracy > servers['max-offset'],
    {
      path: ['accuracy'],
      message: 'must be at least 1 s more than max-offset of the time servers, or be left out',
    },
  );

/** The values under `mayfly.timestamps`, as the file spells them. */
export type TimestampsValues = z.output<typeof timestampsSchema>;
