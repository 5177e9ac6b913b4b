/** What FFmpeg says of a recorded file: streams, duration, errors, and when it flashes and beeps. */
import {execFile} from 'node:child_process';
import {promisify} from 'node:util';

const run = promisify(execFile);
const LIMIT = {maxBuffer: 256 * 1024 * 1024, timeout: process.env.PARLEY_LONG ? 20 * 60_000 : 60_000};

/** @param {string} file */
export async function probe(file) {
  const {stdout} = await run('ffprobe', ['-v', 'error', '-show_streams', '-show_format', '-of', 'json', file], LIMIT);
  const {streams, format} = JSON.parse(stdout);
  return {
    codecs: streams.map(({codec_name: name}) => name).sort(),
    durationMs: Number(format.duration) * 1_000,
  };
}

/** Seconds of the picture's key frames. @param {string} file */
export async function keyFrames(file) {
  const {stdout} = await run('ffprobe',
    ['-v', 'error', '-select_streams', 'v:0', '-show_entries', 'packet=pts_time,flags', '-of', 'csv=p=0', file], LIMIT);
  return stdout.split('\n').filter((line) => line.includes(',K')).map(parseFloat);
}

/** Red, green and blue of one point of the picture. @param {string} file @param {number} seconds @param {number} x @param {number} y */
export async function pixel(file, seconds, x, y) {
  const {stdout} = await run('ffmpeg', ['-nostdin', '-v', 'error', '-ss', String(seconds), '-i', file, '-frames:v', '1',
    '-vf', `format=rgb24,crop=1:1:${x}:${y}`, '-f', 'rawvideo', '-'], {...LIMIT, encoding: 'buffer'});
  return [...stdout];
}

/**
 * Decodes everything; returns what FFmpeg complains about, and video times that do not rise. The
 * frames keep their own times: a frame rate that FFmpeg guesses from a short file would put two of
 * them on one tick and complain about that.
 * @param {string} file
 */
export async function decodeErrors(file) {
  const {stderr} = await run('ffmpeg',
      ['-nostdin', '-v', 'error', '-i', file, '-fps_mode', 'passthrough', '-enc_time_base', '-1', '-f', 'null', '-'], LIMIT);
  const {stdout} = await run('ffprobe',
      ['-v', 'error', '-select_streams', 'v', '-show_entries', 'packet=pts_time', '-of', 'csv=p=0', file], LIMIT);
  const times = stdout.trim().split('\n').map((line) => parseFloat(line));
  const standing = times.filter((time, i) => i > 0 && !(time > times[i - 1]));
  return stderr + standing.map((time) => `a frame at ${time} s is not after the one before it\n`).join('');
}

/**
 * Pairs of "time, value" from a filter that prints a value per frame.
 * @param {string} file @param {string[]} filter @param {string} key
 */
async function series(file, filter, key) {
  const {stdout} = await run('ffmpeg', ['-nostdin', '-v', 'error', '-i', file, ...filter, '-f', 'null', '-'], LIMIT);
  const points = [];
  let time = 0;
  for (const line of stdout.split('\n')) {
    const [, seconds] = /pts_time:([\d.-]+)/.exec(line) ?? [];
    if (seconds !== undefined) time = Number(seconds) * 1_000;
    const [, value] = line.startsWith(key) ? /=(.*)/.exec(line) ?? [] : [];
    if (value !== undefined) points.push({time, value: value.includes('inf') ? -200 : Number(value)});
  }
  return points;
}

/** Times at which a series rises over a threshold. */
const rises = (points, threshold) =>
  points.filter(({value}, i) => i > 0 && value > threshold && points[i - 1].value <= threshold).map(({time}) => time);

/**
 * For each flash of the picture, how much later the beep is (ms; negative: earlier).
 * @param {string} file
 * @param {{part?: string, voice?: string}} [only] the part of the picture that flashes, as FFmpeg's
 *   crop wants it, and a filter for the sound that beeps
 */
export async function beepAfterFlash(file, {part = 'iw:ih', voice = 'anull'} = {}) {
  const light = await series(file, ['-map', '0:v', '-vf', `crop=${part},signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=-`], 'lavfi.signalstats.YAVG');
  const sound = await series(file, ['-map', '0:a', '-af',
    `${voice},asetnsamples=240,astats=metadata=1:reset=1,ametadata=print:key=lavfi.astats.Overall.RMS_level:file=-`], 'lavfi.astats.Overall.RMS_level');
  return pairUp(rises(light, 140), rises(sound, -35));
}

/** @param {number[]} flashes @param {number[]} beeps */
export function pairUp(flashes, beeps) {
  return flashes.map((flash) => {
    const distances = beeps.map((beep) => beep - flash);
    return distances.reduce((best, distance) => (Math.abs(distance) < Math.abs(best) ? distance : best), Infinity);
  }).filter((distance) => Math.abs(distance) < 450);
}
