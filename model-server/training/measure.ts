import { statSync } from 'node:fs';
import { type Classifier, openClassifier } from './classifier.ts';
import { type Digits, digitsOf } from './digits-data.ts';

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
  for (const { pixels } of digitsOf(digits).slice(0, WARM_UP)) await timedRun(classifier, pixels);
  const times: number[] = [];
  let correct = 0;
  let failure: string | undefined;
  for (const { pixels, label } of digitsOf(digits)) {
    const run = await timedRun(classifier, pixels);
    if ('failure' in run) {
      failure ??= run.failure;
    } else {
      times.push(run.microseconds);
      if (run.label === label) correct++;
    }
  }
  await classifier.close();
  return {
    inputs: digits.count,
    failed: digits.count - times.length,
    correct,
    failure,
    fileBytes: statSync(file).size,
    medianMicroseconds: median(times),
  };
}

type Run = { readonly failure: string } | { readonly label: number | undefined; readonly microseconds: number };

async function timedRun(classifier: Classifier, pixels: Uint8Array): Promise<Run> {
  const started = performance.now();
  try {
    const [guess] = await classifier.classify(pixels);
    return { label: guess?.label, microseconds: (performance.now() - started) * 1_000 };
  } catch (error) {
    return { failure: error instanceof Error ? error.message : String(error) };
  }
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
