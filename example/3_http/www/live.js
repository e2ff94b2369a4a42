// SPDX-License-Identifier: BSL-1.0
// Draws what /events tells: one sample each half second.
'use strict';

const kept = 240; // samples: two minutes
const width = 240;
const height = 100;
const samples = [];
const element = (id) => document.getElementById(id);

// 1234567 -> 1.23 M
function short(number, unit = '') {
  const steps = [[1e9, 'G'], [1e6, 'M'], [1e3, 'k']];
  const [size, letter] = steps.find(([least]) => number >= least) ?? [1, ''];
  const value = number / size;
  const digits = value >= 100 || (size === 1 && Number.isInteger(number)) ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${letter}${unit}`.trim();
}

function time(milliseconds) {
  if (milliseconds >= 1000) return `${(milliseconds / 1000).toFixed(2)} s`;
  if (milliseconds >= 1) return `${milliseconds.toFixed(1)} ms`;
  return `${(milliseconds * 1000).toFixed(milliseconds >= 0.1 ? 0 : 1)} µs`;
}

function span(seconds) {
  const whole = Math.floor(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

// The next of 1, 2, 5, 10, 20 ...: a scale that does not jump with every sample.
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((limit) => limit >= value * 0.999);
}

// A chart of one line for each key; null makes a gap. `least` keeps noise from filling the height.
class Chart {
  constructor(id, keys, least, label) {
    this.svg = element(id);
    this.keys = keys;
    this.least = least;
    this.label = label;
    this.svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    this.svg.setAttribute('preserveAspectRatio', 'none');
    for (const y of [0, height / 2, height])
      this.add('line', { x1: 0, x2: width, y1: y, y2: y });
    this.fill = keys.length === 1 ? this.add('path', { class: 'fill' }) : null;
    this.paths = keys.map((_, i) => this.add('path', { class: 'abc'[i] }));
    const axis = document.createElement('div');
    axis.className = 'axis';
    this.top = axis.appendChild(document.createElement('span'));
    this.svg.before(axis);
  }

  add(name, attributes) {
    const node = document.createElementNS('http://www.w3.org/2000/svg', name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return this.svg.appendChild(node);
  }

  draw() {
    const values = samples.flatMap((sample) => this.keys.map((key) => sample[key] ?? 0));
    const most = ceiling(Math.max(this.least, ...values));
    this.top.textContent = this.label(most);
    const x = (i) => width - (samples.length - 1 - i) * (width / (kept - 1));
    this.keys.forEach((key, line) => {
      let path = '';
      let pen = 'M';
      samples.forEach((sample, i) => {
        if (sample[key] === null) { pen = 'M'; return; }
        const y = height * (1 - sample[key] / most);
        path += `${pen}${x(i).toFixed(1)} ${y.toFixed(1)}${pen === 'M' ? 'h.01' : ''}`;
        pen = 'L';
      });
      this.paths[line].setAttribute('d', path);
      if (this.fill && path)
        this.fill.setAttribute('d', `${path}L${width} ${height}L${x(0).toFixed(1)} ${height}Z`);
    });
  }
}

const charts = [
  new Chart('rate-chart', ['rate'], 10, (value) => short(value)),
  new Chart('latency-chart', ['p50', 'p90', 'p99'], 0.01, time),
  new Chart('connections-chart', ['connections'], 5, (value) => short(value)),
  new Chart('memory-chart', ['memory'], 10, (value) => `${value} MB`),
];

function show() {
  const now = samples.at(-1);
  const set = (id, text) => { element(id).textContent = text; };
  const measured = samples.findLast((sample) => sample.p99 !== null);
  set('rate', short(Math.round(now.rate)));
  set('requests', short(now.requests));
  for (const key of ['p50', 'p90', 'p99']) set(key, measured ? time(measured[key]) : '–');
  set('connections', String(now.connections));
  set('accepted', short(now.accepted));
  set('memory', `${now.memory.toFixed(1)} MB`);
  set('in', short(now.in, 'B/s'));
  set('out', short(now.out, 'B/s'));
  set('uptime', span(now.uptime));
  charts.forEach((chart) => chart.draw());
}

let due = false;
function take(event) {
  const sample = JSON.parse(event.data);
  if (samples.length && sample.uptime < samples.at(-1).uptime) samples.length = 0; // restarted
  if (!samples.length || sample.uptime > samples.at(-1).uptime) samples.push(sample);
  if (samples.length > kept) samples.shift();
  if (due) return;
  due = true;
  requestAnimationFrame(() => { due = false; show(); });
}

function state(text, name) {
  element('state').textContent = text;
  element('state').className = name;
}

element('here').textContent = location.href.replace(/[^/]*$/, '');
const events = new EventSource('events');
events.onopen = () => state('live', 'live');
events.onerror = () => state('connection lost, trying again', 'lost');
events.onmessage = take;
