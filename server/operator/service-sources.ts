import type { Audit } from '../../audit/audit.ts';
import type { Clock } from '../../core/clock.ts';
import type { ConfiguredIssuer } from '../../policy/issuer-policy-definition.ts';
import type { ReplayGuardStatus } from '../../policy/replay/replay-guard.ts';
import type { RemoteKey, Signer } from '../../signers/signer.ts';
import type { LogStatus } from '../../tlog/log-status.ts';
import type { TufStatus } from '../../trust/tuf/upkeep.ts';
import type { TlsStatus } from '../http/tls-certificate.ts';
import type { ConfigurationState } from './configuration-state.ts';

/** A timestamp authority that says how it is. */
export interface TimestampSource {
  /** Why no timestamp is granted at that time, a sentence; undefined when they are. */
  faultAt(now: number): string | undefined;
  /** What the operator should know although timestamps are granted, a sentence. */
  warning(): string | undefined;
  /** When its certificates are valid and trusted, in milliseconds since the epoch. */
  readonly validity: { readonly notBefore: number; readonly notAfter: number };
  /** Milliseconds by which the clock is behind the time servers; undefined where none has answered. */
  clockOffset(): number | undefined;
}

/** A log of somebody else that certificates go to, and says how it does. */
export interface OutsideLogSource {
  status(): {
    readonly url: string;
    readonly logged: number;
    readonly failed: number;
    /** Why the last entry failed; undefined after one that did not. */
    readonly failure: string | undefined;
  };
  /** Why no entry is tried at the moment; undefined while they are. */
  refusal(): Error | undefined;
}

/** Submission to the log that says how it is. */
export interface SubmissionSource {
  /** Why what was handed in before cannot be found; undefined while it can. */
  readonly failure: string | undefined;
}

/** A log that says how it is. */
export interface LogStatusSource {
  status(): LogStatus;
}

/** A log of artifacts that says how it is. */
export interface ArtifactLogSource extends LogStatusSource {
  readonly api: 1 | 2;
  /** Why it takes no entries; undefined while it does. */
  refusal(): unknown;
  /** What is wrong with its redactions; undefined where nothing is. */
  readonly redactionFault?: string | undefined;
}

/** A log of artifacts by its name, with what its entries are found by. */
export interface NamedArtifactLog {
  readonly name: string;
  readonly log: ArtifactLogSource;
  readonly search: SearchStatus | undefined;
}

/** A log beside the one in use, as it was read last. */
export interface OtherLogStatus {
  readonly name: string;
  /** What it is to the service; `unreadable` when it was never read. */
  readonly state: 'staged' | 'ending' | 'frozen' | 'unreadable';
  readonly size: number | undefined;
  /** Why it cannot be read as a whole, or not be ended; undefined when nothing is known to be wrong. */
  readonly failure: string | undefined;
}

/** Something that signs, as what is recorded for verifiers says. */
export interface TrustedPart {
  readonly name: 'authority' | 'log' | 'artifacts-v1' | 'artifacts-v2';
  /** When they trust it, milliseconds since the epoch, both ends inclusive; undefined where nothing is recorded. */
  readonly window: { readonly start: number; readonly end?: number | undefined } | undefined;
  /** When its own certificate ends, where it has one; milliseconds since the epoch. */
  readonly certificateEnd?: number | undefined;
}

/** Until when verifiers trust what signs. */
export interface TrustStatus {
  /** None where nothing is issued. */
  readonly parts: readonly TrustedPart[];
  /** Why it is not known, a sentence; what was known last counts then. */
  readonly failure: string | undefined;
}

/** An index that entries are found by. */
export interface SearchStatus {
  /** Why it could not be made, the last time; undefined while all is well. */
  readonly failure: string | undefined;
}

/** How far what a log stores was read through, and what was found. */
export interface ScrubStatus {
  /** Of the log. */
  readonly name: string;
  /** Entries that were read in this pass, and all that it reads. */
  readonly entries: number;
  readonly of: number;
  /** Files that are damaged or missing, and what is wrong with the first. */
  readonly damaged: number;
  readonly first: string | undefined;
  /** When the last pass ended, milliseconds since the epoch. */
  readonly endedAt: number | undefined;
  /** Why nothing can be read at the moment. */
  readonly failure: string | undefined;
}

/** Logs that follow each other by themselves. */
export interface ShardsStatus {
  /** When the log in use ends, by the calendar; milliseconds since the epoch. */
  readonly endsAt: number | undefined;
  /** The name of the log that is to follow it; undefined while there is none. */
  readonly next: string | undefined;
  /** What keeps the next log from being there, or in use, in time, a sentence. */
  readonly trouble: string | undefined;
}

/** The threads that take connections. */
export interface WorkersStatus {
  /** How many there are to be, and how many take connections now. */
  readonly wanted: number;
  readonly running: number;
  /** Those that ended, each of which is replaced. */
  readonly ended: number;
  /** Why the last one of them did; undefined once all run. */
  readonly failure: string | undefined;
}

/** Keys outside the process, each with the setting that names it. */
export interface RemoteKeysSource {
  readonly remote: readonly { readonly name: string; readonly remote: RemoteKey }[];
}

/** What metrics and readiness read of a service whenever they are asked. Nothing of it is pushed. */
export interface ServiceSources {
  readonly clock: Clock;
  /** The issuing CA: its key, and when its chain is valid, in milliseconds since the epoch. */
  readonly authority: {
    readonly signer: Signer;
    readonly validity: { readonly notBefore: number; readonly notAfter: number };
  };
  /** Keys outside the process; without it none is. */
  readonly keys?: RemoteKeysSource | undefined;
  readonly log: LogStatusSource;
  /** The index of its entries; without it nobody can search there. */
  readonly search?: SearchStatus | undefined;
  /** Whether certificates are in no log, and carry no SCT. */
  readonly isUnlogged?: boolean | undefined;
  /** Where certificates are logged; undefined where that is {@link log}. */
  readonly outsideLog?: OutsideLogSource | undefined;
  /** Where other CAs hand in certificates; undefined where they cannot. */
  readonly submission?: { readonly submissions: SubmissionSource } | undefined;
  /** Those of artifacts, where any are served. */
  readonly artifacts?:
    | {
        /** Those in use. */
        readonly logs: readonly ArtifactLogSource[];
        /** What each of them is called. */
        readonly names: readonly string[];
        /** Why the index of each of them could not be made, the last time; undefined while all is well. */
        readonly searches: readonly SearchStatus[];
        /** Those before them. */
        readonly former: readonly NamedArtifactLog[];
      }
    | undefined;
  /** The logs beside it, and its name. */
  readonly otherLogs: { readonly currentName: string; status(): readonly OtherLogStatus[] };
  /** What has them follow each other; undefined where nothing does. */
  readonly shards?: { status(): ShardsStatus } | undefined;
  /** What reads through the files of the logs; undefined where nothing does. */
  readonly scrubbing?: { status(): readonly ScrubStatus[] } | undefined;
  /** Holds the configuration in force. */
  readonly policy: { readonly current: { readonly issuers: readonly ConfiguredIssuer[] } };
  /** What is recorded for verifiers; without it nothing is known of that. */
  readonly trusted?:
    | {
        status(): TrustStatus;
        /** When verifiers trust a log of artifacts that is served, in use or not. */
        windowOf(log: { readonly logId: Uint8Array }): TrustedPart['window'];
      }
    | undefined;
  /** Whether the service was asked to end. */
  readonly isClosing: () => boolean;
  /** What follows the configuration; without it none is followed. */
  readonly configuration?: { readonly state: ConfigurationState } | undefined;
  /** Holds the memory of used tokens; that is undefined as long as no issuer block wants one. */
  readonly replayGuard?: { readonly guard: ReplayGuardStatus | undefined } | undefined;
  readonly audit?: Pick<Audit, 'isFailClosed' | 'status'> | undefined;
  /** Without it the service grants no timestamps. */
  readonly timestamps?: TimestampSource | undefined;
  /** The certificate that is served; without it the service speaks plain HTTP. */
  readonly tls?: { status(): TlsStatus } | undefined;
  /** The threads that take connections; undefined where the main thread does. */
  readonly workers?: { status(): WorkersStatus } | undefined;
  /** Whether a listener takes calls over gRPC. */
  readonly takesGrpc?: boolean | undefined;
  /** The TUF repository; its status is undefined while there is none. */
  readonly tuf?: { status(): TufStatus | undefined } | undefined;
}
