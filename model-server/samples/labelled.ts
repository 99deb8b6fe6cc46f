import type { Digit } from './digits.ts';
import type { Mail } from './held-out-mails.ts';

/** The body of a request, and what people said its input is. */
export type Labelled = { readonly request: { readonly inputs: readonly object[] }; readonly label: number };

export function labelledDigit({ pixels, label }: Digit): Labelled {
  const image = { name: 'image', shape: [1, pixels.length], datatype: 'FP32', data: [...pixels] };
  return { request: { inputs: [image] }, label };
}

export function labelledMail({ text, isSpam }: Mail): Labelled {
  return {
    request: { inputs: [{ name: 'text', shape: [1], datatype: 'BYTES', data: [text] }] },
    label: isSpam ? 1 : 0,
  };
}
