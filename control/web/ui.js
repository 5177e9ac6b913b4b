// @ts-check
/** Small pieces that every part of the page uses: elements, icons, toasts, a confirmation. */

/** @template {HTMLElement} T @param {string} id @returns {T} */
export const byId = (id) => /** @type {T} */ (document.getElementById(id));

/**
 * @param {string} tag @param {Record<string, string>} [attributes] @param {(Node|string)[]} children
 * @returns {HTMLElement}
 */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** An icon of the sprite in index.html. @param {string} name */
export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  use.setAttribute('href', `#i-${name}`);
  svg.append(use);
  return svg;
}

/**
 * Dresses a button of the control bar: icon, words, and the key that does the same.
 * @param {HTMLElement} button @param {{icon: string, label: string, short: string, key?: string, off?: boolean}} look
 */
export function dress(button, {icon: name, label, short, key, off = false}) {
  const face = element('span', {class: 'face'}, icon(name));
  const words = element('span', {class: 'words', 'aria-hidden': 'true'}, short);
  if (key) words.append(' ', element('kbd', {}, key.toUpperCase()));
  button.replaceChildren(face, words);
  button.setAttribute('aria-label', label);
  button.title = key ? `${label} (${key})` : label;
  button.classList.toggle('off', off);
}

const TOAST_MS = 5_000;
const MAX_TOASTS = 3;

/** Shows a sentence for a while; screen readers speak it. @param {string} text @param {{bad?: boolean}} [options] */
export function toast(text, {bad = false} = {}) {
  const area = byId('toasts');
  while (area.children.length >= MAX_TOASTS) area.firstElementChild?.remove();
  const node = element('p', {class: bad ? 'toast bad' : 'toast'}, text);
  area.append(node);
  setTimeout(() => node.remove(), TOAST_MS);
}

/** @param {{title: string, text: string, yes: string}} question @returns {Promise<boolean>} */
export function confirmed({title, text, yes}) {
  const dialog = /** @type {HTMLDialogElement} */ (byId('confirm'));
  byId('confirm-title').textContent = title;
  byId('confirm-text').textContent = text;
  byId('confirm-yes').textContent = yes;
  dialog.returnValue = 'no';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.onclose = () => resolve(dialog.returnValue === 'yes');
  });
}

/** Shows one of the pages and moves the focus to its heading. @param {string} id */
export function showPage(id) {
  for (const page of document.querySelectorAll('body > main')) {
    /** @type {HTMLElement} */ (page).hidden = page.id !== id;
  }
  byId('toasts').replaceChildren();
  const heading = /** @type {HTMLElement|null} */ (byId(id).querySelector('h1'));
  heading?.focus({preventScroll: true});
}

/** A calm colour that stays with a person. @param {HTMLElement} avatar @param {string} name @param {string} identity */
export function dressAvatar(avatar, name, identity) {
  const words = name.trim().split(/\s+/);
  const letters = words.length > 1 ? [words[0], words[words.length - 1]] : [words[0]];
  avatar.textContent = letters.map((word) => [...word][0] ?? '').join('').toUpperCase();
  let hash = 0;
  for (const char of identity) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) % 3_600;
  avatar.style.setProperty('--hue', String(hash % 360));
}

/** 75000 -> "1:15", 3675000 -> "1:01:15" @param {number} ms */
export function clock(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  const two = (/** @type {number} */ n) => String(n).padStart(2, '0');
  const hours = Math.floor(seconds / 3_600);
  const minutes = Math.floor(seconds / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}
