import { Gauge, type Registry } from 'prom-client';

/** Registers a gauge without labels whose value is read whenever the metrics are. */
export function registerGauge(registers: Registry[], name: string, help: string, read: () => number): void {
  new Gauge({
    name,
    help,
    registers,
    collect() {
      this.set(read());
    },
  });
}
