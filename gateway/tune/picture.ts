// A replay as a picture: cost to the right, quality upwards, every pair of tiers a line, everything else a point.
import type { Replay, Way } from './replay.ts';

const [WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM] = [860, 520, 70, 48, 24, 60];
const COLORS = ['#4269d0', '#ff725c', '#3ca951', '#a463f2', '#9c6b4e', '#6cc5b0'];

type Mark = { readonly way: Way; readonly color: string; readonly shape: 'circle' | 'square' | 'star' };

/** The picture as SVG; undefined when the costs are not known. */
export function pictureOf(replay: Replay, title: string): string | undefined {
  const marks: Mark[] = [
    ...replay.singles.map((way) => ({ way, color: '#555555', shape: 'square' as const })),
    ...replay.ladders.map((way, i) => ({
      way,
      color: COLORS[(i + 1) % COLORS.length] ?? '',
      shape: 'circle' as const,
    })),
    { way: replay.oracle, color: '#b8860b', shape: 'star' },
  ];
  if (marks.some(({ way }) => way.cost === undefined)) return undefined;
  const qualities = marks.map(({ way }) => way.quality.is);
  const costs = marks.map(({ way }) => way.cost?.is ?? 0);
  const [low, high] = padded(Math.min(...qualities), Math.max(...qualities));
  const most = Math.max(1, ...costs) * 1.05;
  const x = (cost: number) => LEFT + (Math.min(cost, most) / most) * (WIDTH - LEFT - RIGHT);
  const y = (quality: number) =>
    TOP + ((high - Math.min(high, Math.max(low, quality))) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const lines = replay.curves.map(({ lower, upper, points }, i) => {
    const path = points.map(({ cost, quality }) => `${x(cost).toFixed(1)},${y(quality).toFixed(1)}`).join(' ');
    return `<polyline points="${path}" fill="none" stroke="${COLORS[i % COLORS.length]}" stroke-width="1.5" opacity="0.7"><title>${escaped(`${lower}, then ${upper}`)}</title></polyline>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    `<text x="${LEFT}" y="26" font-size="15" font-weight="600">${escaped(title)}</text>`,
    ...ticks(0, most, 6).map((cost) => gridX(x(cost), `${Math.round(cost * 100)} %`)),
    ...ticks(low, high, 6).map((quality) =>
      gridY(y(quality), `${(100 * quality).toFixed(high - low < 0.02 ? 2 : 1)} %`),
    ),
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 16}" text-anchor="middle">cost, of always asking the last tier</text>`,
    `<text transform="translate(18 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">${replay.target === 'labels' ? 'right answers' : 'agrees with the last tier'}</text>`,
    ...lines,
    ...marks.flatMap(({ way, color, shape }) => markOf(way, color, shape, x, y)),
    '</svg>\n',
  ].join('\n');
}

function markOf(
  way: Way,
  color: string,
  shape: Mark['shape'],
  x: (cost: number) => number,
  y: (quality: number) => number,
): string[] {
  const cost = way.cost ?? { is: 0, low: 0, high: 0 };
  const [cx, cy] = [x(cost.is), y(way.quality.is)];
  const isRight = cx > WIDTH * 0.7;
  const symbol = {
    circle: `<circle cx="${cx.toFixed(1)}" cy="${cy.toFixed(1)}" r="6" fill="${color}"/>`,
    square: `<rect x="${(cx - 5).toFixed(1)}" y="${(cy - 5).toFixed(1)}" width="10" height="10" fill="${color}"/>`,
    star: `<path d="M${cx.toFixed(1)} ${(cy - 8).toFixed(1)} l4 12 l-10 -7 h12 l-10 7 z" fill="${color}"/>`,
  }[shape];
  return [
    bar(x(cost.low), cy, x(cost.high), cy, color),
    bar(cx, y(way.quality.low), cx, y(way.quality.high), color),
    symbol,
    `<text x="${(cx + (isRight ? -12 : 12)).toFixed(1)}" y="${(cy + (shape === 'circle' ? -10 : 18)).toFixed(1)}" text-anchor="${isRight ? 'end' : 'start'}" fill="${color}">${escaped(way.name)}</text>`,
  ];
}

function bar(x1: number, y1: number, x2: number, y2: number, color: string): string {
  return `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" stroke="${color}" opacity="0.6"/>`;
}

function gridX(x: number, label: string): string {
  return `<line x1="${x.toFixed(1)}" y1="${TOP}" x2="${x.toFixed(1)}" y2="${HEIGHT - BOTTOM}" stroke="#e5e5e5"/><text x="${x.toFixed(1)}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${label}</text>`;
}

function gridY(y: number, label: string): string {
  return `<line x1="${LEFT}" y1="${y.toFixed(1)}" x2="${WIDTH - RIGHT}" y2="${y.toFixed(1)}" stroke="#e5e5e5"/><text x="${LEFT - 8}" y="${(y + 4).toFixed(1)}" text-anchor="end">${label}</text>`;
}

function padded(low: number, high: number): [number, number] {
  const room = Math.max(0.002, (high - low) * 0.15);
  return [Math.max(0, low - room), Math.min(1, high + room)];
}

/** About `count` round numbers between two. */
function ticks(low: number, high: number, count: number): number[] {
  const raw = (high - low) / count;
  const unit = 10 ** Math.floor(Math.log10(raw));
  const step = unit * (raw / unit < 1.5 ? 1 : raw / unit < 3.5 ? 2 : raw / unit < 7.5 ? 5 : 10);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => (first + i) * step);
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
