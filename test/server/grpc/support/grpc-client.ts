/** The stock client of gRPC, which reads the proto files of this repository when it is made: nothing of it is ours. */
import { createRequire } from 'node:module';
import { projectRoot } from '../../../support/project-root.ts';

/** What a call ended with. */
export interface GrpcFailure extends Error {
  readonly code: number;
  readonly details: string;
  readonly metadata: GrpcMetadata;
}

/** Metadata of a call. */
export interface GrpcMetadata {
  set(name: string, value: string): void;
  add(name: string, value: string): void;
  get(name: string): (string | Buffer)[];
}

/** What a call may be made with. */
interface CallOptions {
  /** Milliseconds since the epoch. */
  readonly deadline?: number;
}

/** An event source of a call. */
interface Call {
  on(event: string, listener: (value: never) => void): Call;
  cancel(): void;
  write(message: unknown): void;
  end(): void;
}

type Method = (...args: unknown[]) => Call;

/** A client of one service, with a connection of its own. */
export interface GrpcClient {
  readonly [method: string]: Method;
  readonly close: Method;
}

interface Grpc {
  readonly Metadata: new () => GrpcMetadata;
  readonly credentials: { createInsecure(): unknown; createSsl(root: Buffer): unknown };
  loadPackageDefinition(definition: unknown): unknown;
}

interface Loader {
  loadSync(files: readonly string[], options: unknown): unknown;
}

// Not imported: the types of both would have to be there wherever the tests are only compiled.
const require = createRequire(import.meta.url);
const grpc = require('@grpc/grpc-js') as Grpc;
const loader = require('@grpc/proto-loader') as Loader;

const FILES = [
  'fulcio.proto',
  'fulcio_legacy.proto',
  'google/rpc/status.proto',
  'google/rpc/error_details.proto',
  'grpc/health/v1/health.proto',
  'grpc/reflection/v1/reflection.proto',
  'grpc/reflection/v1alpha/reflection.proto',
];

/** Every package of the proto files, by their names. */
const packages = grpc.loadPackageDefinition(
  loader.loadSync(FILES, {
    includeDirs: [`${projectRoot}/proto`],
    defaults: true,
    oneofs: true,
    enums: String,
  }),
);

/** A client of the service with that full name. `root` is the PEM certificate that TLS is to trust; without it there is none. */
export function grpcClient(service: string, address: string, root?: Buffer): GrpcClient {
  const path = service.split('.');
  const Client = path.reduce((at, name) => (at as Record<string, unknown>)[name], packages) as new (
    address: string,
    credentials: unknown,
    options: unknown,
  ) => GrpcClient;
  const { credentials } = grpc;
  const own = { 'grpc.use_local_subchannel_pool': 1, 'grpc.ssl_target_name_override': 'localhost' };
  return new Client(
    address,
    root === undefined ? credentials.createInsecure() : credentials.createSsl(root),
    root === undefined ? { 'grpc.use_local_subchannel_pool': 1 } : own,
  );
}

/** New metadata. */
export function metadata(values: Readonly<Record<string, string>> = {}): GrpcMetadata {
  const made = new grpc.Metadata();
  for (const [name, value] of Object.entries(values)) made.set(name, value);
  return made;
}

/** One call; rejects with {@link GrpcFailure}. */
export function call(
  client: GrpcClient,
  method: string,
  message: unknown,
  { meta = metadata(), ...options }: CallOptions & { readonly meta?: GrpcMetadata } = {},
): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    client[method]?.(message, meta, options, (error: GrpcFailure | null, answer: Record<string, unknown>) => {
      if (error === null) resolve(answer);
      else reject(error);
    });
  });
}
