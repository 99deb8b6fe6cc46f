import { join } from 'node:path';
import { DIGIT_PIXELS, DIGIT_SIDE, type Digits } from './digits.ts';
import { readIdx, writeIdx } from './idx.ts';

const IMAGES = 'digits-held-out-images-idx3-ubyte.gz';
const LABELS = 'digits-held-out-labels-idx1-ubyte.gz';

/** Writes the held-out digits into a folder as MNIST's own pair of files. */
export function writeHeldOut(folder: string, { count, images, labels }: Digits): void {
  writeIdx(join(folder, IMAGES), { dims: [count, DIGIT_SIDE, DIGIT_SIDE], data: images });
  writeIdx(join(folder, LABELS), { dims: [count], data: labels });
}

/** Reads them back. */
export function readHeldOut(folder: string): Digits {
  const images = readIdx(join(folder, IMAGES));
  const labels = readIdx(join(folder, LABELS));
  const count = labels.data.length;
  if (images.data.length !== count * DIGIT_PIXELS) {
    throw new Error(`${join(folder, IMAGES)} holds [${images.dims}] but ${LABELS} holds ${count} labels`);
  }
  return { count, images: images.data, labels: labels.data };
}
