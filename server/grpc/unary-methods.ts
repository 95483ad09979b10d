/** Methods with one message in and one out: signing, what only reports, and health. */
import { create, toBinary } from '@bufbuild/protobuf';
import type { Authority } from '../../ca/authority.ts';
import type { SigningRequest } from '../../ca/signing-request.ts';
import { rootCertificatePem, trustBundleOf } from '../fulcio/chain-answers.ts';
import { configurationAnswers, type PolicySource, type ShownIssuer } from '../fulcio/configuration-answer.ts';
import type { SigningAnswer } from '../fulcio/signing-calls.ts';
import type { ReceivedRequest, SigningQueue } from '../fulcio/signing-queue.ts';
import { readStream, type Body, type BodyLimits } from '../http/request-body.ts';
import { TransportError } from '../http/transport-error.ts';
import { REQUEST_TIMEOUT } from '../http/request-limits.ts';
import { GRPC, type GrpcCall } from './grpc-call.ts';
import type { GrpcMethod } from './grpc-endpoint.ts';
import { messageFrame, onlyMessage } from './message-frame.ts';
import { ConfigurationSchema, TrustBundleSchema } from './protobuf/fulcio_pb.ts';
import {
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus as Serving,
  HealthCheckResponseSchema,
} from './protobuf/grpc/health/v1/health_pb.ts';
import {
  httpBodyFrame,
  LegacySigningMethod,
  readMessage,
  SigningMethodV2,
  type SigningMethod,
} from './signing-methods.ts';

const V2 = 'dev.sigstore.fulcio.v2.CA';
const LEGACY = 'dev.sigstore.fulcio.v1beta.CA';
const HEALTH = 'grpc.health.v1.Health';

/** Bytes of a message that asks for nothing but an answer, with its head. */
const SMALL_MESSAGE = 1024;

/** What the methods answer from. */
export interface UnarySources {
  readonly authority: Authority;
  /** The chains, in PEM, that issued before the authority's, and its successor's. */
  readonly otherChains: readonly (readonly string[])[];
  readonly policy: PolicySource;
  readonly queue: SigningQueue;
  /** Whether certificates carry no SCT. */
  readonly isUnlogged?: boolean | undefined;
  readonly readiness: () => Promise<{ readonly ready: boolean }>;
  /** Whether the service is closing. */
  readonly isClosing: () => boolean;
}

/** The methods of Fulcio's two services, and health. */
export function unaryMethods(sources: UnarySources): GrpcMethod[] {
  const { authority, otherChains, queue } = sources;
  const bodies = { ...queue.bodies, longest: SMALL_MESSAGE };
  const method = (service: string, name: string, serve: GrpcMethod['serve']): GrpcMethod => ({
    service,
    method: name,
    type: 'unary',
    serve,
  });
  const fixed = (frame: () => Buffer): GrpcMethod['serve'] =>
    answering(bodies, () => Promise.resolve(frame()));
  const trustBundle = messageFrame(
    toBinary(TrustBundleSchema, create(TrustBundleSchema, trustBundleOf(authority, otherChains))),
  );
  const rootCertificate = httpBodyFrame(rootCertificatePem(authority));
  return [
    method(
      V2,
      'CreateSigningCertificate',
      signing(queue, new SigningMethodV2(authority, sources.isUnlogged !== true)),
    ),
    method(
      V2,
      'GetTrustBundle',
      fixed(() => trustBundle),
    ),
    method(V2, 'GetConfiguration', fixed(configurationAnswers(sources.policy, configurationFrame))),
    method(LEGACY, 'CreateSigningCertificate', signing(queue, new LegacySigningMethod(authority))),
    method(
      LEGACY,
      'GetRootCertificate',
      fixed(() => rootCertificate),
    ),
    method(
      HEALTH,
      'Check',
      answering(bodies, (message, call) => health(sources, message, call)),
    ),
    { ...method(HEALTH, 'Watch', unimplemented), type: 'server_stream' },
  ];
}

/** Clients take a service that cannot be watched for healthy. */
function unimplemented(call: GrpcCall): void {
  call.fail(GRPC.unimplemented, 'health can be checked, and not watched');
}

/** Has the body of a call read within `limits`. Calls back once, unless nobody is left to answer. */
function receive(call: GrpcCall, limits: BodyLimits, done: (body: Body | TransportError) => void): void {
  const { request } = call;
  let isDone = false;
  const once = (body: Body | TransportError | undefined): void => {
    if (isDone || body === undefined || call.isGone) {
      if (body !== undefined && !(body instanceof TransportError)) body.release();
      return;
    }
    isDone = true;
    request.complete();
    call.received();
    done(body);
  };
  request.expectBy(Math.min(call.deadline, performance.now() + REQUEST_TIMEOUT), () => {
    once(late());
  });
  readStream(
    request.stream,
    // A call can be answered while its client still sends: nothing needs to be read for it.
    {
      connection: request.reading,
      discardUpTo: 0,
      cutOff: (answer) => {
        answer();
      },
    },
    limits,
    once,
    () => false,
  );
}

const late = (): TransportError =>
  new TransportError(
    'DEADLINE_EXCEEDED',
    'the request was not complete, or did not begin, before its deadline',
    {
      hint: 'Allow more time; a request has to come within ten seconds.',
    },
  );

/** Serves a method whose answer needs nothing of limits and records. */
function answering(
  limits: BodyLimits,
  answer: (message: Buffer, call: GrpcCall) => Promise<Buffer | undefined>,
): GrpcMethod['serve'] {
  return (call) =>
    new Promise((resolve, reject) => {
      receive(call, limits, (body) => {
        const work = async (): Promise<void> => {
          if (body instanceof TransportError) throw body;
          const frame = await answer(takeMessage(body), call);
          if (frame !== undefined) call.reply(frame);
        };
        work().then(resolve, reject);
      });
      call.request.stream.once('close', resolve);
    });
}

/** A copy of the message; frees the body. Throws TransportError. */
function takeMessage(body: Body): Buffer {
  try {
    const bytes = body.take();
    if (bytes === undefined)
      throw new TransportError('TOO_BUSY', 'the server is reading as much as it can hold');
    return Buffer.from(onlyMessage(bytes));
  } finally {
    body.release();
  }
}

/** Serves a method that signs. */
function signing(queue: SigningQueue, method: SigningMethod): GrpcMethod['serve'] {
  return (call) => {
    receive(call, queue.bodies, (body) => {
      queue.take(new ReceivedCall(call, method), body);
    });
  };
}

/** A signing request whose message came. */
class ReceivedCall implements ReceivedRequest {
  readonly connection: object;
  readonly caller: GrpcCall;
  readonly isMultiplexed = true;
  readonly #method: SigningMethod;

  constructor(call: GrpcCall, method: SigningMethod) {
    this.connection = call.request.client;
    this.caller = call;
    this.#method = method;
  }

  isGone(): boolean {
    return this.caller.isGone;
  }

  decode(body: Buffer): SigningRequest {
    if (this.caller.isLate) throw late();
    return this.#method.decode(onlyMessage(body), this.caller.request.headers);
  }

  send({ decision, problem }: SigningAnswer): void {
    const { caller } = this;
    caller.request.attempt(() => {
      if (problem === undefined) {
        caller.request.markProven();
        caller.reply(this.#method.reply(decision.certificate), this.#method.metadata);
      } else caller.refuse(problem);
    });
  }
}

function configurationFrame(shown: readonly ShownIssuer[]): Buffer {
  const issuers = shown.map(({ issuerUrl, wildcardIssuerUrl, ...rest }) => ({
    ...rest,
    issuer:
      wildcardIssuerUrl === undefined
        ? ({ case: 'issuerUrl', value: issuerUrl ?? '' } as const)
        : ({ case: 'wildcardIssuerUrl', value: wildcardIssuerUrl } as const),
  }));
  return messageFrame(toBinary(ConfigurationSchema, create(ConfigurationSchema, { issuers })));
}

/** No name asks for what `/healthz` says, and the name of a service for what `/readyz` says. */
async function health(sources: UnarySources, message: Buffer, call: GrpcCall): Promise<Buffer | undefined> {
  const { service } = readMessage(HealthCheckRequestSchema, message);
  if (service !== '' && service !== V2 && service !== LEGACY) {
    call.fail(GRPC.notFound, 'there is no such service here');
    return undefined;
  }
  const isServing = service === '' ? !sources.isClosing() : (await sources.readiness()).ready;
  const status = isServing ? Serving.SERVING : Serving.NOT_SERVING;
  return messageFrame(toBinary(HealthCheckResponseSchema, create(HealthCheckResponseSchema, { status })));
}
