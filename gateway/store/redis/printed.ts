// ioredis writes some warnings to the console, beside our log: they are heard here and not printed.

/** Whose lines they are, by the files of a stack. */
const OF_IOREDIS = /[\\/]node_modules[\\/]ioredis[\\/]/;
/** The check for a right that is reported with all others, see rights.ts. */
const REPORTED_ELSEWHERE = /^Skipping the ready check because INFO command fails/;

type Listener = (text: string) => void;

const listeners = new Set<Listener>();
let unwrap = () => {};

/** Hears what ioredis would print; while anyone listens it is not printed. Returns how to stop. */
export function hearPrinted(listener: Listener): () => void {
  if (listeners.size === 0) unwrap = wrap();
  const own: Listener = (text) => listener(text);
  listeners.add(own);
  return () => {
    if (listeners.delete(own) && listeners.size === 0) unwrap();
  };
}

function wrap(): () => void {
  const { warn, error } = console;
  const heard =
    (print: typeof warn): typeof warn =>
    (...words) => {
      if (!OF_IOREDIS.test(new Error().stack ?? '')) return print.apply(console, words);
      const text = words.join(' ').replace(/^\[\w+\] /, '');
      if (!REPORTED_ELSEWHERE.test(text)) for (const listener of listeners) listener(text);
    };
  console.warn = heard(warn);
  console.error = heard(error);
  return () => Object.assign(console, { warn, error });
}
