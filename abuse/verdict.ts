/** Judges what was measured of an attack. */
import type { ServedClients, Phase } from './honest-clients.ts';

/** Measurements of one attack. Memory in bytes. */
export interface AttackMeasurement {
  readonly attack: string;
  readonly before: Phase;
  readonly during: Phase;
  readonly after: Phase;
  readonly memory: {
    /** Of a service that is warm, before any attack. */
    readonly rest: number;
    readonly before: number;
    readonly peak: number;
    readonly after: number;
  };
  /** Growth of the service log during the attack. */
  readonly logBytesPerSecond: number;
  readonly isRunning: boolean;
  /** Milliseconds that the service took to end while the attack went on, where it got the signal to. */
  readonly endMs?: number | undefined;
  /** Of the time in which the service's main thread was ready to run, the part in which it ran: 1 on an idle machine.
   * Attackers run at the lowest priority, so other programs had the rest. */
  readonly processorShare: number;
  /** The same of the quiet period after the attack. */
  readonly shareAfter: number;
}

/** Milliseconds by which the p99 of honest clients may grow, unless the run has another limit. */
export const MAX_GROWTH = 250;

/** Resident bytes by which the process may grow over what it had before the first attack. Eight rounds of `h2-kept-segments`, `hidden-heads`, `h2-half-messages` and
 * `h2-compressed`, on a machine with other work, came to 226 MB (from 281 to 507) within the first two and stayed there; other runs came to 254. With all garbage collected every
 * three seconds, what the C library had given out was 98 to 119 MB in each round, so nothing of an attack is kept; what it keeps of freed memory was 80 to 119 MB more. */
export const MAX_MEMORY_GROWTH = 300_000_000;

/** Milliseconds of an end. Clients that read nothing have three seconds. */
const MAX_END = 10_000;

/** Part of the honest requests that may be refused where the machine is not too busy. */
const MAX_REFUSED = 0.01;

/** Growth of the service log, bytes a second. */
const MAX_LOG = 100_000;

/** Below this share, latencies say more about the machine than about the service. */
const LEAST_SHARE = 0.5;

/** Whether the machine was too busy to judge latencies. */
export const isTooBusy = ({ processorShare }: AttackMeasurement): boolean => processorShare < LEAST_SHARE;

/** Part of the requests that may be refused while the service gets that share. One without a processor cannot serve for that part of the time: its clients'
 * places to wait fill up, and the next request is refused as it has to be. */
const refusable = (share: number, most: number): number => (share < LEAST_SHARE ? 1 - share : most);

/** What is wrong, a sentence each; empty when all limits hold. `maxGrowth` in milliseconds. */
export function faultsOf(measured: AttackMeasurement, maxGrowth = MAX_GROWTH): string[] {
  const { during, after, memory, logBytesPerSecond, isRunning, endMs = 0 } = measured;
  if (!isRunning) return ['the service ended'];
  return [
    ...(['signing', 'reading', 'logging'] as const).flatMap((kind) => [
      ...refusals(
        `honest ${kind} requests were refused`,
        during[kind],
        refusable(measured.processorShare, MAX_REFUSED),
      ),
      ...refusals(
        `honest ${kind} requests were refused after the attack`,
        after[kind],
        refusable(measured.shareAfter, 0),
      ),
      ...(isTooBusy(measured) || growthOf(kind, measured) <= maxGrowth ? [] : slowness(kind, measured)),
    ]),
    ...(memory.peak > memory.rest + MAX_MEMORY_GROWTH
      ? [`resident memory grew from ${megabytes(memory.rest)} to ${megabytes(memory.peak)} MB`]
      : []),
    ...(endMs > MAX_END ? [`the service took ${ms(endMs)} ms to end`] : []),
    ...(logBytesPerSecond > MAX_LOG
      ? [`the service log grew by ${Math.round(logBytesPerSecond / 1000)} kB a second`]
      : []),
  ];
}

/** In units of a million. */
export const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0);

function refusals(what: string, { served, refused, firstRefusal }: ServedClients, most: number): string[] {
  if (refused <= most * (served + refused)) return [];
  return [`${refused} of ${served + refused} ${what}: ${firstRefusal ?? ''}`];
}

type Kind = keyof Phase;

/** Latency is scaled by the processor share: waiting for a processor makes everything slower by that factor. */
const growthOf = (kind: Kind, { before, during, processorShare }: AttackMeasurement): number =>
  during[kind].p99 * processorShare - before[kind].p99;

const slowness = (kind: Kind, { before, during }: AttackMeasurement): string[] => [
  `p99 of honest ${kind} requests grew from ${ms(before[kind].p99)} to ${ms(during[kind].p99)} ms`,
];

const ms = (value: number): string => value.toFixed(0);
