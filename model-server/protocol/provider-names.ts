/** The execution providers that can be asked for, by onnxruntime's names; only `cpu` and `webgpu` come with the package. */
export const PROVIDERS = ['cuda', 'tensorrt', 'webgpu', 'cpu'] as const;

/** One way to run a model. */
export type Provider = (typeof PROVIDERS)[number];

/** Reads a comma-separated list such as `cuda,cpu`; undefined if a name is unknown, repeated or missing. */
export function parseProviders(text: string): readonly Provider[] | undefined {
  const names = text.split(',').map((name) => name.trim());
  const providers = PROVIDERS.filter((provider) => names.includes(provider));
  return names.length === providers.length ? providers.sort((a, b) => names.indexOf(a) - names.indexOf(b)) : undefined;
}
