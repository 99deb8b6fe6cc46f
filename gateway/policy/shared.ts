const known = new Map<string, unknown>();

/** The same object for equal plain data: of thousands of models most are alike in most of what they say. */
export function shared<T>(value: T): T {
  const key = JSON.stringify(value);
  if (!known.has(key)) known.set(key, value);
  return known.get(key) as T;
}

/** Forgets what is shared, when a policy is whole. */
export function endSharing(): void {
  known.clear();
}
