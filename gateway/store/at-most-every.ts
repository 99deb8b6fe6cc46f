/**
 * A function to be called as often as anyone likes: it runs at once, while calls go on once in `ms`, and once after the last
 * of them. So a flood of messages costs no more than a clock does.
 */
export function atMostEvery(ms: number, run: () => void): () => void {
  let pause: NodeJS.Timeout | undefined;
  let isWanted = false;
  const call = () => {
    isWanted = pause !== undefined;
    if (isWanted) return;
    run();
    pause = setTimeout(() => {
      pause = undefined;
      if (isWanted) call();
    }, ms).unref();
  };
  return call;
}
