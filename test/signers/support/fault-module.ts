/** A PKCS#11 module between Mayfly and SoftHSM that fails when it is ordered to. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../support/project-root.ts';
import { skipUnless } from '../../support/skipped.ts';
import type { SoftHsm } from '../../support/softhsm.ts';

/** What a function does: `returns 0x32`, `crash`, `hang`, `slow 100`, `serial 100` (one after the other), `other` and `short` (signatures), `flags 0x40000` (of the token), `broad 0x30` (of a search for every object of a class). */
type Order = readonly [name: `C_${string}`, does: string];

/** The module, and its orders. */
export class FaultModule {
  readonly #directory: string;
  readonly file: string;

  /** Skips `test` where there is no compiler. The environment of `hsm` has what the module needs. */
  constructor(test: Mocha.Context, hsm: SoftHsm) {
    this.#directory = hsm.directory;
    this.file = join(hsm.directory, 'fault-module.so');
    const source = join(projectRoot, 'test/signers/support/fault-module.c');
    let isMade = true;
    try {
      execFileSync('gcc', ['-shared', '-fPIC', '-o', this.file, source, '-ldl'], { stdio: 'pipe' });
    } catch {
      isMade = false;
    }
    skipUnless(test, isMade, 'no gcc to make a failing PKCS#11 module with');
    Object.assign(hsm.env, {
      FAULT_MODULE: hsm.module,
      FAULT_ORDERS: this.#orders,
      FAULT_LOGINS: this.#logins,
    });
    this.orders();
  }

  get #orders(): string {
    return join(this.#directory, 'orders');
  }

  get #logins(): string {
    return join(this.#directory, 'logins');
  }

  /** What it does from now on, instead of what it did. */
  orders(...orders: readonly Order[]): void {
    writeFileSync(this.#orders, orders.map((order) => `${order.join(' ')}\n`).join(''));
  }

  /** How often somebody logged in since the last {@link forgetLogins}. */
  get logins(): number {
    return existsSync(this.#logins) ? readFileSync(this.#logins).length : 0;
  }

  forgetLogins(): void {
    writeFileSync(this.#logins, '');
  }
}
