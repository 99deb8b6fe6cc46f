import { InferenceSession, Tensor } from 'onnxruntime-node';

/** One of the spam models under onnxruntime itself, on one thread. */
export type SpamFilter = {
  /** Answers for each text how likely it is spam, 0 to 1. */
  judge(texts: readonly string[]): Promise<number[]>;
  close(): Promise<void>;
};

export async function openSpamFilter(file: string): Promise<SpamFilter> {
  const session = await InferenceSession.create(file, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 4,
  });
  return {
    async judge(texts) {
      const { probabilities } = await session.run({ text: new Tensor('string', [...texts], [texts.length]) });
      if (!(probabilities?.data instanceof Float32Array)) throw new Error(`${file}: no probabilities in the answer`);
      const rows = probabilities.data;
      return texts.map((_, row) => rows[2 * row + 1] as number);
    },
    close: () => session.release(),
  };
}
