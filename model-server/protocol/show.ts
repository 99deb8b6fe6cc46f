/** Shows a caller's own value back in a message without repeating a large one. */
export function show(value: unknown): string {
  if (Array.isArray(value)) {
    return value.length > 8
      ? 'a long array'
      : `[${value.map((item) => (isScalar(item) ? show(item) : '…')).join(',')}]`;
  }
  if (typeof value === 'object' && value !== null) {
    return 'an object';
  }
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 72 ? `${text.slice(0, 71)}…` : text;
}

function isScalar(value: unknown): boolean {
  return typeof value !== 'object' || value === null;
}
