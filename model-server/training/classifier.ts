import { InferenceSession, Tensor } from 'onnxruntime-node';
import { DIGIT_PIXELS } from '../samples/digits.ts';

export type Guess = { readonly label: number; readonly probability: number };

/** One of the digits models under onnxruntime itself, on one thread. */
export type Classifier = {
  /** Guesses for `images` [count, 784], ink 0 to 255; rejects where the run fails. */
  classify(images: Uint8Array): Promise<Guess[]>;
  close(): Promise<void>;
};

export async function openClassifier(file: string): Promise<Classifier> {
  // Severity 4: a failing run is thrown, it need not be printed as well.
  const session = await InferenceSession.create(file, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 4,
  });
  return {
    async classify(images) {
      const image = new Tensor('float32', new Float32Array(images), [images.length / DIGIT_PIXELS, DIGIT_PIXELS]);
      const { label, probabilities } = await session.run({ image });
      if (!(label?.data instanceof BigInt64Array) || !(probabilities?.data instanceof Float32Array)) {
        throw new Error(`${file}: no label or no probabilities in the answer`);
      }
      const rows = probabilities.data;
      return Array.from(label.data, (digit, row) => ({
        label: Number(digit),
        probability: rows[row * 10 + Number(digit)] as number,
      }));
    },
    close: () => session.release(),
  };
}
