import { pathOf } from '../../policy/paths.ts';
import type { Version } from '../../policy/policy.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { look } from './look.ts';

const AGAIN_MS = 30_000;
/** After an answer that told nothing. */
const RETRY_MS = 2000;

/** What is accepted as a digest: every record of a comparison holds it. */
const DIGEST = /^[\w:.+/=-]{1,128}$/;

type Known = { digest: string | undefined; askAt: number };

/** Which model file answers under a version's name, as its servers tell. Asked now and then, never waited for. */
export class Digests {
  readonly #fleet: Fleet;
  readonly #known = new WeakMap<Version, Known>();
  /** By name, so that a new policy does not make known files unknown. */
  readonly #byName = new Map<string, Known>();

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
  }

  /** The SHA-256 of the version's model file, hex; undefined while no server has told it. */
  of(version: Version): string | undefined {
    const known = this.#known.get(version) ?? this.#knownAs(version);
    const now = performance.now();
    if (now >= known.askAt) {
      known.askAt = now + AGAIN_MS;
      void this.#ask(version, known);
    }
    return known.digest;
  }

  #knownAs(version: Version): Known {
    const name = `${version.model} ${version.label} ${version.upstream} ${version.servers}`;
    const known = this.#byName.get(name) ?? { digest: undefined, askAt: 0 };
    this.#byName.set(name, known);
    this.#known.set(version, known);
    return known;
  }

  /** Asks for those that are not known, and waits for the answers. */
  async learn(versions: readonly Version[]): Promise<void> {
    await Promise.all(
      versions.map((version) => {
        const known = this.#knownAs(version);
        known.askAt = performance.now() + AGAIN_MS;
        return this.#ask(version, known);
      }),
    );
  }

  async #ask(version: Version, known: Known): Promise<void> {
    const path = pathOf(version, 'metadata');
    const [seat] = this.#fleet.placementOf(version).seats;
    if (path === undefined || seat === undefined) {
      known.askAt = performance.now() + RETRY_MS;
      return;
    }
    const seen = await look(seat.server, path);
    const metadata = ('silence' in seen ? undefined : seen.json) as { parameters?: { sha256?: unknown } } | undefined;
    const sha256 = metadata?.parameters?.sha256;
    if (typeof sha256 === 'string' && DIGEST.test(sha256)) known.digest = sha256;
    else known.askAt = performance.now() + RETRY_MS;
  }
}
