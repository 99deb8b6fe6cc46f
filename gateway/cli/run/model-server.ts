import { ProviderError, RepositoryError } from '../../../model-server/errors.ts';
import { startModelServer } from '../../../model-server/main.ts';
import { parseProviders } from '../../../model-server/protocol/provider-names.ts';
import { listenError, UserError } from '../../errors.ts';
import { createLog } from '../../observe/log.ts';
import type { Command } from '../command.ts';
import { closeOnSignal, tellParent } from './lifecycle.ts';
import { MODEL_SERVER_OPTIONS } from './model-server-options.ts';

/** `sluice model-server`: one model server in the foreground. */
export const modelServerCommand: Command<typeof MODEL_SERVER_OPTIONS> = {
  usage: 'sluice model-server [options]',
  about:
    'Serves a repository of ONNX models over the Open Inference Protocol v2 and v1 (REST).\nIt listens at once, says it lives, and is ready when its models have loaded.',
  options: MODEL_SERVER_OPTIONS,
  async run(values) {
    const { models, host, port, threads } = values;
    const server = await startModelServer({
      models,
      host,
      port,
      threads,
      control: values['model-control'],
      pollIntervalMs: values['poll-interval'],
      load: modelsToLoad(values.load),
      providers: parseProviders(values.providers) ?? [],
      requireProvider: values['require-provider'],
      maxQueue: values['max-queue'],
      bodyLimit: values['body-limit'],
      uploadMemory: values['upload-memory'],
      drainGraceMs: values['drain-grace'],
      logger: createLog(values['log-level'], 'model-server').log,
    }).catch(explain(host, port));
    closeOnSignal(server.close);
    tellParent({ url: server.url });
    await server.loaded.catch(explain(host, port));
  },
};

/** `*` is all, which the server knows as undefined. */
function modelsToLoad(text: string): readonly string[] | undefined {
  if (text === '*') return undefined;
  return text === 'none' ? [] : text.split(',').map((name) => name.trim());
}

/** A port in use, an empty repository or a missing provider is the user's to mend; anything else is a bug of ours and keeps its stack. */
function explain(host: string, port: number): (error: unknown) => never {
  return (error) => {
    if (error instanceof RepositoryError || error instanceof ProviderError) {
      throw new UserError(error.message, 1, { cause: error });
    }
    throw listenError(error, host, port, '--port');
  };
}
