import { z } from 'zod';
import { name } from '../units.ts';
import { mistakeInUrl } from '../url.ts';

const tls = z
  .strictObject({
    ca: z
      .string()
      .min(1)
      .optional()
      .describe(
        'File of certificates to trust in place of the system ones, PEM; a relative path starts at the working directory of the gateway.',
      ),
    cert: z.string().min(1).optional().describe("File of the gateway's own certificate, PEM."),
    key: z.string().min(1).optional().describe('File of its private key, PEM.'),
    server_name: z.string().min(1).optional().describe('The name that the certificate of the server must carry.'),
  })
  .refine(({ cert, key }) => (cert === undefined) === (key === undefined), 'cert and key belong together')
  .describe('How https servers are checked and what the gateway shows them. Verification cannot be switched off.');

const server = z
  .strictObject({
    url: z
      .string()
      .superRefine((text, context) => {
        const message = mistakeInUrl(text);
        if (message !== undefined) context.addIssue({ code: 'custom', message });
      })
      .describe(
        'Where the server listens: http:// or https://, host and port, nothing behind them. A name that leads to several addresses is a server at each of them, looked up again every few seconds.',
      ),
    kind: z
      .enum(['sluice', 'triton', 'kserve', 'mlserver', 'tensorflow-serving'])
      .default('sluice')
      .describe(
        'The software it runs, whose way of saying "the model failed" is read; the default fits any that says it with a 5xx.',
      ),
    class: z.enum(['cpu', 'gpu']).default('cpu').describe('The kind of machine it runs on.'),
    weight: z.int().min(1).max(1000).default(1).describe('Its share of the load beside servers of the same class.'),
    max_in_flight: z
      .int()
      .min(1)
      .max(10_000)
      .default(128)
      .describe(
        'Requests at this server at one time, at each of its addresses; beyond it callers get 429 rather than a queue.',
      ),
    tls: tls.optional(),
  })
  .describe('One model-server process.');

export const fleet = z.record(name, server).describe('The model servers, by name.');
