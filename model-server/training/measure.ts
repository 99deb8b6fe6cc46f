import { statSync } from 'node:fs';
import { type Digits, digitsOf } from '../samples/digits.ts';
import { openClassifier } from './classifier.ts';

/** What one model file did with a set of digits, sent one by one. */
export type Score = {
  readonly inputs: number;
  /** Runs that onnxruntime refused; the other inputs were answered. */
  readonly failed: number;
  readonly correct: number;
  /** The first refusal's message. */
  readonly failure: string | undefined;
  readonly fileBytes: number;
  /** Median time of one answered run, the call from JavaScript included. */
  readonly medianMicroseconds: number;
};

/** Runs before the clock counts: by then the JavaScript around them is compiled. */
const WARM_UP = 500;

/** Runs every digit through the file as a batch of one. */
export async function measure(file: string, digits: Digits): Promise<Score> {
  const classifier = await openClassifier(file);
  const labelOf = async (pixels: Uint8Array) => (await classifier.classify(pixels))[0]?.label;
  const score = await measureRuns(
    file,
    digitsOf(digits).map(({ pixels, label }) => ({ input: pixels, label })),
    labelOf,
  );
  await classifier.close();
  return score;
}

/** Runs every input through a file one by one, after some that do not count. */
export async function measureRuns<T>(
  file: string,
  examples: readonly { readonly input: T; readonly label: number }[],
  labelOf: (input: T) => Promise<number | undefined>,
): Promise<Score> {
  for (const { input } of examples.slice(0, WARM_UP)) await timedRun(labelOf, input);
  const times: number[] = [];
  let correct = 0;
  let failure: string | undefined;
  for (const { input, label } of examples) {
    const run = await timedRun(labelOf, input);
    if ('failure' in run) {
      failure ??= run.failure;
    } else {
      times.push(run.microseconds);
      if (run.label === label) correct++;
    }
  }
  return {
    inputs: examples.length,
    failed: examples.length - times.length,
    correct,
    failure,
    fileBytes: statSync(file).size,
    medianMicroseconds: median(times),
  };
}

type Run = { readonly failure: string } | { readonly label: number | undefined; readonly microseconds: number };

async function timedRun<T>(labelOf: (input: T) => Promise<number | undefined>, input: T): Promise<Run> {
  const started = performance.now();
  try {
    const label = await labelOf(input);
    return { label, microseconds: (performance.now() - started) * 1_000 };
  } catch (error) {
    return { failure: error instanceof Error ? error.message : String(error) };
  }
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
