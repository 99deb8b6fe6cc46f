// What a source says, read without a compiler: what it imports and uses, and how long its functions are. The formatter lays
// out every source alike, so that lines and indents are enough.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, normalize } from 'node:path';

export type Source = { readonly path: string; readonly text: string };

export type Import = {
  readonly from: string;
  /** A path from the project's folder, or the name of a package. */
  readonly target: string;
  readonly typeOnly: boolean;
  /** By its own name, what is taken of it; `*` for all. */
  readonly names: readonly string[];
};

export function sourcesIn(...folders: readonly string[]): Source[] {
  return folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => ({ path: `${folder}/${file}`, text: readFileSync(`${folder}/${file}`, 'utf8') })),
  );
}

const STATEMENT = /^(?:import|export)\s+(type\s+)?(?:([^'"();]*?)\sfrom\s+)?'([^']+)'/gm;
/** Modules that are loaded by a call: what is imported on demand, and files of a thread, a process or a page. */
const CALL = /\b(?:import|import\.meta\.resolve)\(\s*'([^']+)'|\bnew URL\(\s*'(\.[^']+)'\s*,\s*import\.meta\.url/g;

/** Everything a source loads: by statement, on demand, as a thread or as a process. */
export function importsOf({ path, text }: Source): Import[] {
  const code = withoutComments(text);
  const resolved = (target: string) =>
    target.startsWith('.') ? normalize(`${dirname(path)}/${target}`).replace(/\.js$/, '.ts') : target;
  const statements = [...code.matchAll(STATEMENT)].map(([, type, list = '', target = '']) => {
    const names = namesIn(list);
    const typeOnly = type !== undefined || (names.length > 0 && names.every((name) => name.startsWith('type ')));
    return { from: path, target: resolved(target), typeOnly, names: names.map((name) => name.replace(/^type /, '')) };
  });
  const calls = [...code.matchAll(CALL)].map(([, module, file]) => ({
    from: path,
    target: resolved(module ?? file ?? ''),
    typeOnly: false,
    names: ['*'],
  }));
  return [...statements, ...calls];
}

function namesIn(list: string): string[] {
  const braces = /\{([^}]*)\}/.exec(list)?.[1];
  if (braces === undefined) return list.trim() === '' ? [] : ['*'];
  const named = braces.split(',').map((name) => name.trim().replace(/ as .*$/, ''));
  return named.filter((name) => name !== '');
}

export function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|(^|\s)\/\/.*$/gm, '$1');
}

/** The code alone: no comments, no texts, and of templates what is filled in. */
export function codeOf(text: string): string {
  const code = withoutComments(text)
    .replace(/'(?:[^'\\\n]|\\.)*'/g, "''")
    .replace(/\/(?![*/ ])(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[dgimsuvy]*(?=[,;.)\]\s])/g, '//');
  return code.replace(/`(?:[^`\\]|\\.)*`/g, (template) =>
    [...template.matchAll(/\$\{([^}]*)\}/g)].map(([, filled]) => ` ${filled} `).join(''),
  );
}

/** Names that a source uses, and that are not a member of something, a key or a name of its own. */
export function namesUsed(text: string): ReadonlySet<string> {
  const used = [...codeOf(text).matchAll(/(?<![\w$.#]|\?\.)[A-Za-z_$][\w$]*(?!\s*:(?!:)|[\w$])/g)];
  return new Set(used.map(([name]) => name));
}

export type Span = { readonly name: string; readonly lines: number };

const OPENS = /(?:=>|\bfunction\b[^=]*\)(?:: .+)?|\)(?:: [^=]+)?) \{$/;
const NO_FUNCTION = /^\s*(?:(?:\} )?else |if |for |while |switch |\}? ?catch |do |try |return \{|with )/;

/** The functions of a source with their lines, from the one that names it to the one that closes it. */
export function functionsIn(text: string): Span[] {
  const lines = text.split('\n');
  const found: Span[] = [];
  for (const [at, line] of lines.entries()) {
    if (!OPENS.test(line)) continue;
    const indent = /^\s*/.exec(line)?.[0] ?? '';
    let begin = at;
    // A head that is broken over several lines begins at the last line that is indented alike.
    if (/^\s*[)}\]]/.test(line))
      do begin--;
      while (
        begin > 0 &&
        (!(lines[begin] ?? '').startsWith(indent) ||
          /^\s*([)}\]]|$)/.test((lines[begin] ?? '').slice(indent.length)) ||
          /^\s/.test((lines[begin] ?? '').slice(indent.length)))
      );
    const head = lines[begin] ?? '';
    if (NO_FUNCTION.test(head) || /\b(class|interface) /.test(head)) continue;
    const end = lines.findIndex((other, i) => i > at && other.startsWith(`${indent}}`));
    found.push({ name: head.trim().slice(0, 60), lines: (end < 0 ? lines.length : end) - begin + 1 });
  }
  return found;
}

/** Files that import one another in a circle, one circle a part of the graph; types count. */
export function circlesIn(imports: readonly Pick<Import, 'from' | 'target'>[]): string[][] {
  const next = new Map<string, Set<string>>();
  for (const { from, target } of imports) next.set(from, (next.get(from) ?? new Set()).add(target));
  const done = new Set<string>();
  const circles: string[][] = [];
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) return void circles.push(path.slice(path.indexOf(file)));
    if (done.has(file)) return;
    for (const target of next.get(file) ?? []) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of next.keys()) visit(file, []);
  return circles;
}
