#!/usr/bin/env node
/**
 * Writes methods.d.ts, the types of every method and event, from control/schema/*.json.
 *   node generate-types.mjs            writes it
 *   node generate-types.mjs --check    exit code 1 when it is not what the schemas say
 */
import fs from 'node:fs';
import path from 'node:path';
import {fileURLToPath} from 'node:url';

const SCHEMAS = fileURLToPath(new URL('../../schema/', import.meta.url));
const OUTPUT = fileURLToPath(new URL('methods.d.ts', import.meta.url));
const WIDTH = 100;
// Participants' signalling is another protocol; common.json and events.json hold no methods.
const NOT_METHODS = new Set(['rtc.json', 'common.json', 'events.json']);
// Names that TypeScript's own libraries have, or that say too little by themselves.
const NAMES = {event: 'EventEnvelope', error: 'ErrorObject', file: 'RecordingFile'};
const HEAD = `/**
 * The methods and events of parley's control API. Generated from control/schema/ by
 * generate-types.mjs: do not edit. Answers and events may have members that are not here yet.
 */
`;

const schemas = new Map();
for (const file of fs.readdirSync(SCHEMAS).filter((name) => name.endsWith('.json')).sort()) {
  if (file === 'rtc.json') continue;
  schemas.set(file, JSON.parse(fs.readFileSync(path.join(SCHEMAS, file), 'utf8')));
}

const pascal = (text) =>
  text.split(/[._]/).map((part) => part[0].toUpperCase() + part.slice(1)).join('');
const isName = (text) => /^[A-Za-z_$][\w$]*$/.test(text);
const quote = (value) =>
  typeof value === 'string' ? `'${value.replaceAll('\'', '\\\'')}'` : String(value);

/** The $defs that become types of their own: by "file#/$defs/name", what they are called. */
const named = new Map();
for (const [file, schema] of schemas) {
  for (const key of Object.keys(schema.$defs ?? {})) {
    if (key === 'methods' || key === 'events') continue;
    const definition = schema.$defs[key];
    // Strings and numbers with limits are strings and numbers.
    const composed = definition.properties || definition.allOf || definition.oneOf ||
        definition.anyOf;
    if (definition.$ref || !composed) continue;
    named.set(`${file}#/$defs/${key}`, {file, key, name: NAMES[key] ?? pascal(key)});
  }
}
const taken = new Map();
for (const entry of named.values()) {
  taken.set(entry.name, [...(taken.get(entry.name) ?? []), entry]);
}
for (const entries of taken.values()) {
  if (entries.length < 2) continue;
  for (const entry of entries) entry.name = pascal(entry.file.replace('.json', '')) + entry.name;
}

function resolve(reference, file) {
  const [target, pointer] = reference.split('#');
  const name = target === '' ? file : path.basename(target);
  let found = schemas.get(name);
  for (const part of pointer.split('/').slice(1)) found = found?.[part];
  if (found === undefined) throw new Error(`${file}: ${reference} names nothing`);
  return {id: `${name}#${pointer}`, schema: found, file: name};
}

const PRIMITIVES = {
  string: 'string', integer: 'number', number: 'number', boolean: 'boolean', null: 'null',
};

/** A schema as a type. @param {number} indent  of the line where it begins */
function typeOf(schema, file, indent) {
  if (schema.$ref) {
    const target = resolve(schema.$ref, file);
    return named.get(target.id)?.name ?? typeOf(target.schema, target.file, indent);
  }
  if (schema.const !== undefined) return quote(schema.const);
  if (schema.enum) return union(schema.enum.map(quote), indent);
  if (schema.allOf) return schema.allOf.map((one) => typeOf(one, file, indent)).join(' & ');
  if (schema.properties) return objectOf(schema, file, indent);
  const either = schema.oneOf ?? schema.anyOf;
  if (either && !schema.type) {
    return union(either.map((one) => typeOf(one, file, indent)), indent);
  }
  if (Array.isArray(schema.type)) {
    return union(schema.type.map((type) => typeOf({...schema, type}, file, indent)), indent);
  }
  if (schema.type === 'array') {
    const item = schema.items ? typeOf(schema.items, file, indent) : 'unknown';
    return /[|&]/.test(item) && !item.startsWith('{') ? `(${item})[]` : `${item}[]`;
  }
  if (schema.type === 'object') {
    const values = schema.additionalProperties;
    const value = typeof values === 'object' ? typeOf(values, file, indent) : 'unknown';
    return `Record<string, ${value}>`;
  }
  return PRIMITIVES[schema.type] ?? 'unknown';
}

/** On one line, or one alternative a line. */
function union(types, indent) {
  const all = [...new Set(types)];
  const line = all.join(' | ');
  if (indent + line.length <= WIDTH - 30 || all.length < 4) return line;
  return all.map((type) => `\n${' '.repeat(indent + 2)}| ${type}`).join('');
}

function objectOf(schema, file, indent) {
  const entries = Object.entries(schema.properties);
  if (entries.length === 0) {
    const value = schema.additionalProperties === false ? 'never' : 'unknown';
    return `Record<string, ${value}>`;
  }
  const short = entries.map(([name, value]) => member(name, value, schema, file, 0)).join('; ');
  const described = entries.some(([, value]) => describe(value, file));
  if (indent > 0 && !described && indent + short.length <= WIDTH - 40 && !short.includes('\n')) {
    return `{${short}}`;
  }
  return `{\n${members(schema, file, indent + 2)}${' '.repeat(indent)}}`;
}

function member(name, value, schema, file, indent) {
  const optional = (schema.required ?? []).includes(name) ? '' : '?';
  const type = typeOf(value, file, indent);
  const space = type.startsWith('\n') ? '' : ' ';
  return `${isName(name) ? name : quote(name)}${optional}:${space}${type}`;
}

/** Descriptions of what a reference leads to are said there, if it has a type of its own. */
function describe(schema, file) {
  if (schema.description || !schema.$ref) return schema.description;
  const target = resolve(schema.$ref, file);
  return named.has(target.id) ? undefined : target.schema.description;
}

function comment(text, indent) {
  if (!text) return '';
  const space = ' '.repeat(indent);
  const line = `${space}/** ${text} */\n`;
  if (line.length <= WIDTH + 1) return line;
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last && `${space} * ${last} ${word}`.length > WIDTH) lines.push(word);
    else lines[lines.length - 1] = last ? `${last} ${word}` : word;
  }
  return `${space}/**\n${lines.map((one) => `${space} * ${one}\n`).join('')}${space} */\n`;
}

function members(schema, file, indent) {
  return Object.entries(schema.properties).map(([name, value]) =>
    `${comment(describe(value, file), indent)}${' '.repeat(indent)}` +
    `${member(name, value, schema, file, indent)};\n`).join('');
}

/** A whole declaration: an interface where that is possible. */
function declare(name, schema, file) {
  const head = comment(schema.description, 0);
  if (schema.properties && Object.keys(schema.properties).length > 0 && !schema.allOf) {
    return `${head}export interface ${name} {\n${members(schema, file, 2)}}\n`;
  }
  return `${head}export type ${name} = ${typeOf(schema, file, 0).trimStart()};\n`;
}

function generate() {
  const parts = [HEAD];
  for (const {file, key, name} of named.values()) {
    parts.push(declare(name, schemas.get(file).$defs[key], file));
  }
  const methods = [];
  for (const [file, schema] of schemas) {
    if (NOT_METHODS.has(file)) continue;
    for (const [method, {description, params, result}] of Object.entries(schema.$defs.methods)) {
      const name = pascal(method);
      parts.push(declare(`${name}Params`, {description, ...params}, file));
      parts.push(declare(`${name}Result`, result, file));
      methods.push([method, name]);
    }
  }
  methods.sort(([a], [b]) => a < b ? -1 : 1);
  const rows = methods.map(([method, name]) =>
    `  '${method}': {params: ${name}Params; result: ${name}Result};\n`);
  parts.push(`/** Of every method. */\nexport interface Methods {\n${rows.join('')}}\n`);

  const events = Object.entries(schemas.get('events.json')?.$defs.events ?? {});
  const types = events.map(([type, schema]) => {
    const whole = schema.$ref && named.get(resolve(schema.$ref, 'events.json').id)?.name;
    if (whole) return `  '${type}': ${whole};\n`;
    const name = `${pascal(type)}Data`;
    parts.push(declare(name, schema, 'events.json'));
    return `  '${type}': ${name};\n`;
  });
  if (types.length === 0) types.push('  [type: string]: Record<string, unknown>;\n');
  parts.push(`/** The data of every event. */\nexport interface Events {\n${types.join('')}}\n`);
  return parts.join('\n');
}

const text = generate();
if (process.argv.includes('--check')) {
  const known = fs.existsSync(OUTPUT) ? fs.readFileSync(OUTPUT, 'utf8') : '';
  if (known !== text) {
    console.error('methods.d.ts is not what control/schema says: run node generate-types.mjs');
    process.exitCode = 1;
  }
} else {
  fs.writeFileSync(OUTPUT, text);
}
