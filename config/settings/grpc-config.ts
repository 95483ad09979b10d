import { listenAddress } from '../schema/addresses.ts';
import type { GrpcValues } from '../schema/grpc-schema.ts';

/** What stands under `mayfly.grpc`. */
export interface GrpcConfig {
  /** Whether the port that speaks TLS takes gRPC too. */
  readonly withTls: boolean;
  /** Where it is taken without TLS; IPv6 without brackets. */
  readonly listen?: { readonly host: string; readonly port: number } | undefined;
  readonly reflection: boolean;
}

/** What the values mean. */
export const grpcConfigOf = ({ 'with-tls': withTls, listen, reflection }: GrpcValues): GrpcConfig => ({
  withTls,
  listen: listen === undefined ? undefined : listenAddress(listen),
  reflection,
});
