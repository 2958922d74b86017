// Draws the figures of /status once a second, for the last two minutes. The page loads nothing from other servers.
"use strict";

const SECONDS = 120;
const CHARTS = [
  { key: "requests", title: "Requests a second", rate: true },
  { key: "resends", title: "Resends a second", rate: true },
  { key: "amplification", title: "Attempts for each request", of: (rates) => rates.requests > 0 ? rates.attempts / rates.requests : 1 },
  { key: "retry_overflow", title: "Resends the budget did not allow, a second", rate: true },
  { key: "budget", title: "Resends the budget allows", of: (_, now) => now.budget_tokens ?? 0 },
  { key: "paced", title: "Requests the pace holds back", of: (_, now) => now.paced },
];

const history = new Map(); // the points of each chart, by the name of the upstream
let last = null;
let paused = false;

const element = (id) => document.getElementById(id);

function make(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function counters(upstream) {
  const { requests, attempts, retry_overflow } = upstream;
  return { requests, attempts, retry_overflow, resends: Object.values(upstream.resends).reduce((sum, count) => sum + count, 0) };
}

function remember(status, at) {
  for (const now of status.upstreams) {
    const before = last?.status.upstreams.find((upstream) => upstream.name === now.name);
    if (!before) continue;
    const [old, young, seconds] = [counters(before), counters(now), (at - last.at) / 1000];
    const rates = Object.fromEntries(Object.keys(young).map((key) => [key, Math.max(0, young[key] - old[key]) / seconds]));
    if (!history.has(now.name)) history.set(now.name, Object.fromEntries(CHARTS.map(({ key }) => [key, []])));
    for (const { key, rate, of } of CHARTS) {
      const points = history.get(now.name)[key];
      points.push(rate ? rates[key] : of(rates, now));
      if (points.length > SECONDS) points.shift();
    }
  }
  last = { status, at };
}

function figure({ key, title }) {
  const made = make("figure", "", { id: `chart-${key}` });
  const caption = make("figcaption", "");
  caption.append(make("span", title), make("output", "–"));
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${SECONDS - 1} 100`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  for (const kind of ["area", "line"]) {
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("class", kind);
    svg.append(path);
  }
  made.append(caption, svg);
  return made;
}

const number = (value) => value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);

function draw({ key, title }, points) {
  const [top, at] = [Math.max(1, ...points) * 1.1, SECONDS - points.length];
  const line = points.map((point, index) => `${at + index},${(100 - 98 * point / top).toFixed(2)}`).join(" L");
  const chart = element(`chart-${key}`);
  const latest = points.length > 0 ? number(points[points.length - 1]) : "–";
  chart.querySelector("output").textContent = latest;
  chart.querySelector("svg").setAttribute("aria-label", `${title}, now ${latest}, at most ${number(Math.max(0, ...points))}`);
  chart.querySelector(".line").setAttribute("d", line ? `M${line}` : "");
  chart.querySelector(".area").setAttribute("d", line ? `M${at},100 L${line} L${SECONDS - 1},100 Z` : "");
}

function rows(body, lines) {
  element(body).replaceChildren(...lines.map((cells) => {
    const row = make("tr", "");
    row.append(...cells.map((cell) => make("td", cell, typeof cell === "number" ? { class: "number" } : {})));
    return row;
  }));
}

function show() {
  const { upstreams } = last.status;
  const select = element("upstream");
  const names = upstreams.map(({ name }) => name);
  if ([...select.options].map(({ value }) => value).join() !== names.join()) {
    const chosen = select.value;
    select.replaceChildren(...names.map((name) => make("option", name, { value: name })));
    if (names.includes(chosen)) select.value = chosen;
  }
  const upstream = upstreams.find(({ name }) => name === select.value);
  if (!upstream) return;
  for (const chart of CHARTS) draw(chart, history.get(upstream.name)?.[chart.key] ?? []);
  rows("resends", Object.entries(upstream.resends));
  rows("endpoints", upstream.endpoints.map(({ endpoint, load, state }) => [endpoint, load, state]));
}

function showState(text, bad) {
  element("state").textContent = text;
  element("state").classList.toggle("bad", bad);
}

async function tick() {
  if (!paused) {
    try {
      const response = await fetch("/status", { cache: "no-store" });
      if (!response.ok) throw new Error(`/status answered ${response.status}`);
      remember(await response.json(), performance.now());
      show();
      showState(last.status.draining ? "draining" : "live", last.status.draining);
    } catch (error) {
      showState(`no answer: ${error.message}`, true);
    }
  }
  setTimeout(tick, 1000);
}

element("charts").append(...CHARTS.map(figure));
element("upstream").addEventListener("change", show);
element("pause").addEventListener("click", () => {
  paused = !paused;
  element("pause").setAttribute("aria-pressed", String(paused));
  element("pause").textContent = paused ? "Resume" : "Pause";
  if (paused) showState("paused", false);
});
tick();
