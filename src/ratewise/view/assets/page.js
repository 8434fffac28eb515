"use strict";
(() => {
  const NS = "http://www.w3.org/2000/svg";
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const tip = document.getElementById("tip");
  const el = (name, attrs, parent, text) => {
    const made = document.createElementNS(NS, name);
    for (const key in attrs) made.setAttribute(key, attrs[key]);
    if (text !== undefined) made.textContent = text;
    if (parent) parent.append(made);
    return made;
  };
  const own = (place) => (place === null ? "rw-grey" : "rw-c" + (place % 7));
  const open = (packed) =>
    Array.isArray(packed) ? packed : Array.from({ length: packed.n }, (_, i) => packed.a + packed.d * i);

  // Numbers ------------------------------------------------------------------------------
  const short = (value, digits) => String(Number(value.toPrecision(digits || 4)));
  const digits = (at) => {
    if (at.length < 2) return 4;
    const near = Math.min(...at.slice(1).map((v, i) => Math.abs(v - at[i]))), far = Math.max(...at.map(Math.abs));
    return Math.max(4, Math.ceil(Math.log10(far / near)) + 2);
  };
  const written = (value, form, figures) => {
    if (value === 0) return "0";
    if (figures > 4) return short(value, figures);
    const size = Math.abs(value);
    if (form === "count")
      for (const [scale, suffix] of [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "k"]])
        if (size >= scale) return short(value / scale) + suffix;
    if (size < 1e-3 || (form !== "count" && size >= 1e7)) {
      const [mantissa, power] = value.toExponential(3).split("e");
      return String(Number(mantissa)) + "e" + Number(power);
    }
    return short(value);
  };
  const linear = (low, high, count, whole) => {
    const least = (high - low) / count || 1, power = 10 ** Math.floor(Math.log10(least));
    let step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((m) => m >= least * (1 - 1e-9));
    if (whole) step = Math.max(Math.ceil(step), 1);
    const found = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) found.push(i * step);
    return found;
  };
  const powers = (low, high, count) => {
    const wide = Math.log10(high / low), found = [];
    for (let i = Math.floor(Math.log10(low)); i <= Math.ceil(Math.log10(high)); i++)
      for (const m of wide < 2 ? [1, 2, 3, 5] : [1]) found.push(m * 10 ** i);
    let seen = found.filter((v) => v >= low * (1 - 1e-9) && v <= high * (1 + 1e-9));
    if (seen.length < 2) seen = linear(low, high, count).filter((v) => v > 0);
    const every = Math.ceil(seen.length / count) || 1;
    return seen.filter((_, i) => i % every === 0);
  };
  const smoothed = (y) => {
    const half = Math.max(Math.round(y.length / 40), 1);
    return y.map((_, i) => {
      const near = y.slice(Math.max(i - half, 0), i + half + 1).filter((v) => v !== null);
      return y[i] === null || !near.length ? null : near.reduce((a, b) => a + b, 0) / near.length;
    });
  };

  // Charts ---------------------------------------------------------------------------------
  class Picture {
    constructor(figure, spec) {
      this.spec = spec;
      this.figure = figure;
      this.host = figure.querySelector(".chart");
      this.off = new Set(spec.series.filter((s) => s.off).map((s) => s.g));
      this.log = { x: spec.x.log, y: spec.y.log };
      this.smooth = spec.smooth;
      for (const s of spec.series) { s.x = open(s.x); s.y = open(s.y); }
      this.tools();
      this.key();
      this.host.addEventListener("pointermove", (event) => this.point(event));
      this.host.addEventListener("pointerleave", () => this.leave());
      new ResizeObserver(() => {
        const wide = Math.round(this.host.clientWidth);
        if (wide && wide !== this.wide) { this.wide = wide; this.draw(); }
      }).observe(this.host);
    }
    tool(box, text, pressed, act) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = text;
      if (pressed !== null) button.setAttribute("aria-pressed", pressed);
      button.addEventListener("click", () => act(button));
      box.append(button);
    }
    tools() {
      const box = document.createElement("div"), spec = this.spec;
      box.className = "tools";
      const flip = (button, set) => {
        const now = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", now);
        set(now);
        this.draw();
      };
      for (const [axis, name] of [["y", "Log axis"], ["x", "Log axis across"]])
        if (spec[axis].free)
          this.tool(box, name, this.log[axis], (b) => flip(b, (now) => { this.log[axis] = now; }));
      if (spec.smooth) this.tool(box, "Smooth", this.smooth, (b) => flip(b, (now) => { this.smooth = now; }));
      const groups = [...new Set(spec.series.filter((s) => s.key).map((s) => s.g))];
      if (groups.length > 4) {
        const all = (hide) => { this.off = new Set(hide ? spec.series.map((s) => s.g) : []); this.pressed(); this.draw(); };
        this.tool(box, "Show all", null, () => all(false));
        this.tool(box, "Hide all", null, () => all(true));
      }
      if (box.children.length) this.host.before(box);
    }
    key() {
      this.buttons = [];
      for (const item of this.figure.querySelectorAll(".rw-key li")) {
        const button = document.createElement("button");
        button.type = "button";
        const group = item.dataset.group;
        button.append(...item.childNodes);
        item.append(button);
        button.addEventListener("click", () => {
          if (!this.off.delete(group)) this.off.add(group);
          this.pressed();
          this.draw();
        });
        button.addEventListener("pointerenter", () => this.heat(group));
        button.addEventListener("pointerleave", () => this.heat(null));
        this.buttons.push([button, group]);
      }
      this.pressed();
    }
    pressed() {
      for (const [button, group] of this.buttons) button.setAttribute("aria-pressed", !this.off.has(group));
    }
    ends(axis) {
      const { ends, low, high } = this.spec[axis];
      if (!this.log[axis]) return ends;
      if (this.spec[axis].log) return ends;
      let least = Infinity, most = -Infinity;
      for (const s of this.spec.series)
        for (const v of s[axis]) if (v > 0) { if (v < least) least = v; if (v > most) most = v; }
      if (!(most > 0)) return [0.1, 1];
      least = Math.max(least, most * 1e-9);
      return [least / 1.1, most * 1.1];
    }
    draw() {
      const { spec, host } = this, wide = this.wide || 720;
      const names = spec.y.names, slim = wide < 560 && names.length > 0;
      const most = Math.floor((wide * 0.42 - 24) / 6.1), longest = Math.min(Math.max(0, ...names.map((n) => n.length)), most);
      const left = slim ? 8 : names.length ? 24 + 6.1 * longest : 62;
      const right = 14 + (spec.y.others.length ? 48 : 0), top = 12 + 38 * spec.x.others.length, low = 44;
      const row = names.length > 10 ? (slim ? 30 : 20) : slim ? 44 : 34;
      const tall = names.length ? top + low + row * names.length
        : Math.max(wide * spec.height, Math.min(280, wide * 0.9)) + top;
      const svg = el("svg", { class: "rw-svg rw-live", viewBox: `0 0 ${wide} ${tall}`, width: wide, height: tall,
        role: "img", "aria-label": spec.said });
      const span = { x: this.ends("x"), y: this.ends("y") };
      const scale = (axis, from, to) => {
        const [a, b] = span[axis], log = this.log[axis];
        const l = log ? Math.log10(a) : a, h = log ? Math.log10(b) : b;
        return (v) => {
          if (v === null || (log && v <= 0)) return NaN;
          const share = ((log ? Math.log10(v) : v) - l) / (h - l || 1);
          return from + (to - from) * Math.max(-3, Math.min(4, share));
        };
      };
      const x = scale("x", left, wide - right);
      const y = names.length ? scale("y", top, tall - low) : scale("y", tall - low, top);
      const text = (px, py, said, anchor, kind, more) =>
        el("text", { class: kind || "rw-tick", x: px.toFixed(1), y: py.toFixed(1), "text-anchor": anchor, ...more }, svg, said);
      const across = Math.max(Math.floor((wide - left - right) / 90), 2);
      const xs = this.log.x ? powers(...span.x, across) : linear(...span.x, across, spec.x.form === "count");
      const fine = this.log.x ? 4 : digits(xs);
      for (const v of xs) {
        el("path", { class: "rw-grid", d: `M${x(v)} ${top}V${tall - low}` }, svg);
        text(x(v), tall - low + 16, written(v, spec.x.form, fine), "middle");
      }
      if (names.length)
        names.forEach((name, i) => {
          const said = !slim && name.length > most ? name.slice(0, most - 1) + "…" : name;
          if (!slim) el("path", { class: "rw-grid", d: `M${left} ${y(i)}H${wide - right}` }, svg);
          text(slim ? left + 2 : left - 8, slim ? y(i) - row * 0.22 : y(i) + 4, said, slim ? "start" : "end");
        });
      else {
        const ys = this.log.y ? powers(...span.y, 6) : linear(...span.y, 5), few = this.log.y ? 4 : digits(ys);
        for (const v of ys) {
          el("path", { class: "rw-grid", d: `M${left} ${y(v)}H${wide - right}` }, svg);
          text(left - 7, y(v) + 4, written(v, spec.y.form, few), "end");
        }
      }
      el("path", { class: "rw-axis", d: `M${left} ${top}V${tall - low}H${wide - right}` }, svg);
      text((left + wide - right) / 2, tall - 8, spec.x.label, "middle", "rw-label");
      const middle = (top + tall - low) / 2;
      if (spec.y.label) text(13, middle, spec.y.label, "middle", "rw-label", { transform: `rotate(-90 13 ${middle})` });
      spec.x.others.forEach(([label, factor], i) => {
        const py = top - 38 * i;
        el("path", { class: "rw-axis", d: `M${left} ${py}H${wide - right}` }, svg);
        for (const v of linear(span.x[0] * factor, span.x[1] * factor, across)) text(x(v / factor), py - 5, written(v, "count"), "middle");
        text(wide - right, py - 20, label, "end", "rw-label");
      });
      for (const [label, factor] of spec.y.others.slice(0, 1)) {
        const ends = [span.y[0] * factor, span.y[1] * factor];
        for (const v of this.log.y ? powers(...ends, 6) : linear(...ends, 5)) text(wide - right + 6, y(v / factor) + 4, written(v, "rate"), "start");
        text(wide - 6, middle, label, "middle", "rw-label", { transform: `rotate(90 ${wide - 6} ${middle})` });
      }
      const box = el("svg", { x: left, y: top, width: wide - left - right, height: tall - top - low,
        viewBox: `${left} ${top} ${wide - left - right} ${tall - top - low}` }, svg);
      const frame = { left, right: wide - right, top, low: tall - low };
      for (const mark of spec.marks) this.mark(box, mark, x, y, span, frame);
      this.points = [];
      const order = [...spec.series.keys()].sort((a, b) => (spec.series[a].p !== null) - (spec.series[b].p !== null));
      for (const i of order) if (!this.off.has(spec.series[i].g)) this.series(box, i, x, y);
      let free = -1e9;
      for (const mark of spec.marks.filter((m) => m.text && !m.up && m.at >= span.x[0] && m.at <= span.x[1])) {
        const size = 6.6 * mark.text.length, at = x(mark.at), flip = at + size + 8 > wide - right;
        const from = flip ? at - size - 6 : at;
        if (from < free) continue;
        text(flip ? at - 4 : at + 4, top + 12, mark.text, flip ? "end" : "start", "rw-tick rw-name");
        free = from + size + 10;
      }
      host.replaceChildren(svg);
      this.svg = svg;
    }
    mark(box, mark, x, y, span, f) {
      const to = mark.up ? y : x, kind = own(mark.p);
      if (mark.kind === "diagonal") {
        const a = Math.max(span.x[0], span.y[0]), b = Math.min(span.x[1], span.y[1]);
        el("path", { class: "rw-mark rw-grey", d: `M${x(a)} ${y(a)}L${x(b)} ${y(b)}` }, box);
        return;
      }
      if (mark.low !== null && mark.high !== null) {
        const a = to(mark.low), b = to(mark.high);
        const d = mark.up ? `M${f.left} ${a}H${f.right}V${b}H${f.left}Z` : `M${a} ${f.low}V${f.top}H${b}V${f.low}Z`;
        el("path", { class: "rw-stretch " + kind, d }, box);
      }
      if (mark.kind === "band") return;
      const at = to(mark.at);
      const d = mark.up ? `M${f.left} ${at}H${f.right}` : `M${at} ${f.low}V${f.top}`;
      el("path", { class: `rw-mark ${mark.kind === "line" ? "rw-solid " : ""}${kind}`, d }, box);
    }
    series(box, index, x, y) {
      const s = this.spec.series[index], group = el("g", { class: own(s.p) + (s.thin ? " rw-thin" : ""), "data-g": s.g }, box);
      const values = this.smooth && s.k !== "dots" ? smoothed(s.y) : s.y;
      const px = s.x.map(x), py = values.map(y);
      if (s.lo) {
        const lo = s.lo.map(y), hi = s.hi.map(y), there = px.map((_, i) => i).filter((i) => lo[i] + hi[i] + px[i] === lo[i] + hi[i] + px[i]);
        if (s.k === "dots") el("path", { class: "rw-bars", d: there.map((i) => `M${px[i].toFixed(1)} ${lo[i].toFixed(1)}V${hi[i].toFixed(1)}`).join("") }, group);
        else if (there.length) {
          const up = there.map((i) => `${px[i].toFixed(1)} ${hi[i].toFixed(1)}`), down = there.reverse().map((i) => `${px[i].toFixed(1)} ${lo[i].toFixed(1)}`);
          el("path", { class: "rw-band", d: `M${up.join("L")}L${down.join("L")}Z` }, group);
        }
      }
      const parts = [];
      let pen = false;
      const shape = { o: "h0", x: "m-3.5-3.5l7 7m0-7l-7 7", "|": "m0-10v20", v: "m-4-3l4 6l4-6z" }[s.m];
      for (let i = 0; i < px.length; i++) {
        const a = px[i], b = py[i];
        if (!(a - a === 0 && b - b === 0)) { pen = false; continue; }
        this.points.push(a, b, index, i);
        if (s.k === "dots") parts.push(`M${a.toFixed(1)} ${b.toFixed(1)}${shape}`);
        else if (pen && s.k === "step") parts.push(`H${a.toFixed(1)}V${b.toFixed(1)}`);
        else parts.push(`${pen ? "L" : "M"}${a.toFixed(1)} ${b.toFixed(1)}`);
        pen = true;
      }
      const kind = s.k === "dots" ? "rw-dots rw-" + { o: "round", x: "cross", "|": "bar", v: "down" }[s.m] : "rw-line";
      const dash = s.k !== "dots" && s.d ? { "stroke-dasharray": s.d } : {};
      el("path", { class: kind, d: parts.join(""), ...dash }, group);
    }
    heat(group) {
      for (const one of this.svg.querySelectorAll("g[data-g]")) {
        one.classList.toggle("hot", group !== null && one.dataset.g === group);
        one.classList.toggle("cold", group !== null && one.dataset.g !== group);
      }
    }
    point(event) {
      if (!this.svg) return;
      const rect = this.svg.getBoundingClientRect(), k = rect.width / this.wide;
      const mx = (event.clientX - rect.left) / k, my = (event.clientY - rect.top) / k, p = this.points;
      let best = 34 * 34, at = -1;
      for (let i = 0; i < p.length; i += 4) {
        const d = (p[i] - mx) ** 2 + (p[i + 1] - my) ** 2;
        if (d < best) { best = d; at = i; }
      }
      if (at < 0) return this.leave();
      const s = this.spec.series[p[at + 2]], i = p[at + 3], { x, y } = this.spec;
      const said = s.t.length ? s.t[Math.min(i, s.t.length - 1)] : "";
      const level = y.names.length ? "" : `${y.label || "value"}: ${short(s.y[i], 5)}\n`;
      tell(said || `${s.n}\n${level}${x.label}: ${short(s.x[i], 5)}`, event.clientX, event.clientY);
      if (this.last !== s.g) this.heat((this.last = s.g));
    }
    leave() { tip.hidden = true; if (this.last) { this.heat(null); this.last = null; } }
  }
  for (const figure of document.querySelectorAll("figure[data-chart]"))
    new Picture(figure, charts[figure.dataset.chart]);

  // Words --------------------------------------------------------------------------------------
  function tell(text, px, py) {
    tip.textContent = text;
    tip.hidden = false;
    const wide = tip.offsetWidth, tall = tip.offsetHeight;
    const left = Math.min(Math.max(px + 14, 6), document.documentElement.clientWidth - wide - 6);
    const above = py - tall - 14;
    tip.style.left = left + window.scrollX + "px";
    tip.style.top = (above > 4 ? above : py + 20) + window.scrollY + "px";
  }
  for (const word of document.querySelectorAll("dfn")) {
    const show = () => { const r = word.getBoundingClientRect(); tell(word.dataset.tip, r.left, r.top); };
    word.addEventListener("pointerenter", show);
    word.addEventListener("focus", show);
    for (const end of ["pointerleave", "blur"]) word.addEventListener(end, () => { tip.hidden = true; });
  }
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") tip.hidden = true; });

  // Tables -------------------------------------------------------------------------------------
  for (const table of document.querySelectorAll("table.sort"))
    [...table.tHead.rows[0].cells].forEach((head, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending", body = table.tBodies[0];
        for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const value = (row) => { const cell = row.cells[place]; return cell.dataset.v === undefined ? cell.textContent : Number(cell.dataset.v); };
        const rows = [...body.rows].map((row) => [value(row), row]);
        rows.sort(([a], [b]) => {
          if (typeof a === "number" && typeof b === "number") {
            if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
            return up ? a - b : b - a;
          }
          return (up ? 1 : -1) * String(a).localeCompare(String(b), "en", { numeric: true });
        });
        body.append(...rows.map(([, row]) => row));
      });
    });

  // Tabs and code ----------------------------------------------------------------------------
  for (const list of document.querySelectorAll("[role=tablist]")) {
    const tabs = [...list.querySelectorAll("[role=tab]")];
    const pick = (chosen, focus) => {
      for (const tab of tabs) {
        const on = tab === chosen;
        tab.setAttribute("aria-selected", on);
        tab.tabIndex = on ? 0 : -1;
        document.getElementById(tab.getAttribute("aria-controls")).hidden = !on;
      }
      if (focus) chosen.focus();
    };
    list.hidden = false;
    tabs.forEach((tab, i) => {
      tab.addEventListener("click", () => pick(tab, false));
      tab.addEventListener("keydown", (event) => {
        const move = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: tabs.length - 1 }[event.key];
        if (move === undefined) return;
        event.preventDefault();
        pick(tabs[(move + tabs.length) % tabs.length], true);
      });
    });
    pick(tabs[0], false);
  }
  for (const code of document.querySelectorAll(".code")) {
    const button = document.createElement("button"), pre = code.querySelector("pre");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    code.append(button);
    const old = () => {
      const area = document.createElement("textarea");
      area.value = pre.textContent;
      document.body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      return done ? Promise.resolve() : Promise.reject();
    };
    button.addEventListener("click", () => {
      const said = (text) => { button.textContent = text; setTimeout(() => { button.textContent = "Copy"; }, 2000); };
      const copy = navigator.clipboard ? navigator.clipboard.writeText(pre.textContent).catch(old) : old();
      copy.then(() => said("Copied"), () => said("Select and copy"));
    });
  }
  document.documentElement.dataset.ready = "yes";
})();
