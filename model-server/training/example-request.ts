import { DIGIT_PIXELS, DIGIT_SIDE, type Digits, pixelsOf } from '../samples/digits.ts';
import { type Classifier, openClassifier } from './classifier.ts';
import { DIGITS_VERSIONS, modelFile } from './project-files.ts';

const WANTED = 7;

/** Versions 1 and 2 have to be this sure: the first request a reader sends should have a plain answer. */
const CLEAR = 0.99;

/** The first held-out seven that versions 1 and 2 are sure of and version 3 answers too; its row. */
export async function findClearSeven(digits: Digits): Promise<number> {
  const classifiers = await Promise.all(DIGITS_VERSIONS.map((version) => openClassifier(modelFile(version))));
  try {
    for (let row = 0; row < digits.count; row++) {
      if (digits.labels[row] === WANTED && (await isClear(classifiers, pixelsOf(digits, row)))) return row;
    }
  } finally {
    await Promise.all(classifiers.map((classifier) => classifier.close()));
  }
  throw new Error(`no held-out ${WANTED} is clear to all versions`);
}

/** An Open Inference Protocol v2 request for one digit, its data laid out so that the digit can be seen. */
export function exampleRequest(digits: Digits, row: number): string {
  const pixels = Array.from(pixelsOf(digits, row), (pixel) => String(pixel).padStart(3));
  const lines = Array.from({ length: DIGIT_SIDE }, (_, line) =>
    pixels.slice(line * DIGIT_SIDE, (line + 1) * DIGIT_SIDE).join(','),
  );
  return `{
  "id": "held-out-${row}",
  "inputs": [
    {
      "name": "image",
      "shape": [1, ${DIGIT_PIXELS}],
      "datatype": "FP32",
      "data": [
        ${lines.join(',\n        ')}
      ]
    }
  ]
}
`;
}

async function isClear(classifiers: readonly Classifier[], pixels: Uint8Array): Promise<boolean> {
  try {
    const guesses = (await Promise.all(classifiers.map((classifier) => classifier.classify(pixels)))).flat();
    const [first, second] = guesses;
    return guesses.every(({ label }) => label === WANTED) && isSure(first?.probability) && isSure(second?.probability);
  } catch {
    return false;
  }
}

function isSure(probability: number | undefined): boolean {
  return probability !== undefined && probability >= CLEAR;
}
