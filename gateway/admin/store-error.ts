import { SluiceError, StoreUnavailable } from '../errors.ts';

/** Rethrows an error of a store: where it cannot be asked, as an answer with the reason, which is for operators. */
export function storeError(error: unknown): never {
  if (!(error instanceof StoreUnavailable)) throw error;
  throw new SluiceError('STORE_UNAVAILABLE', error.message, { cause: error });
}
