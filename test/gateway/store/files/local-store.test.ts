import { openLocalStore } from '../../../../gateway/store/files/local-store.ts';
import { folderOf } from '../../../support/folder.ts';
import { undo } from '../../../support/undo.ts';

import { storeSuite } from '../store.suite.ts';

storeSuite('a store in memory', {}, async (t) => {
  const store = await openLocalStore();
  undo(t, () => store.close());
  return store;
});

storeSuite('a store in files', {}, async (t) => {
  const store = await openLocalStore({ folder: folderOf(t) });
  undo(t, () => store.close());
  return store;
});
