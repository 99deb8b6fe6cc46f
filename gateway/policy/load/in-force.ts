import type { Policy } from '../policy.ts';
import { hasLastGood, keepLastGood, lastGoodFile, neitherIsGood } from './last-good.ts';
import { PolicyError } from './load.ts';
import { type Loaded, PolicyLoader } from './loader.ts';
import { isStill, signatureOf, watchPolicy } from './watch.ts';

/** A copy that the disk refused is written again so often. */
const AGAIN_MS = 1000;
/** How long a start waits for a bad file that keeps changing. */
const STILL_WITHIN_MS = 2000;

export type InForceOptions = {
  readonly file: string;
  /** Where the last good copy is kept. */
  readonly folder: string;
  /** Hears of a file that is refused, and of a copy that could not be kept. */
  readonly onTrouble: (message: string) => void;
  /** The file that was refused is again the policy in force. */
  readonly onGoodAgain?: () => void;
  /** A file that kept changing has stopped, and is in force. */
  readonly onSettled?: () => void;
};

/** Why an edit is not taken while the file keeps changing, and what to do. */
const UNSETTLED =
  'the policy file, or a certificate that it names, keeps changing and is not taken yet: the gateway waits until it stays as it is. Write another file and rename it over this one, or end the file with the line "end: true"';

/** What a person or a probe may want to know of the policy in force. */
export type PolicyStanding = {
  readonly file: string;
  readonly sha256: string;
  /** ISO time at which it took over. */
  readonly since: string;
  /** At a start with a bad file the last good copy takes over. */
  readonly from: 'file' | 'last good copy';
  /** What is wrong with the file as it stands; undefined when the file is what is in force. */
  readonly mistake: string | undefined;
  /** Why the last good copy on disk is not the policy in force, so that a restart would not find it; undefined while it is. */
  readonly uncopied: string | undefined;
  /** That the file keeps changing, so that it is not taken, with what to do; undefined while it does not. */
  readonly unsettled: string | undefined;
};

/** The policy that decides now: the file's, or the last good one while the file is bad. */
export class PolicyInForce {
  readonly #options: InForceOptions;
  readonly #loader = new PolicyLoader();
  #current: { readonly policy: Policy; readonly since: string; readonly from: PolicyStanding['from'] } | undefined;
  #mistake: string | undefined;
  #unsettled: string | undefined;
  /** Of the file before it was first loaded. */
  #signature = '';
  #stopWatching: () => void = () => {};
  /** The copies on their way, one after the other. */
  #keeping: Promise<void> = Promise.resolve();
  #textToKeep = '';
  #uncopied: string | undefined;
  #again: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: InForceOptions) {
    this.#options = options;
  }

  get policy(): Policy {
    if (this.#current === undefined) throw new Error('no policy is in force before open() has resolved');
    return this.#current.policy;
  }

  get standing(): PolicyStanding {
    const { since = '', from = 'file' } = this.#current ?? {};
    return {
      file: this.#options.file,
      sha256: this.policy.sha256,
      since,
      from,
      mistake: this.#mistake,
      uncopied: this.#uncopied,
      unsettled: this.#unsettled,
    };
  }

  /** Loads the file, or the last good copy when the file is bad. Rejects with PolicyError when there is neither. */
  async open(): Promise<void> {
    const { file, folder } = this.#options;
    try {
      const loaded = await this.#loadStill();
      this.#adopt(loaded);
      const { files } = loaded.policy.certificates;
      if (files.length > 0)
        this.#signature = [this.#signature, ...(await Promise.all(files.map(signatureOf)))].join(' ');
      await this.#keep(loaded);
    } catch (error) {
      if (!hasLastGood(folder, file)) {
        await this.close();
        throw error;
      }
      const { policy } = await this.#loader
        .load(lastGoodFile(folder, file), 'nothing')
        .catch(async (ofCopy: unknown) => {
          await this.close();
          throw neitherIsGood(error, ofCopy);
        });
      this.#current = { policy, since: new Date().toISOString(), from: 'last good copy' };
      this.#refuse(error);
    }
  }

  /** Follows the file from now on: `onChange` hears of each policy in the moment it takes over. */
  watch(onChange: (loaded: Loaded) => void): void {
    this.#stopWatching = watchPolicy({
      file: this.#options.file,
      besides: () => this.policy.certificates.files,
      handled: this.#signature,
      load: (file) => this.#loader.load(file, 'traffic'),
      onGood: async (loaded) => {
        const { sha256, certificates } = this.policy;
        const isOther = loaded.policy.sha256 !== sha256 || loaded.policy.certificates.sha256 !== certificates.sha256;
        const wasBad = this.#mistake !== undefined;
        this.#adopt(loaded);
        if (isOther) onChange(loaded);
        else if (wasBad) this.#options.onGoodAgain?.();
        await this.#keep(loaded); // the next load waits for it, so two copies are never written at a time
      },
      onBad: (error) => this.#refuse(error),
      onUnsettled: () => {
        this.#unsettled = UNSETTLED;
        this.#options.onTrouble(UNSETTLED);
      },
      onSettled: () => {
        this.#unsettled = undefined;
        if (this.#mistake === undefined) this.#options.onSettled?.();
      },
    });
  }

  /** Stops following the file. A copy that is being written is written to its end. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#again);
    this.#stopWatching();
    this.#loader.close();
    await this.#keeping;
  }

  /** Loads the file; one that is bad because it is just being written is looked at again until it stands still. */
  async #loadStill(): Promise<Loaded> {
    const { file } = this.#options;
    const giveUpAt = performance.now() + STILL_WITHIN_MS;
    for (;;) {
      this.#signature = await signatureOf(file);
      try {
        return await this.#loader.load(file, 'nothing');
      } catch (error) {
        if (performance.now() > giveUpAt || (await isStill(file, this.#signature))) throw error;
      }
    }
  }

  #adopt({ policy }: Loaded): void {
    this.#mistake = undefined;
    this.#current = { policy, since: new Date().toISOString(), from: 'file' };
  }

  #keep({ text }: Loaded): Promise<void> {
    this.#textToKeep = text;
    return this.#keepInTurn();
  }

  #keepInTurn(): Promise<void> {
    clearTimeout(this.#again);
    this.#keeping = this.#keeping.then(() => this.#keepLatest());
    return this.#keeping;
  }

  async #keepLatest(): Promise<void> {
    const { folder, file, onTrouble } = this.#options;
    try {
      await keepLastGood(folder, file, this.#textToKeep);
      this.#uncopied = undefined;
    } catch (error) {
      const sentence = `the last good copy could not be kept: ${(error as Error).message}`;
      if (this.#uncopied !== sentence) onTrouble(sentence); // once, not once a second
      this.#uncopied = sentence;
      if (!this.#isClosed) this.#again = setTimeout(() => void this.#keepInTurn(), AGAIN_MS).unref();
    }
  }

  #refuse(error: unknown): void {
    this.#mistake = error instanceof PolicyError ? error.message : String(error);
    this.#options.onTrouble(this.#mistake);
  }
}
