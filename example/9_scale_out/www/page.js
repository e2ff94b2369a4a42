// SPDX-License-Identifier: BSL-1.0
// Draws what the link tells.
import { Link } from './link.js';

const element = (id) => document.getElementById(id);
const log = element('log');
const kept = 500; // messages on the page

const room = new URLSearchParams(location.search).get('room') || 'lobby';
element('room').textContent = room;
document.title = `#${room}`;
const name = element('name');
name.value = new URLSearchParams(location.search).get('name') || localStorage.getItem('name') || '';

function line(kind, parts) {
  const node = document.createElement('div');
  node.className = kind;
  for (const [tag, text] of parts) node.appendChild(document.createElement(tag)).textContent = text;
  return node;
}

// Keeps the end in sight, unless the reader has gone back to older ones.
function add(node, before = null) {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  log.insertBefore(node, before ?? log.querySelector('.waiting'));
  while (log.children.length > kept) log.firstChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

const on = {
  state(text, good) {
    element('state').textContent = text;
    element('state').className = good ? 'good' : 'bad';
  },
  welcome(who) { element('served').textContent = `served by ${who.worker} on ${who.host}`; },
  left() { element('served').textContent = element('served').textContent.replace(/^served/, 'was served'); },
  message(message) {
    const time = new Date(Number(message.id.split('-')[0])).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
    add(line(message.name === name.value ? 'own' : 'other', [['b', message.name], ['span', message.text], ['small', time]]));
  },
  gap() { add(line('note', [['span', 'older messages are no longer kept']])); },
  waiting(list) {
    for (const node of log.querySelectorAll('.waiting')) node.remove();
    for (const { text, why } of list) {
      log.append(line('own waiting', [['b', name.value], ['span', text], ['small', why || 'sending']]));
      log.scrollTop = log.scrollHeight;
    }
  },
};

let link = null;
function enter() {
  if (link || !name.value.trim()) return;
  localStorage.setItem('name', name.value);
  name.readOnly = true;
  link = new Link(new URL('chat', location.href).href.replace(/^http/, 'ws').replace(/\?.*/, ''), room, name.value.trim(), on);
}

name.addEventListener('change', enter);
element('form').addEventListener('submit', (event) => {
  event.preventDefault();
  enter();
  const text = element('text');
  if (link && text.value.trim()) link.say(text.value.trim());
  text.value = '';
  text.focus();
});
if (name.value) enter();
else { on.state('say who you are', false); name.focus(); }
