import { StoreUnavailable } from '../store.ts';
import { reasonOf } from './connections.ts';

/** Asks Redis something. Rejects with StoreUnavailable, whatever went wrong. */
export async function ask<T>(question: () => Promise<T>): Promise<T> {
  try {
    return await question();
  } catch (error) {
    throw new StoreUnavailable(`the store cannot be read now: ${reasonOf((error as Error).message)}`, { cause: error });
  }
}
