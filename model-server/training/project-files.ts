import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Where the trained models, the data to send and the score table lie; the same from the sources and from dist/. */
const root = packageRoot(import.meta.dirname);

export const DIGITS_VERSIONS = [1, 2, 3] as const;
export type DigitsVersion = (typeof DIGITS_VERSIONS)[number];

export const DATA_FOLDER = join(root, 'config/data');
export const EXAMPLE_REQUEST = join(DATA_FOLDER, 'digits.json');
export const HELD_OUT_MAILS = join(DATA_FOLDER, 'mails-held-out.jsonl.gz');
export const TRAINING_README = join(root, 'model-server/training/README.md');

export function modelFile(version: DigitsVersion): string {
  return join(root, `config/models/digits/${version}/model.onnx`);
}

/** The tiers of a ladder of models, from fast to accurate. */
export const TIERS = ['fast', 'balanced', 'accurate'] as const;
export type Tier = (typeof TIERS)[number];

/** The only version of `digits-fast` and the like. */
export function tierFile(task: 'digits' | 'spam', tier: Tier): string {
  return join(root, `config/models/${task}-${tier}/1/model.onnx`);
}

function packageRoot(folder: string): string {
  if (existsSync(join(folder, 'package.json'))) return folder;
  if (dirname(folder) === folder) throw new Error(`no package.json above ${import.meta.dirname}`);
  return packageRoot(dirname(folder));
}
