/** Bytes of JSON before binary tensors, as the header of that name has them; -1 for a text that is no such number. */
export function jsonLengthOf(header: string): number {
  return /^\d{1,15}$/.test(header) ? Number(header) : -1;
}
