/** The standard reflection of gRPC, in both of its versions: which services there are, and the files that define them. */
import {
  create,
  createRegistry,
  toBinary,
  type DescFile,
  type Registry,
  type MessageInitShape,
} from '@bufbuild/protobuf';
import {
  file_google_protobuf_any,
  file_google_protobuf_empty,
  FileDescriptorProtoSchema,
} from '@bufbuild/protobuf/wkt';
import { TransportError } from '../http/transport-error.ts';
import { GRPC, type GrpcCall } from './grpc-call.ts';
import type { GrpcMethod } from './grpc-endpoint.ts';
import { firstMessage, messageFrame } from './message-frame.ts';
import { file_fulcio_legacy } from './protobuf/fulcio_legacy_pb.ts';
import { file_fulcio } from './protobuf/fulcio_pb.ts';
import { file_google_api_httpbody } from './protobuf/google/api/httpbody_pb.ts';
import { file_google_rpc_error_details } from './protobuf/google/rpc/error_details_pb.ts';
import { file_google_rpc_status } from './protobuf/google/rpc/status_pb.ts';
import { file_grpc_health_v1_health } from './protobuf/grpc/health/v1/health_pb.ts';
import {
  file_grpc_reflection_v1_reflection,
  ServerReflectionRequestSchema,
  ServerReflectionResponseSchema,
} from './protobuf/grpc/reflection/v1/reflection_pb.ts';
import { file_grpc_reflection_v1alpha_reflection } from './protobuf/grpc/reflection/v1alpha/reflection_pb.ts';
import { readMessage } from './signing-methods.ts';

/** Bytes of one question, and questions of one call. */
const LONGEST_QUESTION = 1024;
const MOST_QUESTIONS = 256;

/** Milliseconds that a call may take: tools ask all that they want at once. */
const LONGEST_CALL = 60_000;

/** Bytes that a call counts for from its begin: answers that wait for their client, of which one more is made only when those before it
 * were taken, and what came of questions. */
const HELD = 64 * 1024;

const FILES: readonly DescFile[] = [
  file_google_protobuf_any,
  file_google_protobuf_empty,
  file_google_api_httpbody,
  // What refusals are made of, so that tools can show them.
  file_google_rpc_status,
  file_google_rpc_error_details,
  file_fulcio,
  file_fulcio_legacy,
  file_grpc_health_v1_health,
  file_grpc_reflection_v1_reflection,
  file_grpc_reflection_v1alpha_reflection,
];

const encode = ({ proto }: DescFile): Uint8Array => toBinary(FileDescriptorProtoSchema, proto);

/** Encoded once: a question is a few bytes, and untrusted clients ask it. */
const ENCODED: ReadonlyMap<DescFile, Uint8Array> = new Map(FILES.map((file) => [file, encode(file)]));

/** The methods of reflection. Both versions have the same messages under other names. */
export function reflectionMethods(): GrpcMethod[] {
  const registry = createRegistry(...FILES);
  const services = FILES.flatMap((file) => file.services.map(({ typeName }) => ({ name: typeName })));
  const serve = (call: GrpcCall): void => {
    new Conversation(call, registry, services).begin();
  };
  return ['v1', 'v1alpha'].map((version) => ({
    service: `grpc.reflection.${version}.ServerReflection`,
    method: 'ServerReflectionInfo',
    type: 'bidi_stream',
    serve,
  }));
}

type Answer = NonNullable<MessageInitShape<typeof ServerReflectionResponseSchema>['messageResponse']>;
type Services = readonly { readonly name: string }[];

/** Questions and answers of one call. */
class Conversation {
  readonly #call: GrpcCall;
  readonly #registry: Registry;
  readonly #services: Services;
  #bytes: Buffer = Buffer.alloc(0);
  #asked = 0;
  #hasEnded = false;

  constructor(call: GrpcCall, registry: Registry, services: Services) {
    this.#call = call;
    this.#registry = registry;
    this.#services = services;
  }

  begin(): void {
    const { request } = this.#call;
    const { stream } = request;
    request.made(HELD);
    request.expectBy(performance.now() + LONGEST_CALL, () => {
      this.#call.finish();
    });
    this.#call.begin();
    stream.on('data', (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#answerAll();
    });
    stream.on('drain', () => {
      stream.resume();
      this.#answerAll();
    });
    stream.once('end', () => {
      this.#hasEnded = true;
      this.#answerAll();
    });
  }

  /** Answers what was asked, as long as the answers are taken. */
  #answerAll(): void {
    try {
      while (!this.#call.isGone && !this.#isFull()) {
        const next = firstMessage(this.#bytes, LONGEST_QUESTION);
        if (next === undefined) break;
        this.#bytes = next.rest;
        if (++this.#asked > MOST_QUESTIONS) throw new TransportError('BODY_TOO_LARGE', 'too many questions');
        this.#call.received();
        this.#answer(next.message);
      }
    } catch {
      this.#call.fail(GRPC.exhausted, 'the questions are malformed, too long or too many');
    }
    if (this.#hasEnded && !this.#isFull()) this.#call.finish();
  }

  /** Whether answers wait for their client; then no question is read until they are taken. */
  #isFull(): boolean {
    const { stream } = this.#call.request;
    if (stream.writableNeedDrain) stream.pause();
    return stream.writableNeedDrain;
  }

  #answer(message: Buffer): void {
    const originalRequest = readMessage(ServerReflectionRequestSchema, message);
    const { case: kind, value } = originalRequest.messageRequest;
    const answer = create(ServerReflectionResponseSchema, {
      validHost: originalRequest.host,
      originalRequest,
      messageResponse: this.#answerTo(kind, value),
    });
    this.#call.write(messageFrame(toBinary(ServerReflectionResponseSchema, answer)));
  }

  #answerTo(kind: string | undefined, value: unknown): Answer {
    if (kind === 'listServices')
      return { case: 'listServicesResponse', value: { service: [...this.#services] } };
    const file =
      kind === 'fileByFilename' && typeof value === 'string'
        ? FILES.find(({ proto }) => proto.name === value)
        : kind === 'fileContainingSymbol' && typeof value === 'string'
          ? this.#fileOf(value)
          : undefined;
    if (file === undefined)
      return { case: 'errorResponse', value: { errorCode: GRPC.notFound, errorMessage: 'not found' } };
    const encoded = withDependencies(file).map((one) => ENCODED.get(one) ?? encode(one));
    return { case: 'fileDescriptorResponse', value: { fileDescriptorProto: encoded } };
  }

  /** The file of a service, a message, an enum, or of what is inside one of them. */
  #fileOf(symbol: string): DescFile | undefined {
    for (let name = symbol; name !== ''; name = name.slice(0, Math.max(0, name.lastIndexOf('.')))) {
      const found = this.#registry.get(name);
      if (found !== undefined && found.kind !== 'extension') return found.file;
    }
    return undefined;
  }
}

/** A file and all that it needs, itself first. */
function withDependencies(file: DescFile): DescFile[] {
  return [...new Set([file, ...file.dependencies.flatMap(withDependencies)])];
}
