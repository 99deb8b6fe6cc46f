// Exact values of the evidence, computed independently (scipy); see the formulas in gateway/judge.

export const RELATIVE = [
  { steps: [[0, 0, 0.05]], tolerated: 1, logE: 0.0 },
  { steps: [[1, 1, 0.05]], tolerated: 1, logE: 1.685064717526264 },
  { steps: [[3, 10, 0.05]], tolerated: 1, logE: 2.2353400926928915 },
  { steps: [[5, 20, 0.05]], tolerated: 1, logE: 3.2239659882646645 },
  { steps: [[8, 30, 0.05]], tolerated: 1, logE: 6.106492204503747 },
  { steps: [[10, 40, 0.05]], tolerated: 1, logE: 7.284221927415041 },
  { steps: [[10, 40, 0.05]], tolerated: 1.5, logE: 4.449236447418538 },
  { steps: [[10, 200, 0.05]], tolerated: 1, logE: -1.8570006344487786 },
  { steps: [[30, 60, 0.25]], tolerated: 1, logE: 6.9370644543573805 },
  { steps: [[30, 60, 0.5]], tolerated: 1, logE: -2.0673867849626464 },
  {
    steps: [
      [3, 30, 0.05],
      [12, 40, 0.25],
    ],
    tolerated: 1.5,
    logE: -2.0555324640065584,
  },
] as const;

export const ABSOLUTE = [
  { errors: 5, requests: 100, max: 0.01, logE: 2.906643857826964 },
  { errors: 8, requests: 100, max: 0.01, logE: 8.202344740180592 },
  { errors: 10, requests: 100, max: 0.01, logE: 12.648292985080493 },
  { errors: 3, requests: 300, max: 0.01, logE: -1.1908555150533786 },
  { errors: 20, requests: 500, max: 0.02, logE: 2.571129129205601 },
] as const;

export const PROMOTION = [
  { errors: 5, all: 100, share: 0.05, ratio: 2, logE: 1.4132805141434783 },
  { errors: 25, all: 100, share: 0.25, ratio: 2, logE: 4.985675617422343 },
  { errors: 10, all: 400, share: 0.05, ratio: 1.5, logE: 5.822393955067003 },
  { errors: 40, all: 100, share: 0.25, ratio: 3, logE: -3.39798073590795 },
] as const;

/** Ticks of candidate errors, all errors and share; the mean after each. */
export const DETECTOR = {
  tolerated: 1.5,
  ticks: [
    [0, 2, 0.05],
    [0, 1, 0.05],
    [1, 2, 0.05],
    [0, 3, 0.05],
    [2, 3, 0.05],
    [3, 3, 0.05],
    [2, 4, 0.05],
    [4, 4, 0.05],
  ],
  meanAfterTick: [
    0.5886098705944461, 1.2309257932744098, 4.941973695003266, 2.95906803966682, 31.38618408956994, 9849.754774380652,
    90313.72631826278, 583882588.4134306,
  ],
} as const;
