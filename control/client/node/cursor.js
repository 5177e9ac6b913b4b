/** Small values in a file that is always whole: for examples, and where there is no database. */
import fs from 'node:fs/promises';
import path from 'node:path';

/**
 * A JSON value in a file. A write is on disk when it resolves; whoever is killed in the middle of
 * one finds the value before.
 * @param {string} file
 */
export function durableFile(file) {
  const temporary = `${file}.new`;
  let last = Promise.resolve();

  const write = async (value) => {
    const handle = await fs.open(temporary, 'w', 0o600);
    try {
      await handle.writeFile(JSON.stringify(value));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await fs.rename(temporary, file);
    // The rename itself is in the folder.
    const folder = await fs.open(path.dirname(file), 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  };

  return {
    async read() {
      try {
        return JSON.parse(await fs.readFile(file, 'utf8'));
      } catch (error) {
        if (error.code === 'ENOENT') return null;
        throw error;
      }
    },
    /** One after the other: there is one temporary file. */
    write(value) {
      const done = last.then(() => write(value));
      last = done.catch(() => {});
      return done;
    },
  };
}

/**
 * A place in the event log by itself. Where the effects are in a database, the cursor belongs
 * there, too: only together in one transaction do they happen exactly once.
 * @param {string} file
 */
export function fileCursor(file) {
  const stored = durableFile(file);
  return {
    load: () => stored.read(),
    store: ({epoch, seq}) => stored.write({epoch, seq}),
  };
}
