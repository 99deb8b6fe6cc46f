import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Health } from '../../../../gateway/forward/fleet/health.ts';

const LONG_AGO = -100_000;

function failing(times: number, now = 0): Health {
  const health = new Health(LONG_AGO);
  for (let i = 0; i < times; i++) health.failed(now);
  return health;
}

test('the third failure in a row ejects, the second does not, and a success in between starts anew', () => {
  assert.equal(failing(2).standing(0), 'healthy');
  assert.equal(failing(3).standing(0), 'ejected');
  const health = failing(2);
  health.succeeded(0);
  health.failed(0);
  health.failed(0);
  assert.equal(health.standing(0), 'healthy');
});

test('an ejection lasts 1 s at first, twice as long after each failed probe, and at most 30 s', () => {
  const health = failing(3);
  let now = 0;
  const lengths = Array.from({ length: 8 }, () => {
    const start = now;
    while (health.standing(now) === 'ejected') now += 100;
    assert.equal(health.standing(now), 'probing');
    health.failed(now);
    return now - start;
  });
  assert.deepEqual(lengths, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
});

test('a probe that goes well brings the server back, which then takes its share little by little over 10 s', () => {
  const health = failing(3);
  health.succeeded(1000);
  assert.equal(health.standing(1000), 'healthy');
  assert.deepEqual(
    [1000, 2000, 6000, 11_000, 99_000].map((now) => health.ramp(now)),
    [0.1, 0.1, 0.5, 1, 1],
  );
});

test('the next ejection is longer, unless the server was well for a minute', () => {
  const again = (healthyFor: number) => {
    const health = failing(3);
    health.succeeded(1000);
    const now = 1000 + healthyFor;
    for (let i = 0; i < 3; i++) health.failed(now);
    return [now + 1500, now + 2500].map((at) => health.standing(at));
  };
  assert.deepEqual(again(10_000), ['ejected', 'probing']);
  assert.deepEqual(again(61_000), ['probing', 'probing']);
});

test('what was in flight when a server was ejected neither lengthens its ejection nor ends it', () => {
  const health = failing(10);
  assert.equal(health.standing(999), 'ejected');
  health.succeeded(500);
  assert.equal(health.standing(999), 'ejected');
  assert.equal(health.standing(1000), 'probing');
});

test('half of at least 20 requests failing ejects too, though never three in a row', () => {
  const alternating = (pairs: number, every: number) => {
    const health = new Health(LONG_AGO);
    for (let i = 0; i < pairs; i++) {
      health.succeeded(i * every);
      health.failed(i * every);
    }
    return health.standing(pairs * every);
  };
  assert.equal(alternating(9, 10), 'healthy', 'too few');
  assert.equal(alternating(10, 10), 'ejected');
  assert.equal(alternating(40, 3000), 'healthy', 'too few within 10 s');
});
