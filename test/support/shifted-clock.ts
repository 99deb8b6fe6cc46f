// Loaded before a program (`--import`): its wall clock is off by as many milliseconds as the file SHIFT_FILE says, also while it
// runs. What it measures time with, `performance.now()`, goes on as it does when someone sets the date.
import { readFileSync } from 'node:fs';

const RealDate = Date;
const file = process.env.SHIFT_FILE ?? '';
let shiftMs = 0;

function look(): void {
  shiftMs = Number(readFileSync(file, 'utf8'));
}

class ShiftedDate extends RealDate {
  constructor(...parts: []) {
    if (parts.length === 0) super(ShiftedDate.now());
    else super(...parts);
  }

  static override now(): number {
    return RealDate.now() + shiftMs;
  }
}

look();
setInterval(look, 20).unref();
globalThis.Date = ShiftedDate as DateConstructor;
