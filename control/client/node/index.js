/** parley-control: what a backend needs of parleyd. README.md shows the ways to use it. */
export {Control} from './control.js';
export {durableFile, fileCursor} from './cursor.js';
export {ParleyError} from './errors.js';
export {apiToken, joinLink, joinToken} from './tokens.js';
export {verifyWebhook} from './webhooks.js';
