/** A progress bar on standard error: redrawn in a terminal, a line each tenth elsewhere. Call it with how much is done. */
export function progressBar(total: number, label: string): (done: number) => void {
  const { stderr } = process;
  let shown = -1;
  return (done) => {
    const percent = Math.floor((100 * done) / total);
    if (percent === shown || (!stderr.isTTY && percent % 10 !== 0)) return;
    shown = percent;
    const bar = '#'.repeat(percent / 4).padEnd(25, '.');
    const line = `${label} [${bar}] ${String(percent).padStart(3)} %  ${done} of ${total}`;
    stderr.write(stderr.isTTY ? `\r${line}${done === total ? '\n' : ''}` : `${line}\n`);
  };
}
