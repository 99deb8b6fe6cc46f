import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Signature } from '../run/signature.ts';
import type { ModelSettings } from './model-settings.ts';

/** The names of an output's classes, by output. */
export type Labels = ReadonlyMap<string, readonly string[]>;

/** Reads the labels that `model.yaml` gives; rejects when an output is unknown or has another number of classes. */
export async function readLabels(
  folder: string,
  { labels = {} }: ModelSettings,
  { outputs }: Signature,
): Promise<Labels> {
  const all = new Map<string, readonly string[]>();
  for (const [name, given] of Object.entries(labels)) {
    const classes = outputs.find((port) => port.name === name)?.shape.at(-1);
    if (classes === undefined) {
      throw new Error(`labels: the model has no output "${name}" with classes`);
    }
    const names = typeof given === 'string' ? await readLines(folder, given) : given;
    if (typeof classes === 'number' && names.length !== classes) {
      throw new Error(`labels: output "${name}" has ${classes} classes, there are ${names.length} labels`);
    }
    all.set(name, names);
  }
  return all;
}

async function readLines(folder: string, file: string): Promise<readonly string[]> {
  const text = await readFile(join(folder, file), 'utf8').catch(() => {
    throw new Error(`labels: there is no file ${file} beside model.onnx`);
  });
  return text.replace(/\n$/, '').split('\n');
}
