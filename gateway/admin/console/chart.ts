import { el, percent } from './dom.ts';
import type { SubjectSummary } from './types.ts';
import uPlot from './uplot.js';

const HEIGHT = 190;

/** Disagreement and noise floor over time, as parts of the pairs of each slot. */
export function disagreementChart(series: SubjectSummary['series']): HTMLElement {
  const box = el('div', { class: 'chart', role: 'img', 'aria-label': spoken(series) });
  if (series.length < 2) {
    box.append(el('p', { class: 'quiet' }, 'One slot of time so far; the curve begins with the second.'));
    return box;
  }
  const share = (count: number, of: number) => (of === 0 ? null : (100 * count) / of);
  const data: uPlot.AlignedData = [
    series.map(({ at }) => at / 1000),
    series.map(({ different, compared }) => share(different, compared)),
    series.map(({ noiseDifferent, noisePairs }) => share(noiseDifferent, noisePairs)),
    series.map(({ errors, pairs }) => share(errors, pairs)),
  ];
  // The box has its width once it is on the page.
  requestAnimationFrame(() => {
    const color = (name: string) => getComputedStyle(box).getPropertyValue(name).trim();
    const axis = { stroke: color('--quiet'), grid: { stroke: color('--line'), width: 1 } };
    const line = (label: string, name: string) => ({
      label,
      stroke: color(name),
      width: 2,
      spanGaps: true,
      points: { size: 6 },
      value: (_: uPlot, value: number | null) => (value === null ? '-' : percent(value / 100)),
    });
    const options: uPlot.Options = {
      width: Math.max(280, box.clientWidth),
      height: HEIGHT,
      series: [{}, line('differs', '--warn'), line('noise floor', '--quiet'), line('candidate failed', '--bad')],
      axes: [axis, { ...axis, values: (_, values) => values.map((value) => `${value} %`) }],
      scales: { y: { range: (_, __, most) => [0, Math.max(1, (most ?? 0) * 1.1)] } },
    };
    new uPlot(options, data, box);
  });
  return box;
}

function spoken(series: SubjectSummary['series']): string {
  const last = series.at(-1);
  if (last === undefined) return 'no pairs';
  return `Disagreement over ${series.length} slots of time; in the last ${last.different} of ${last.compared} pairs differ`;
}
