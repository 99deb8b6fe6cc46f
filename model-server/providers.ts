/** The execution providers that can be asked for, by onnxruntime's names; only `cpu` and `webgpu` come with the package. */
export const PROVIDERS = ['cuda', 'tensorrt', 'webgpu', 'cpu'] as const;

/** One way to run a model. */
export type Provider = (typeof PROVIDERS)[number];

/** What a provider opened, and what those tried before it said. */
export type Opened<T> = { readonly provider: Provider; readonly opened: T; readonly refusals: readonly string[] };

/** Reads a comma-separated list such as `cuda,cpu`; undefined if a name is unknown, repeated or missing. */
export function parseProviders(text: string): readonly Provider[] | undefined {
  const names = text.split(',').map((name) => name.trim());
  const providers = PROVIDERS.filter((provider) => names.includes(provider));
  return names.length === providers.length ? providers.sort((a, b) => names.indexOf(a) - names.indexOf(b)) : undefined;
}

/** Opens a model with the first provider of `order` that can. Rejects with every provider's reason when none can. */
export async function openWithFirst<T>(
  order: readonly Provider[],
  open: (provider: Provider) => Promise<T>,
): Promise<Opened<T>> {
  const refusals: string[] = [];
  for (const provider of order) {
    try {
      return { provider, opened: await open(provider), refusals };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      refusals.push(order.length === 1 ? reason : `${provider}: ${reason}`);
    }
  }
  throw new Error(refusals.join('; '));
}
