/** Characters that editors and chat programs put in and nobody sees: spaces that are none, quotes that are none. */
const LOOK_ALIKE = /[\u00a0\u2000-\u200f\u2028-\u202f\u2060\u3000\ufeff\u2018\u2019\u201c\u201d\uff1a]/;

/** A remark on the first character of a line that is not what it looks like; nothing when all of them are. */
export function lookAlikeIn(line: string): string {
  const [found] = LOOK_ALIKE.exec(line) ?? [];
  if (found === undefined) return '';
  const code = `U+${found.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`;
  return ` (this line holds ${code}, which only looks like a plain ${/[\u2018-\u201d]/.test(found) ? 'quote' : found === '\uff1a' ? 'colon' : 'space'})`;
}
