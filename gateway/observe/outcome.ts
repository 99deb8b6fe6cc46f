import type { Answer, OutcomeClass } from '../flow.ts';

/** Whose doing an answer was. A server's 429 is load, a 5xx or a fault is the model's, any other 4xx the caller's. */
export function classify({ status, fault }: Pick<Answer, 'status' | 'fault'>): OutcomeClass {
  if (fault === 'client_left') return 'client_left';
  if (fault === 'shed' || status === 429) return 'shed';
  if (status >= 500) return 'model_fault';
  return status >= 400 ? 'client_fault' : 'ok';
}
