// One prediction, free of any transport.
import { tooLarge } from './errors.ts';
import { type ConfidenceKind, confidenceOf, widthOf } from './protocol/confidence.ts';
import type { ReadyVersion } from './repository/loader.ts';
import { clientLeft, deadlinePassed, inTime, timeLeft } from './run/deadline.ts';
import type { RunResult } from './run/runner.ts';
import type { Tensor } from './run/tensors.ts';

/** What is asked of a version. */
export type Asked = {
  readonly inputs: readonly Tensor[];
  /** The outputs that are shown, by name. */
  readonly outputs: readonly string[];
  /** How long the caller gives it, in milliseconds, by its body and by its header. */
  readonly limitsMs: readonly (number | undefined)[];
  readonly priority: number | undefined;
};

/** Who asks, whatever door it came through. */
export type Caller = {
  /** Milliseconds since its request arrived. */
  readonly waitedMs: () => number;
  readonly hasLeft: () => boolean;
  /** `leave` hears when it leaves, until the function that is returned is called. */
  readonly onLeave: (leave: () => void) => () => void;
};

/** Runs a version once. Throws RequestError when it may not run, or has not run in time. */
export function predict(version: ReadyVersion, asked: Asked, caller: Caller): Promise<RunResult> {
  const { inputs, priority } = asked;
  refuseLarge(inputs, version);
  const { settings } = version;
  const queueMs = settings.queue?.timeout === undefined ? undefined : settings.queue.timeout / 1000;
  const leftMs = timeLeft(caller.waitedMs(), [...asked.limitsMs, queueMs]);
  if (leftMs !== undefined && leftMs <= 0) {
    throw deadlinePassed();
  }
  if (caller.hasLeft()) {
    throw clientLeft();
  }
  const ticket = version.runner.submit({ inputs, outputs: outputsToRun(asked, version), priority });
  return inTime(ticket, leftMs, caller.onLeave);
}

/** What the answer needs: what it shows, and what its confidence is read from. */
function outputsToRun({ outputs }: Asked, { settings: { confidence } }: ReadyVersion): readonly string[] {
  return [...new Set([...outputs, ...(confidence === undefined ? [] : [confidence.output])])];
}

function refuseLarge(inputs: readonly Tensor[], { hasRows, settings }: ReadyVersion): void {
  const rows = inputs[0]?.shape[0] ?? 1;
  if (hasRows && rows > settings.max_request_rows) {
    throw tooLarge(`a request may have ${settings.max_request_rows} rows, this one has ${rows}: send it in parts`);
  }
  for (const { name, data } of inputs) {
    // Characters, which are never more than bytes: a text this long is too long in any measure.
    if (Array.isArray(data) && data.some((text) => text.length > settings.max_text)) {
      throw tooLarge(`an element of input "${name}" is longer than ${settings.max_text} characters`);
    }
  }
}

/** How sure the model was, where its settings say how to read it. */
export function confidenceIn({ outputs }: RunResult, { settings: { confidence } }: ReadyVersion): number | undefined {
  const output = confidence && outputs.find(({ name }) => name === confidence.output);
  return output && tensorConfidence(output, confidence.as);
}

/** The confidence of a tensor of probabilities, by `protocol/confidence.ts`. Undefined for one that holds no floats. */
export function tensorConfidence({ data, shape }: Tensor, kind: ConfidenceKind): number | undefined {
  if (!(data instanceof Float32Array || data instanceof Float64Array)) return undefined;
  return confidenceOf(data, widthOf(shape), kind);
}
