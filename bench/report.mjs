#!/usr/bin/env node
/**
 * Reads the JSON lines of bench/floor and bench/load, prints them as a table of ratios and writes a
 * page with plots that needs nothing else.
 */
import fs from 'node:fs';
import {fileURLToPath} from 'node:url';

const USAGE = `Usage: bench/report.mjs RESULTS.jsonl [REPORT.html]

RESULTS.jsonl has one line a run, as bench/floor and bench/load print them. Several runs of the same
kind become their median.`;

/** @param {number[]} numbers */
export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Between the points [x, y] whose x are next to it; beyond the ends, the end. */
export function interpolate(points, x) {
  const sorted = [...points].sort(([a], [b]) => a - b);
  const after = sorted.findIndex(([at]) => at >= x);
  if (after === -1) return sorted.at(-1)[1];
  if (after === 0) return sorted[0][1];
  const [[x0, y0], [x1, y1]] = [sorted[after - 1], sorted[after]];
  return y0 + (y1 - y0) * (x - x0) / (x1 - x0);
}

/**
 * What the machine can do at best for the traffic of a run of parley, by the floor's lines with
 * about as many receivers. A message has a cost and each packet in it another, so between two lengths of
 * runs it is messages per packet that count.
 * @returns {number|null} microseconds for a delivered packet
 */
export function floorOf(run, allFloors) {
  if (run.packets_per_message === undefined || allFloors.length === 0) return null;
  const apart = ({peers = 1}) => Math.abs(Math.log(peers / run.participants));
  const nearest = Math.min(...allFloors.map(apart));
  const floors = allFloors.filter((line) => apart(line) === nearest);
  const sizes = [...new Set(floors.map(({bytes}) => bytes))];
  const bySize = (kind, cost) => interpolate(sizes.map((bytes) => [bytes,
    cost(floors.filter((line) => line.floor === kind && line.bytes === bytes))]), run.bytes_per_packet);
  const send = bySize('send', (lines) => interpolate(lines.map((line) => [1 / line.run, line.us_per_packet]), 1 / run.packets_per_message));
  const receive = bySize('receive', ([line]) => line.us_per_packet);
  return send + run.in_per_out * receive;
}

/** Runs of one kind as one, by medians. */
function merge(runs) {
  const merged = {...runs[0]};
  for (const [key, value] of Object.entries(merged)) {
    if (typeof value === 'number') merged[key] = median(runs.map((run) => run[key]));
  }
  merged.latency_us = Object.fromEntries(Object.keys(runs[0].latency_us ?? {}).map((key) => [key, median(runs.map((run) => run.latency_us[key]))]));
  return merged;
}

/** A load counts as carried only if it arrives, and in time. */
export const isCarried = ({lost, delivered_per_s: rate, seconds, latency_us: {p99}}) =>
  lost < 0.001 * rate * seconds && p99 < 100_000;

/** @param {object[]} lines */
export function summarise(lines) {
  const floors = group(lines.filter((line) => line.floor), (line) => `${line.floor} ${line.peers} ${line.bytes} ${line.run}`)
      .map((same) => ({...same[0], us_per_packet: median(same.map((line) => line.us_per_packet))}));
  const runs = group(lines.filter((line) => line.server_cpu_us_per_packet !== undefined),
      (line) => `${line.shape} ${line.count} ${line.peer} ${line.profile}`).map(merge);
  const storms = lines.filter((line) => line.shape === 'storm');
  const loads = group(runs, (run) => `${run.shape} ${run.count}`).map((same) => {
    const best = Math.min(...same.filter((run) => run.peer !== 'parley' && isCarried(run)).map((run) => run.server_cpu_us_per_packet));
    return same.map((run) => {
      const floor = floorOf(run, floors);
      return {...run, floor, carried: isCarried(run),
        toFloor: floor === null ? null : run.server_cpu_us_per_packet / floor,
        toBestPeer: run.peer === 'parley' && Number.isFinite(best) ? run.server_cpu_us_per_packet / best : null};
    });
  });
  return {floors, loads, storms};
}

function group(items, keyOf) {
  const groups = new Map();
  for (const item of items) {
    const key = keyOf(item);
    groups.set(key, [...groups.get(key) ?? [], item]);
  }
  return [...groups.values()];
}

const fixed = (value, digits) => (value === null || value === undefined ? '' : value.toFixed(digits));

const COLUMNS = [
  ['load', ({shape, count}) => `${shape} ${count}`],
  ['server', ({peer}) => peer],
  ['profile', ({profile}) => profile],
  ['delivered/s', (run) => fixed(run.delivered_per_s, 0)],
  ['us/packet', (run) => fixed(run.server_cpu_us_per_packet, 2)],
  ['floor', (run) => fixed(run.floor, 2)],
  ['x floor', (run) => fixed(run.toFloor, 2)],
  ['x best peer', (run) => fixed(run.toBestPeer, 2)],
  ['core', (run) => `${fixed(100 * run.server_core_share, 0)} %`],
  ['per message', (run) => fixed(run.packets_per_message, 2)],
  ['lost', (run) => String(run.lost)],
  ['p50 ms', (run) => fixed(run.latency_us.p50 / 1_000, 2)],
  ['p99 ms', (run) => fixed(run.latency_us.p99 / 1_000, 2)],
  ['KiB/client', (run) => fixed(run.server_kib_per_peer, 0)],
  ['ms/join', (run) => fixed(run.server_cpu_ms_per_join, 2)],
  ['carried', (run) => (run.carried ? (run.generator_is_the_limit ? 'clients at their limit' : 'yes') : 'no')],
];

export function table({loads}) {
  const rows = [COLUMNS.map(([name]) => name), ...loads.flat().map((run) => COLUMNS.map(([, cell]) => cell(run)))];
  const widths = COLUMNS.map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  const line = (row) => `| ${row.map((cell, i) => cell.padEnd(widths[i])).join(' | ')} |`;
  return [line(rows[0]), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rows.slice(1).map(line)].join('\n');
}

const PALETTE = {parley: '#2563a8', janus: '#b45309', 'janus-loop': '#a16207', floor: '#4b5563'};
const escape = (text) => String(text).replace(/[&<>"]/g, (c) => ({'&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;'})[c]);

/** Horizontal bars, one group a load. */
function bars(title, unit, loads, valueOf) {
  const rows = loads.flatMap((same) => [
    ...same.map((run) => ({label: `${run.shape} ${run.count}`, name: run.peer, value: valueOf(run), profile: run.profile})),
    {gap: true}]);
  const most = Math.max(...rows.map(({value}) => value ?? 0));
  const height = rows.reduce((sum, row) => sum + (row.gap ? 10 : 20), 30);
  let y = 24;
  const parts = rows.map((row) => {
    if (row.gap) { y += 10; return ''; }
    const width = 420 * row.value / most;
    const part = `<text x="0" y="${y + 13}">${escape(row.label)}</text><text x="100" y="${y + 13}">${escape(row.name)}</text>` +
      `<rect x="190" y="${y + 2}" width="${width.toFixed(1)}" height="14" fill="${PALETTE[row.name] ?? '#666'}"><title>${escape(row.profile)}</title></rect>` +
      `<text x="${(196 + width).toFixed(1)}" y="${y + 13}">${row.value.toFixed(2)}</text>`;
    y += 20;
    return part;
  });
  return `<figure><figcaption>${escape(title)}, ${escape(unit)}</figcaption><svg viewBox="0 0 680 ${height}" width="680" height="${height}">${parts.join('')}</svg></figure>`;
}

export function page(summary) {
  const {loads, floors, storms} = summary;
  const rows = loads.flat().map((run) => `<tr>${COLUMNS.map(([, cell]) => `<td>${escape(cell(run))}</td>`).join('')}</tr>`);
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>parley under load</title>
<style>body{font:15px/1.5 system-ui,sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}th,td{padding:.2rem .6rem;border-bottom:1px solid #ddd;text-align:left;white-space:nowrap}
figure{margin:2rem 0}figcaption{font-weight:600}svg text{font:12px system-ui,sans-serif}div{overflow-x:auto}</style>
<h1>parley under load</h1>
<p>Processor time is that of all threads of the server, the kernel's work for them included, by packet that reached a
receiver's socket. The floor is what this machine needs to receive, open, seal and send the same packets in messages of
the same length, and nothing else. Figures of different machines do not compare; ratios of one run do.</p>
<div><table><tr>${COLUMNS.map(([name]) => `<th>${escape(name)}</th>`).join('')}</tr>${rows.join('')}</table></div>
${bars('Processor time of a delivered packet', 'microseconds', loads, (run) => run.server_cpu_us_per_packet)}
${bars('Latency, 99th percentile', 'milliseconds', loads, (run) => run.latency_us.p99 / 1_000)}
${bars('Memory of a client', 'KiB', loads, (run) => run.server_kib_per_peer)}
<h2>Floor</h2><div><table><tr><th>what</th><th>receivers</th><th>bytes</th><th>packets in a message</th><th>us/packet</th></tr>
${floors.map((line) => `<tr><td>${escape(line.floor)}</td><td>${line.peers ?? ''}</td><td>${line.bytes}</td><td>${line.run ?? ''}</td><td>${line.us_per_packet.toFixed(2)}</td></tr>`).join('')}</table></div>
${storms.map((storm) => `<h2>${storm.count} join at once</h2><p>Connected after ${storm.join_ms.p50} ms (median), ${storm.join_ms.p99} ms (99 %);
${storm.server_cpu_ms_per_join} ms of processor time each. Calls that went on meanwhile lost ${storm.running_calls.lost} of ${storm.running_calls.packets} packets.</p>`).join('')}
</html>
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [results, report] = process.argv.slice(2);
  if (!results || results === '--help' || results === '-h') {
    console.log(USAGE);
    process.exit(results ? 0 : 2);
  }
  const lines = fs.readFileSync(results, 'utf8').split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  const summary = summarise(lines);
  console.log(table(summary));
  if (report) fs.writeFileSync(report, page(summary));
}
