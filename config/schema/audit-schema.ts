import { z } from 'zod';
import { SYSLOG_FACILITIES, type SyslogFacility } from '../../audit/audit-definition.ts';
import { syslogAddress } from './addresses.ts';
import { quantity } from './quantity.ts';

const whole = (minimum: number, maximum: number) => z.number().int().min(minimum).max(maximum);

const path = z.string().min(1, 'must not be empty');

const fileSchema = z.strictObject({
  path: path.meta({
    description: 'The file. A relative path starts at the directory of the configuration file.',
  }),
  'max-size': quantity('MiB', 1, 1_000_000).default(100).meta({
    description: 'Size at which the file is rotated: renamed to its name and the time.',
  }),
  'max-age': quantity('hours', 1, 8784).optional().meta({
    description: 'How old the file gets before it is rotated, whatever its size.',
  }),
  keep: whole(1, 100_000)
    .default(30)
    .meta({ description: 'How many rotated files are kept; the oldest go first.' }),
});

const facilities = Object.keys(SYSLOG_FACILITIES) as [SyslogFacility, ...SyslogFacility[]];

const syslogSchema = z.strictObject({
  address: z
    .string()
    .refine(
      (text) => syslogAddress(text) !== undefined,
      'must be udp://HOST:PORT, tcp://HOST:PORT or tls://HOST:PORT',
    )
    .meta({
      description:
        'Where the syslog server listens: `udp://HOST:PORT`, `tcp://HOST:PORT` or `tls://HOST:PORT` (usual ports: 514, 514 or 601, 6514).',
    }),
  facility: z.enum(facilities).default('authpriv').meta({ description: 'Under which the lines are filed.' }),
  'ca-file': path.optional().meta({
    description:
      "With `tls`: PEM certificates to trust instead of the system's. A relative path starts at the directory of the configuration file.",
  }),
});

/** What stands under `mayfly.audit`. */
export const auditSchema = z.strictObject({
  file: fileSchema.optional().meta({ description: 'Decisions go into a file of mode 0600.' }),
  stdout: z.boolean().default(false).meta({ description: 'Decisions go to standard output.' }),
  syslog: syslogSchema.optional().meta({ description: 'Decisions go to a syslog server (RFC 5424).' }),
  database: z.boolean().default(false).meta({
    description:
      'Decisions go into a table of the database that `mayfly.log.store` names, which all services share: each has a chain of its own there, under the name of its host.',
  }),
  'fail-closed': z.boolean().default(false).meta({
    description:
      'A certificate leaves only after every place has taken its line; else the request is answered 503 `AUDIT_UNAVAILABLE`.',
  }),
  'refusals-per-minute': whole(1, 100_000).default(60).meta({
    description:
      'Lines for refusals of one reason and issuer block; what is over it is counted and summed up in one line a minute. Lines for certificates are never left out.',
  }),
});

/** The values under `mayfly.audit`, as the file spells them. */
export type AuditValues = z.output<typeof auditSchema>;
