// @ts-check
/** The panel beside the call in which people write to each other. */
import {byId, element, icon, toast} from './ui.js';

/** @typedef {import('./parley-chat.js').Message} Message */

const NEAR_END_PX = 60; // whoever reads further up is not pulled down by what comes

export class ChatPanel {
  #call;
  #chat;
  #onChange;
  #unread = 0;
  #panel = byId('chat');
  #list = byId('chat-list');
  #form = /** @type {HTMLFormElement} */ (byId('chat-form'));
  #text = /** @type {HTMLTextAreaElement} */ (byId('chat-text'));
  /** @type {Map<string, HTMLElement>} */ #shown = new Map();

  /** @param {import('./parley.js').Call} call @param {AbortSignal} signal @param {() => void} onChange */
  constructor(call, signal, onChange) {
    this.#call = call;
    this.#chat = call.chat;
    this.#onChange = onChange;
    this.#chat.addEventListener('message', (event) => this.#came(/** @type {CustomEvent} */ (event).detail), {signal});
    this.#chat.addEventListener('deleted', (event) => this.#gone(/** @type {CustomEvent} */ (event).detail.messageId), {signal});
    this.#chat.addEventListener('rules', () => this.refresh(), {signal});
  }

  get open() { return !this.#panel.hidden; }
  get unread() { return this.#unread; }

  start() {
    this.#list.replaceChildren();
    this.#shown.clear();
    for (const message of this.#chat.messages) this.#append(message);
    this.#form.onsubmit = (event) => { event.preventDefault(); void this.#send(); };
    this.#text.onkeydown = (event) => {
      if (event.key === 'Escape') this.toggle(false);
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      void this.#send();
    };
    byId('chat-close').onclick = () => this.toggle(false);
    byId('chat-older').onclick = () => void this.#older();
    this.refresh();
  }

  close() {
    this.#panel.hidden = true;
    this.#text.value = '';
  }

  /** @param {boolean} [open] */
  toggle(open = !this.open) {
    if (open === this.open) return;
    this.#panel.hidden = !open;
    if (open) {
      this.#unread = 0;
      this.#list.scrollTop = this.#list.scrollHeight;
      this.#text.focus();
    } else {
      byId('chat-button').focus();
    }
    this.#onChange();
  }

  refresh() {
    const {enabled, slowModeS} = this.#chat.rules;
    const may = enabled && this.#call.permissions.has('send_chat');
    this.#text.disabled = !may;
    /** @type {HTMLButtonElement} */ (byId('chat-send')).disabled = !may;
    this.#text.placeholder = !enabled ? 'The chat is turned off' : may ? 'Write a message' : 'You can only read here';
    const slow = may && slowModeS > 0 && !this.#call.permissions.has('moderate_chat');
    byId('chat-note').textContent = slow ? `One message every ${slowModeS} s` : '';
    byId('chat-older').hidden = !this.#chat.more;
    byId('chat-empty').hidden = this.#shown.size > 0;
    const button = byId('chat-button');
    button.dataset.unread = this.#unread > 0 ? String(Math.min(this.#unread, 99)) : '';
  }

  async #send() {
    const text = this.#text.value.trim();
    if (!text) return;
    this.#text.value = '';
    try {
      await this.#chat.send(text);
    } catch (error) {
      if (!this.#text.value) this.#text.value = text; // nothing that was written is lost
      if (this.#call.state !== 'ended') toast(/** @type {Error} */ (error).message, {bad: true});
    }
  }

  async #older() {
    const before = this.#list.scrollHeight;
    try {
      await this.#chat.loadOlder();
    } catch (error) {
      return toast(/** @type {Error} */ (error).message, {bad: true});
    }
    const missing = this.#chat.messages.filter(({id}) => !this.#shown.has(id));
    this.#list.prepend(...missing.map((message) => this.#node(message)));
    this.#list.scrollTop += this.#list.scrollHeight - before;
    this.refresh();
  }

  /** @param {{message: Message, old: boolean}} detail */
  #came({message, old}) {
    const own = message.participantId === this.#call.self?.id;
    const atEnd = this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < NEAR_END_PX;
    this.#append(message);
    if (own || atEnd) this.#list.scrollTop = this.#list.scrollHeight;
    if (!this.open && !own && !old) {
      this.#unread += 1;
      toast(`${message.name || 'The organiser'}: ${message.text.slice(0, 120)}`);
    }
    this.#onChange();
  }

  /** @param {string} messageId */
  #gone(messageId) {
    this.#shown.get(messageId)?.remove();
    this.#shown.delete(messageId);
    this.refresh();
  }

  /** @param {Message} message */
  #append(message) {
    this.#list.append(this.#node(message));
    this.refresh();
  }

  /** @param {Message} message */
  #node({id, participantId, name, text, sentMs}) {
    const own = participantId === this.#call.self?.id;
    const time = new Date(sentMs).toLocaleTimeString([], {hour: '2-digit', minute: '2-digit'});
    const head = element('p', {class: 'message-head'}, element('strong', {}, own ? 'You' : name || 'Organiser'), ` ${time}`);
    if (this.#call.permissions.has('moderate_chat')) {
      const remove = element('button', {type: 'button', class: 'message-delete', 'aria-label': `Delete the message of ${name}`, title: 'Delete'}, icon('close'));
      remove.onclick = () => void this.#chat.remove(id).catch((error) => toast(error.message, {bad: true}));
      head.append(remove);
    }
    const node = element('li', {class: own ? 'message own' : 'message'}, head, element('p', {class: 'message-text'}, text));
    this.#shown.set(id, node);
    return node;
  }
}
