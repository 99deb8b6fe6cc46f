import { pathOf } from '../policy/paths.ts';
import type { Version } from '../policy/policy.ts';
import type { Fleet } from './fleet.ts';
import { look } from './look.ts';

const AGAIN_MS = 30_000;

type Known = { digest: string | undefined; askAt: number };

/** Which model file answers under a version's name, as its servers tell. Asked now and then, never waited for. */
export class Digests {
  readonly #fleet: Fleet;
  readonly #known = new WeakMap<Version, Known>();

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
  }

  /** The SHA-256 of the version's model file, hex; undefined while no server has told it. */
  of(version: Version): string | undefined {
    const known = this.#known.get(version) ?? { digest: undefined, askAt: 0 };
    const now = performance.now();
    if (now >= known.askAt) {
      known.askAt = now + AGAIN_MS;
      this.#known.set(version, known);
      void this.#ask(version, known);
    }
    return known.digest;
  }

  async #ask(version: Version, known: Known): Promise<void> {
    const path = pathOf(version, 'metadata');
    const [seat] = this.#fleet.placementOf(version).seats;
    if (path === undefined || seat === undefined) return;
    const told = (await look(seat.server, path))?.json as { parameters?: { sha256?: unknown } } | undefined;
    const sha256 = told?.parameters?.sha256;
    if (typeof sha256 === 'string') known.digest = sha256;
  }
}
