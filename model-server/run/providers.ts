import type { Provider } from '../protocol/provider-names.ts';

/** What a provider opened, and what those tried before it said. */
export type Opened<T> = { readonly provider: Provider; readonly opened: T; readonly refusals: readonly string[] };

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
