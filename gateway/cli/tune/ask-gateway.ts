// One request of a measurement to a running gateway.
import type { Pool } from 'undici';
import { jsonLengthOf } from '../../../model-server/protocol/json-length.ts';
import { JSON_LENGTH_HEADER } from '../../../model-server/protocol/names.ts';
import { confidenceIn } from '../../decide/confidence.ts';
import { UserError } from '../../errors.ts';
import type { ConfidenceFrom } from '../../policy/escalation.ts';
import type { ServedModel } from '../../policy/policy.ts';
import type { Said } from '../../tune/trial.ts';
import { answerIn } from './answer-in.ts';
import type { Asking } from './asking.ts';
import type { Labelled } from './trial-lines.ts';

/** What the tier said, or why it said nothing. */
export async function ask(
  pool: Pool,
  { ladder, answer, url }: Asking,
  tier: string,
  { name }: ServedModel,
  input: Labelled,
): Promise<Said | string> {
  const from = ladder.escalation?.confidence.get(tier);
  const start = performance.now();
  try {
    const response = await pool.request({
      path: pathFor(name, input),
      method: 'POST',
      headers: { 'content-type': 'application/json', ...input.headers },
      body: input.request,
    });
    const body = Buffer.from(await response.body.arrayBuffer());
    const latencyMs = performance.now() - start;
    if (response.statusCode !== 200) return `${response.statusCode} ${body.toString('utf8', 0, 200)}`;
    const headerLength = response.headers[JSON_LENGTH_HEADER]?.toString();
    const jsonBytes = headerLength === undefined ? undefined : jsonLengthOf(headerLength);
    const given = answerIn(body, answer ?? outputOf(from), answer === undefined, jsonBytes);
    if ('reason' in given) return `no answer could be read (${given.reason}) from ${body.toString('utf8', 0, 120)}`;
    const confidence = from === undefined ? undefined : confidenceIn(from, body, headerLength);
    return { answer: given.answer, latencyMs, ...(confidence === undefined ? {} : { confidence }) };
  } catch (error) {
    refuseWithoutGateway(error as NodeJS.ErrnoException, url);
    return (error as Error).message;
  }
}

function outputOf(from: ConfidenceFrom | undefined): string {
  if (from?.from === 'output') return from.name;
  throw new UserError(
    'say with --answer which output holds the answer: the confidence of this ladder is not read from one',
    2,
  );
}

function pathFor(model: string, { protocol }: Labelled): string {
  return protocol === 'v1' ? `/v1/models/${model}:predict` : `/v2/models/${model}/infer`;
}

/** The SHA-256 of the model file that answers for a model now; undefined when the gateway does not say. */
export async function digestOf(pool: Pool, model: string, url: string): Promise<string | undefined> {
  try {
    const { body } = await pool.request({ path: `/v2/models/${model}`, method: 'GET' });
    const told = (await body.json()) as { parameters?: { sha256?: unknown } };
    return typeof told.parameters?.sha256 === 'string' ? told.parameters.sha256 : undefined;
  } catch (error) {
    refuseWithoutGateway(error as NodeJS.ErrnoException, url);
    return undefined;
  }
}

/** Throws UserError where nothing listens at the address. */
function refuseWithoutGateway(error: NodeJS.ErrnoException, url: string): void {
  if (error.code !== 'ECONNREFUSED') return;
  throw new UserError(`no gateway answers at ${url} (${error.code}): start one, or say where it is with --url`, 1, {
    cause: error,
  });
}
