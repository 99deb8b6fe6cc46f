import { CST, Lexer } from 'yaml';

/** Far more than a policy needs. */
const DEEPEST = 50;

/**
 * The offset at which YAML text nests too deeply, if it does. It is asked before the parser, which recurses: on a thousand
 * open brackets it runs out of stack, and V8 can end the whole process there instead of throwing.
 */
export function tooDeepAt(text: string): number | undefined {
  const indents: number[] = [];
  let flow = 0;
  let onThisLine = 0;
  let column = 0;
  let offset = 0;
  for (const token of new Lexer().lex(text)) {
    const type = CST.tokenType(token);
    if (type === 'newline') [onThisLine, column] = [0, 0];
    else if (column === 0 && flow === 0) indent(indents, type === 'space' ? token.length : 0);
    if (type !== 'newline') column += token.length;
    if (type === 'flow-seq-start' || type === 'flow-map-start') flow++;
    if (type === 'flow-seq-end' || type === 'flow-map-end') flow--;
    // Outside brackets each of `- `, `? ` and `: ` may open a level of its own on one line.
    if (flow === 0 && (type === 'seq-item-ind' || type === 'explicit-key-ind' || type === 'map-value-ind'))
      onThisLine++;
    if (flow + onThisLine + indents.length > DEEPEST) return offset;
    offset += MARKS.has(token) ? 0 : token.length;
  }
  return undefined;
}

/** Tokens that the lexer makes up: they stand for no text. */
const MARKS = new Set<string>([CST.DOCUMENT, CST.FLOW_END, CST.SCALAR]);

/** Enters a line: deeper than the last one, or back out to where it belongs. */
function indent(indents: number[], width: number): void {
  while ((indents.at(-1) ?? -1) >= width) indents.pop();
  if (width > 0) indents.push(width);
}
