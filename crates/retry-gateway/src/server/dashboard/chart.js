// A chart of the last two minutes: lines with a legend, a vertical axis with its unit, and a time axis.
"use strict";

const SPAN = 120; // seconds
const [LEFT, RIGHT, TOP, BOTTOM] = [46, 10, 20, 20]; // pixels around the lines

function make(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function draw(tag, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
}

function number(value) {
  if (Math.abs(value) >= 1e6) return `${(value / 1e6).toFixed(1)}M`;
  if (Math.abs(value) >= 1e4) return `${(value / 1e3).toFixed(0)}k`;
  return value >= 100 ? value.toFixed(0) : String(Number(value.toFixed(value >= 10 ? 1 : 2)));
}

// The distance of the marks of an axis: 1, 2 or 5 times a power of ten, at most four of them.
function markDistance(top) {
  const power = 10 ** Math.floor(Math.log10(top / 4));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step * 4 >= top);
}

class Chart {
  // `lines` are the names in the legend, and `least` is the least top of the axis.
  constructor({ id, title, metric, unit, lines, least = 1, base = 0 }) {
    Object.assign(this, { title, unit, lines, least, base });
    this.points = []; // each a time in seconds and the values of the lines, or null where they are not known
    this.figure = make("figure", "", { id: `chart-${id}` });
    const caption = make("figcaption", "");
    caption.append(make("span", title), make("code", metric));
    this.svg = draw("svg", { role: "img" });
    const legend = make("ul", "", { class: "legend" });
    this.outputs = lines.map((name, index) => {
      const [item, output] = [make("li", ""), make("output", "–")];
      item.append(make("span", "", { class: `key ${this.look(index)}` }), `${name} `, output);
      legend.append(item);
      return output;
    });
    this.figure.append(caption, legend, this.svg);
    new ResizeObserver(() => this.show()).observe(this.svg);
  }

  look(index) {
    return `line-${index}${index % 2 ? " dashed" : ""}`;
  }

  show(points = this.points) {
    this.points = points;
    const [width, height] = [this.svg.clientWidth, this.svg.clientHeight];
    const known = points.filter(([, values]) => values);
    const latest = known.length > 0 ? known[known.length - 1][1] : null;
    this.outputs.forEach((output, index) => { output.textContent = latest ? number(latest[index]) : "–"; });
    const highest = Math.max(this.base + this.least, ...known.flatMap(([, values]) => values));
    const step = markDistance(highest - this.base);
    const top = this.base + step * Math.ceil((highest - this.base) / step - 1e-9);
    const now = points.length > 0 ? points[points.length - 1][0] : 0;
    const [right, bottom] = [width - RIGHT, height - BOTTOM];
    const x = (time) => Math.max(LEFT, right - (now - time) / SPAN * (right - LEFT));
    const y = (value) => bottom - (value - this.base) / (top - this.base) * (bottom - TOP);
    const parts = [draw("text", { x: 0, y: 11 }, this.unit)];
    for (let mark = this.base; mark <= top + step / 2; mark += step) {
      parts.push(draw("line", { class: mark > this.base ? "grid" : "axis", x1: LEFT, x2: right, y1: y(mark), y2: y(mark) }));
      parts.push(draw("text", { x: LEFT - 6, y: y(mark) + 4, "text-anchor": "end" }, number(mark)));
    }
    for (const [ago, text, anchor] of [[SPAN, "2 min ago", "start"], [SPAN / 2, "1 min ago", "middle"], [0, "now", "end"]]) {
      const at = right - ago / SPAN * (right - LEFT);
      parts.push(draw("line", { class: "axis", x1: at, x2: at, y1: bottom, y2: bottom + 4 }));
      parts.push(draw("text", { x: at, y: height - 3, "text-anchor": anchor }, text));
    }
    this.lines.forEach((_, index) => {
      let path = "";
      let joins = false;
      for (const [time, values] of points) {
        if (values && time >= now - SPAN) path += `${joins ? " L" : " M"}${x(time).toFixed(1)},${y(values[index]).toFixed(1)}`;
        joins = Boolean(values) && time >= now - SPAN;
      }
      parts.push(draw("path", { class: `line ${this.look(index)}`, d: path.trim() }));
    });
    this.svg.replaceChildren(...parts);
    const figures = this.lines.map((name, index) => `${name} ${latest ? number(latest[index]) : "unknown"}`);
    this.svg.setAttribute("aria-label", `${this.title} in the last two minutes, ${this.unit}. Now: ${figures.join(", ")}. Top of the axis: ${number(top)}.`);
  }
}
