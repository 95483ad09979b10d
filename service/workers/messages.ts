/**
 * What the main thread and a thread that takes connections say to each other. The main thread has everything of which a
 * process has one: log, used tokens, rate limits, audit, metrics, service log. All fields are plain data that can be copied.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { KeyObject } from 'node:crypto';
import type { IssuedDecision, RefusedDecision, ReleasedDecision } from '../../ca/decision.ts';
import type { LoadedConfig } from '../../config/load/load.ts';
import type { PolicyUse } from '../../policy/issuer-policy.ts';
import type { GrpcMethodName, MethodMetrics } from '../../server/operator/grpc-metrics.ts';
import type { RefusedLine, ServiceLog } from '../../server/operator/service-log.ts';
import type { TlsPair } from '../../server/http/tls-certificate.ts';
import type { SignatureAlgorithm } from '../../core/signature-algorithm.ts';
import type { PublicAddresses } from '../public-listeners.ts';
import type { EntryClaim } from '../../tlog/core/committed.ts';
import type { SentError } from './sent-error.ts';

/** What a thread is started with. */
export interface WorkerStart {
  /** Its place among the {@link sharers}, from 1. */
  readonly place: number;
  /** Threads that take connections, and share bounds. */
  readonly sharers: number;
  readonly config: LoadedConfig;
  /** With the ports that were picked. */
  readonly addresses: PublicAddresses;
  readonly tls: TlsPair | undefined;
  /** Of the log. */
  readonly origin: string;
  /** PEM, issuing CA first. */
  readonly chainPem: string;
  /** The key of the CA; without it the main thread signs. */
  readonly key: KeyObject | undefined;
  readonly publicKey: Uint8Array;
  readonly algorithm: SignatureAlgorithm;
  /** PEM: chains that issued before, and the next one. */
  readonly otherChains: readonly (readonly string[])[];
  /** Signing requests of all threads that are under way: see `shared-count.ts`. */
  readonly inFlight: SharedArrayBuffer;
  readonly maxInFlight: number;
  /** Of the main thread: see `turn-channel.ts`. */
  readonly progress: SharedArrayBuffer;
  /** Whether the log uses up tokens, with the entries of their certificates. */
  readonly claimsTokens: boolean;
  readonly takesGrpc: boolean;
  readonly offersReflection: boolean;
  readonly audit: 'none' | 'background' | 'fail-closed';
  /** Bytes of the longest body that is forwarded. */
  readonly longestBody: number;
}

/** What the main thread answers to `append`. Fields stand in one array, because each array of bytes costs a copy of its own. */
export interface SentCommit {
  readonly index: number;
  readonly timestamp: number;
  readonly treeSize: number;
  /** Of the log that took the entry. */
  readonly origin: string | undefined;
  /** 32 bytes of leaf hash, 32 bytes of root, the SCT. */
  readonly bytes: Uint8Array;
}

/** What the main thread answers to `count`: the name under which the use can be given back; undefined where it cannot. */
export type SentRefund = number | undefined;

/** Questions of a thread. */
export type WorkerAsk =
  | {
      readonly type: 'append';
      readonly tbs: Uint8Array;
      readonly precertificate: Uint8Array;
      readonly claim: EntryClaim | undefined;
    }
  | { readonly type: 'count'; readonly issuerBlock: string; readonly use: PolicyUse }
  | { readonly type: 'audit'; readonly decision: IssuedDecision }
  | { readonly type: 'sign'; readonly data: Uint8Array }
  | { readonly type: 'readiness' };

/** A request that the main thread answers. Its body is complete, or could not be read. */
export interface ForwardedRequest {
  readonly type: 'request';
  /** Of the request, and of the connection that it came on. */
  readonly id: number;
  readonly connection: number;
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Uint8Array | undefined;
  readonly fault: SentError | undefined;
}

type Note = Parameters<ServiceLog['note']>;

/** What a thread reports. */
export type WorkerReport =
  | { readonly type: 'refund'; readonly refund: number; readonly only: 'token' | undefined }
  | { readonly type: 'audit'; readonly decision: IssuedDecision }
  | { readonly type: 'issued'; readonly decision: ReleasedDecision }
  | {
      readonly type: 'refused';
      readonly decision: RefusedDecision;
      readonly reason: string;
      readonly line: RefusedLine;
    }
  | { readonly type: 'answered'; readonly status: number; readonly method: string; readonly seconds: number }
  | { readonly type: 'line'; readonly line: RefusedLine }
  | { readonly type: 'note'; readonly note: Note }
  | {
      readonly type: 'grpc';
      readonly method: GrpcMethodName;
      readonly event: keyof MethodMetrics;
      readonly code: number;
      readonly seconds: number;
    }
  | { readonly type: 'untrusted-proxy'; readonly client: string }
  | ForwardedRequest
  /** A piece of an answer is on its way to the client. */
  | { readonly type: 'written'; readonly id: number }
  /** An answer was sent, or nobody is left to get it. */
  | { readonly type: 'done'; readonly id: number; readonly isSent: boolean }
  | { readonly type: 'disconnected'; readonly connection: number };

/** Questions of the main thread. */
export type MainAsk =
  /** Opens and listens; the answer is a `PublicListening`. */
  | { readonly type: 'open' }
  /** Compiles a configuration, and keeps it for `switch`. */
  | { readonly type: 'prepare'; readonly config: LoadedConfig }
  /** Puts in force what was prepared. */
  | { readonly type: 'switch' }
  /** Answers. */
  | { readonly type: 'ping' }
  /** Goes on for so many milliseconds, stops accepting, finishes what is under way. */
  | { readonly type: 'end'; readonly delayMs: number };

/** A part of the answer to a {@link ForwardedRequest}. */
export type AnswerPart =
  | {
      readonly type: 'head';
      readonly id: number;
      readonly status: number;
      readonly headers: readonly string[];
    }
  | { readonly type: 'piece'; readonly id: number; readonly bytes: Uint8Array | string }
  | {
      readonly type: 'last';
      readonly id: number;
      readonly bytes: Uint8Array | string | undefined;
      /** The head, where there was no part before this one. */
      readonly head: { readonly status: number; readonly headers: readonly string[] } | undefined;
      /** Whether the main thread is to be given a `done`: it counts what is not sent. */
      readonly isFollowed: boolean;
    };

/** What the main thread reports. */
export type MainReport =
  | AnswerPart
  | { readonly type: 'disconnect'; readonly connection: number }
  /** Drops what was prepared. */
  | { readonly type: 'keep' }
  | { readonly type: 'renew'; readonly tls: TlsPair }
  /** What every certificate would be refused for now, by log or audit. */
  | { readonly type: 'refusal'; readonly log: SentError | undefined; readonly audit: SentError | undefined };
