/**
 * A backend that may be killed at any moment: it keeps what it has done and its cursor in one file
 * and replaces the file as a whole, so both are there or neither. Its parent is told of each event.
 */
import fs from 'node:fs';

import {control} from './harness.mjs';

const [url, file] = process.argv.slice(2);

const read = () => {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return {cursor: null, effects: []};
    throw error;
  }
};
const state = read();

const {done} = control(url).consume({
  consumer: 'backend',
  types: ['room.*'],
  window: 100,
  start: 'earliest',
  load: () => read().cursor,
  handle: ({seq, id, type, data}, cursor) => {
    state.effects.push({seq, id, type, name: data.name});
    state.cursor = cursor;
    fs.writeFileSync(`${file}.${process.pid}`, JSON.stringify(state));
    fs.renameSync(`${file}.${process.pid}`, file);
    process.send(state.effects.length);
  },
  reset: () => { throw new Error('nothing was lost: there is nothing to reset'); },
});
await done;
