// How long the candidate took beside the baseline, of the same requests.
import { type Child, el, milliseconds, styled, tableOf } from './dom.ts';
import type { LatencyBand, Summary } from './types.ts';

/** In words and as bars; nothing where no pair could be compared. */
export function latency({ latency: told }: Summary): Child[] {
  if (told === undefined) return [];
  const { baselineMeanMs, candidateMeanMs, medianDifferenceMs = 0, p95DifferenceMs = 0 } = told;
  return [
    el('h2', {}, 'Latency, of the same requests'),
    el(
      'p',
      {},
      `The middle pair differs by ${milliseconds(medianDifferenceMs)}, one in twenty by more than ${milliseconds(p95DifferenceMs)}; means ${milliseconds(baselineMeanMs)} and ${milliseconds(candidateMeanMs)}`,
    ),
    latencyBars(told.bands),
  ];
}

/** How many pairs differ by how much, as bars. */
function latencyBars(bands: readonly LatencyBand[]): HTMLElement {
  const most = Math.max(...bands.map(({ pairs }) => pairs));
  const rows = bands.map((band) => [
    bandText(band),
    band.pairs,
    styled(el('div', { class: 'bar' }), { '--part': band.pairs / most }),
  ]);
  return tableOf(['the candidate was', 'pairs', ''], rows, 'latency differences');
}

function bandText({ fromMs, toMs }: LatencyBand): string {
  if (fromMs === undefined) return `more than ${-(toMs ?? 0)} ms faster`;
  if (toMs === undefined) return `more than ${fromMs} ms slower`;
  if (fromMs < 0 && toMs > 0) return `the same within ${toMs} ms`;
  return fromMs < 0 ? `${-toMs} to ${-fromMs} ms faster` : `${fromMs} to ${toMs} ms slower`;
}
