import { CST, Lexer } from 'yaml';

/** Far more than a policy needs. */
const DEEPEST = 50;

/**
 * The offset at which YAML text nests too deeply, if it does. It is asked before the parser, which recurses: on a thousand
 * open brackets it runs out of stack, and V8 can end the whole process there instead of throwing.
 */
export function tooDeepAt(text: string): number | undefined {
  const indents: number[] = [];
  const brackets = new Brackets();
  let onThisLine = 0;
  let column = 0;
  let offset = 0;
  for (const token of new Lexer().lex(text)) {
    const type = CST.tokenType(token);
    if (type === 'newline') [onThisLine, column] = [0, 0];
    else if (column === 0 && !brackets.isOpen) indent(indents, type === 'space' ? token.length : 0);
    if (type !== 'newline') column += token.length;
    // Outside brackets each of `- `, `? ` and `: ` may open a level of its own on one line.
    if (!brackets.take(type) && OPENING.has(type ?? '')) onThisLine++;
    if (brackets.depth + onThisLine + indents.length > DEEPEST) return offset;
    offset += MARKS.has(token) ? 0 : token.length;
  }
  return undefined;
}

/** What may open a level without a bracket. */
const OPENING: ReadonlySet<string> = new Set(['seq-item-ind', 'explicit-key-ind', 'map-value-ind']);

/** The brackets that are open, and in each what may have opened levels of its own since the last comma or line end. */
class Brackets {
  readonly #marks: number[] = [];
  depth = 0;

  get isOpen(): boolean {
    return this.#marks.length > 0;
  }

  /** Takes a token in; false for one outside all brackets. */
  take(type: CST.TokenType | null): boolean {
    if (type === 'flow-seq-start' || type === 'flow-map-start') this.#push(0);
    else if (!this.isOpen) return false;
    else if (type === 'flow-seq-end' || type === 'flow-map-end') this.#pop();
    else if (type === 'comma' || type === 'newline') {
      this.#pop();
      this.#push(0);
    } else if (OPENING.has(type ?? '')) this.#push(this.#pop() + 1);
    return true;
  }

  #push(marks: number): void {
    this.#marks.push(marks);
    this.depth += levelsOf(marks);
  }

  #pop(): number {
    const marks = this.#marks.pop() ?? 0;
    this.depth -= levelsOf(marks);
    return marks;
  }
}

/** A bracket is a level; the first mark in it is the one of `key: value`, and each further one may open another. */
function levelsOf(marks: number): number {
  return Math.max(marks, 1);
}

/** Tokens that the lexer makes up: they stand for no text. */
const MARKS = new Set<string>([CST.DOCUMENT, CST.FLOW_END, CST.SCALAR]);

/** Enters a line: deeper than the last one, or back out to where it belongs. */
function indent(indents: number[], width: number): void {
  while ((indents.at(-1) ?? -1) >= width) indents.pop();
  if (width > 0) indents.push(width);
}
