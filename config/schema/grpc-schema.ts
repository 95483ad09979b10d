import { z } from 'zod';
import { listenAddress } from './addresses.ts';

/** What stands under `mayfly.grpc`. */
export const grpcSchema = z.strictObject({
  'with-tls': z.boolean().default(true).meta({
    description:
      'Whether the HTTPS port takes gRPC too, from clients that offer HTTP/2 alone (ALPN `h2`). It speaks TLS only with `--tls-cert`.',
  }),
  listen: z
    .string()
    .refine((text) => listenAddress(text) !== undefined, 'must be HOST:PORT, an IPv6 address in brackets')
    .optional()
    .meta({
      description:
        'Where gRPC is taken without TLS, e.g. `127.0.0.1:5554`; without it, nowhere. Beyond this machine only with `--behind-tls-proxy`, because tokens would cross the network in the clear. `--grpc-listen` goes before it.',
    }),
  reflection: z.boolean().default(false).meta({
    description: 'Whether clients such as `grpcurl` may ask for the methods and messages of the services.',
  }),
});

/** The values under `mayfly.grpc`, as the file spells them. */
export type GrpcValues = z.output<typeof grpcSchema>;
