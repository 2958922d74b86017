// Shows the figures of /status once a second, for the last two minutes. The page loads nothing from other servers.
"use strict";

const REASONS = {
  resends: ["never-sent", "unprocessed", "throttled", "transient", "timeout", "unknown"],
  waits: ["pace", "backoff", "connection", "endpoint", "body", "limit"],
  paced: ["own_hint", "turn", "stopped", "probe", "rate", "at_a_time", "quota", "slow_start"],
  pace_rejected: ["full", "too_long"],
  response_cut: ["cut-by-upstream", "cut-by-client", "timed-out"],
};
// A chart has the values `now`, or the growth a second of the counters `of`.
const CHARTS = [
  { id: "requests", title: "Requests and attempts", metric: "upstream_rq_total, upstream_rq_attempts_total", unit: "per second",
    lines: ["requests", "attempts"], of: ({ requests, attempts }) => [requests, attempts] },
  { id: "resends", title: "Resends by reason", metric: "upstream_rq_retry_total", unit: "per second",
    lines: REASONS.resends, of: ({ resends }) => byReason("resends", resends) },
  { id: "amplification", title: "Amplification", metric: "upstream_rq_attempts_total / upstream_rq_total", unit: "attempts",
    lines: ["attempts for each request"], base: 1, least: 0.5,
    growth: (rates) => [rates.requests > 0 ? Math.max(1, rates.attempts / rates.requests) : 1] },
  { id: "active", title: "Requests in flight and pending", metric: "upstream_rq_active, upstream_rq_pending_active", unit: "requests",
    lines: ["in flight", "pending"], now: ({ in_flight, pending }) => [in_flight, pending] },
  { id: "waits", title: "What pending requests wait for", metric: "upstream_rq_waits_active", unit: "requests",
    lines: REASONS.waits, now: ({ waits }) => byReason("waits", waits) },
  { id: "paced", title: "Requests that the pace holds back", metric: "pace_active", unit: "requests",
    lines: REASONS.paced, now: ({ paced }) => byReason("paced", paced) },
  { id: "budget", title: "Resends that the budget allows", metric: "retry_budget_tokens", unit: "resends",
    lines: ["tokens"], now: ({ budget_tokens }) => [budget_tokens ?? 0] },
  { id: "overflow", title: "Resends and requests that were refused", metric: "upstream_rq_retry_overflow_total, pace_rejected_total", unit: "per second",
    lines: ["budget used up", ...REASONS.pace_rejected],
    of: ({ retry_overflow, pace_rejected }) => [retry_overflow, ...byReason("pace_rejected", pace_rejected)] },
  { id: "ends", title: "Response bodies that were cut", metric: "upstream_rq_response_cut_total", unit: "per second",
    lines: REASONS.response_cut, of: ({ response_cut }) => byReason("response_cut", response_cut) },
];

const charts = CHARTS.map((chart) => ({ ...chart, drawn: new Chart(chart) }));
const pointsByUpstream = new Map(); // the points of each chart, by the name of the upstream
let last = null;
let paused = false;

const element = (id) => document.getElementById(id);
const sum = (counts) => Object.values(counts).reduce((total, count) => total + count, 0);
const byReason = (kind, counts = {}) => REASONS[kind].map((reason) => counts[reason] ?? 0);

function pointsOf(name) {
  if (!pointsByUpstream.has(name)) pointsByUpstream.set(name, new Map(CHARTS.map(({ id }) => [id, []])));
  return pointsByUpstream.get(name);
}

function add(name, id, time, values) {
  const points = pointsOf(name).get(id);
  points.push([time, values]);
  while (points[0][0] < time - SPAN - 2) points.shift();
}

function remember(status, time) {
  for (const now of status.upstreams) {
    const before = last?.status.upstreams.find(({ name }) => name === now.name);
    const seconds = time - (last?.time ?? time);
    // Counters between two answers that are far apart tell of no second in particular.
    const grows = before && seconds > 0 && seconds < 5;
    const growth = (of) => grows ? of(now).map((value, index) => Math.max(0, value - of(before)[index]) / seconds) : null;
    for (const chart of CHARTS) {
      if (chart.now) add(now.name, chart.id, time, chart.now(now));
      else if (chart.of) add(now.name, chart.id, time, growth(chart.of));
      else {
        const rates = growth(({ requests, attempts }) => [requests, attempts]);
        add(now.name, chart.id, time, rates && chart.growth({ requests: rates[0], attempts: rates[1] }));
      }
    }
  }
  last = { status, time };
}

function rows(body, lines, empty) {
  const cells = (line) => line.map((cell) => {
    const isNumber = typeof cell === "number";
    const attributes = isNumber ? { class: "number" } : cell?.class ? { class: cell.class } : {};
    return make("td", isNumber ? cell.toLocaleString("en") : cell?.text ?? cell ?? "–", attributes);
  });
  const none = make("td", empty, { class: "none", colspan: "9" });
  element(body).replaceChildren(...(lines.length > 0 ? lines.map(cells) : [[none]]).map((line) => {
    const row = make("tr", "");
    row.append(...line);
    return row;
  }));
}

const amount = (value) => value === undefined ? { class: "number", text: "–" } : value;

function showTables(upstream) {
  const keys = upstream.pace_keys ?? [];
  rows("keys", keys.map((key) => [
    { class: "key", text: key.key.slice(0, 8) + (key.endpoint ? ` ${key.endpoint}` : "") },
    key.why, amount(key.rate), amount(key.at_a_time), amount(key.stopped_for), key.paced, key.in_flight, key.refused_share,
  ]), upstream.pace_keys ? "no key is held back or refused" : "the upstream has no pace");
  rows("resends", Object.entries(upstream.resends), "none");
  const cuts = upstream.response_cut ?? {};
  rows("ends", [["not cut", Math.max(0, upstream.requests - sum(cuts))], ...REASONS.response_cut.map((reason) => [reason, cuts[reason] ?? 0])], "none");
  rows("endpoints", upstream.endpoints.map(({ endpoint, load, state }) => [endpoint, load, state]), "none");
}

function showTotals({ connections, buffered_bytes, config, fleet }, { ejected, retry_success, unpaced }) {
  const totals = {
    "connections of clients": number(connections), "buffered bytes": number(buffered_bytes), "endpoints ejected": number(ejected),
    "requests that a resend made succeed": number(retry_success), ...(unpaced === undefined ? {} : { "unpaced requests": number(unpaced) }),
    ...(fleet ? { [`fleet ${fleet.name}`]: `${fleet.state}${fleet.reason ? ` (${fleet.reason})` : ""}, members: ${fleet.members}` } : {}),
    "configuration of": new Date(config.loaded_at).toLocaleTimeString(),
  };
  element("totals").replaceChildren(...Object.entries(totals).map(([name, value]) => {
    const pair = make("div", "");
    pair.append(make("dt", name), make("dd", value));
    return pair;
  }));
  element("config-error").hidden = !config.last_error;
  element("config-error").textContent = config.last_error ? `The last configuration was rejected: ${config.last_error}` : "";
}

function show() {
  if (!last) return;
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
  for (const { id, drawn } of charts) drawn.show(pointsOf(upstream.name).get(id));
  showTables(upstream);
  showTotals(last.status, upstream);
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
      remember(await response.json(), performance.now() / 1000);
      show();
      showState(last.status.draining ? "draining" : "live", last.status.draining);
    } catch (error) {
      showState(`no answer: ${error.message}`, true);
    }
  }
  setTimeout(tick, 1000);
}

element("charts").append(...charts.map(({ drawn }) => drawn.figure));
element("upstream").addEventListener("change", show);
element("pause").addEventListener("click", () => {
  paused = !paused;
  element("pause").setAttribute("aria-pressed", String(paused));
  element("pause").textContent = paused ? "Resume" : "Pause";
  if (paused) showState("paused", false);
});
tick();
