// The chart: plotly draws it, and handles lie over it as buttons, so that keys move them as well.
const KINDS = { f8: Float64Array, i4: Int32Array };

function unpacked({ dtype, bdata }) {
  const bytes = Uint8Array.from(atob(bdata), (one) => one.charCodeAt(0));
  return new KINDS[dtype](bytes.buffer);
}

export default {
  template: `
    <div class="studio-chart">
      <div ref="plot" class="studio-plot" role="img" :aria-label="label"></div>
      <div ref="handles" class="studio-handles" role="group" aria-label="Handles of the schedule"></div>
    </div>`,
  data: () => ({ label: "Learning-rate curves" }),
  async mounted() {
    const { Plotly } = await import("nicegui-plotly");
    this.Plotly = Plotly;
    this.buttons = new Map();
    this.sizes = new ResizeObserver(() => this.drawn && Plotly.Plots.resize(this.$refs.plot).then(() => this.place()));
    this.sizes.observe(this.$refs.plot);
    this.looks = new MutationObserver(() => this.show());
    this.looks.observe(document.body, { attributes: true, attributeFilter: ["class"] });
    this.$emit("ready", {});
    if (this.waiting) this.told_anew(this.figure);
  },
  unmounted() {
    this.sizes?.disconnect();
    this.looks?.disconnect();
    if (this.drawn) this.Plotly.purge(this.$refs.plot);
  },
  methods: {
    draw(figure) {
      // Points that were sent before are not sent again: plotly sees the very arrays it knows.
      const known = this.arrays ?? new Map();
      this.arrays = new Map();
      for (const trace of figure.data) {
        const arrays = trace.arrays
          ? Object.fromEntries(Object.entries(trace.arrays).map(([name, one]) => [name, unpacked(one)]))
          : known.get(trace.key) ?? this.arrays.get(trace.key);
        this.arrays.set(trace.key, arrays);
        Object.assign(trace, arrays);
        delete trace.arrays;
      }
      this.figure = figure;
      if (!this.Plotly) return void (this.waiting = true);
      this.told_anew(figure);
    },
    told_anew(figure) {
      if (figure.link !== undefined && this.link !== figure.link) {
        this.link = figure.link;
        if (figure.link !== null) history.replaceState(null, "", figure.link ? `?${figure.link}` : "/");
      }
      this.label = figure.label;
      // What comes while one is drawn waits, and only the newest of it is drawn.
      if (this.busy) return void (this.again = true);
      this.show();
    },
    async show() {
      if (!this.figure || !this.Plotly) return;
      this.busy = true;
      try {
        await this.react();
      } finally {
        this.busy = false;
      }
      if (this.again) {
        this.again = false;
        await this.show();
      }
    },
    async react() {
      const plot = this.$refs.plot;
      const { data, layout } = this.styled(this.figure);
      await this.Plotly.react(plot, data, layout, { displayModeBar: false, responsive: false, doubleClick: "reset" });
      if (!this.drawn) {
        this.drawn = true;
        plot.on("plotly_relayout", () => this.place());
        plot.on("plotly_click", (event) => this.$emit("cursor", { x: event.points[0].x }));
      }
      this.place();
      plot.dataset.drawn = String(1 + Number(plot.dataset.drawn || 0));
    },
    styled({ data, layout }) {
      const css = getComputedStyle(document.body);
      const of = (name) => css.getPropertyValue(name).trim();
      const dashes = ["solid", "6px,2px", "2px,1.5px", "6px,2px,1.5px,2px"];
      const axis = { gridcolor: of("--grid"), linecolor: of("--quiet"), tickcolor: of("--quiet") };
      const narrow = this.$refs.plot.clientWidth < 500;
      const look = {
        paper_bgcolor: "rgba(0,0,0,0)",
        plot_bgcolor: "rgba(0,0,0,0)",
        font: { color: of("--ink"), family: "system-ui, sans-serif", size: narrow ? 11 : 13 },
        hoverlabel: { bgcolor: of("--paper"), bordercolor: of("--quiet"), font: { color: of("--ink") }, namelength: 40 },
      };
      const axes = Object.fromEntries(
        Object.entries(layout).map(([name, value]) => [name, /^[xy]axis/.test(name) ? { ...value, ...axis } : value]),
      );
      const shapes = layout.shapes.map((one) => ({ ...one, line: { ...one.line, color: of("--ink") } }));
      const margin = { ...layout.margin, l: narrow ? 46 : layout.margin.l };
      const traces = data.map((one) => {
        const { slot, dash, faint } = one.meta;
        const color = slot < 0 ? of("--quiet") : of(`--c${slot % 7}`);
        const style = dashes[(dash + (faint ? 2 : 0)) % 4];
        const { key, ...rest } = one;
        return {
          ...rest,
          opacity: faint ? 0.75 : 1,
          line: { ...one.line, color, dash: style },
          marker: { ...one.marker, color },
        };
      });
      return { data: traces, layout: { ...axes, ...look, shapes, margin, autosize: true } };
    },

    // Handles ---------------------------------------------------------------------------------

    scales() {
      const plot = this.$refs.plot;
      const { margin, xaxis, yaxis } = plot.layout;
      const width = plot.clientWidth - margin.l - margin.r;
      const height = plot.clientHeight - margin.t - margin.b;
      const [x0, x1] = xaxis.range;
      const [y0, y1] = yaxis.range;
      const [low, high] = yaxis.domain;
      const log = yaxis.type === "log";
      const top = margin.t + (1 - high) * height;
      const tall = (high - low) * height;
      return {
        px: (x) => margin.l + ((x - x0) / (x1 - x0)) * width,
        py: (y) => top + tall - (((log ? Math.log10(y) : y) - y0) / (y1 - y0)) * tall,
        x: (px) => x0 + ((px - margin.l) / width) * (x1 - x0),
        y: (py) => {
          const value = y0 + ((top + tall - py) / tall) * (y1 - y0);
          return log ? 10 ** value : value;
        },
        low: top + tall,
        left: margin.l,
        right: margin.l + width,
      };
    },
    place() {
      const plot = this.$refs.plot;
      if (!this.drawn || !plot.layout?.yaxis?.range || !this.figure) return;
      const scales = this.scales();
      const known = new Set();
      for (const one of this.figure.handles) {
        known.add(one.place);
        const button = this.buttons.get(one.place) ?? this.made(one.place);
        const px = scales.px(one.x);
        const py = Math.min(scales.py(one.y), scales.low);
        button.one = one;
        button.ariaLabel = one.label;
        button.title = one.label;
        button.style.setProperty("--colour", `var(--c${one.slot % 7})`);
        button.style.left = `${px}px`;
        button.style.top = `${Number.isFinite(py) ? py : scales.low}px`;
        button.style.cursor = one.sideways && one.upwards ? "move" : one.sideways ? "ew-resize" : "ns-resize";
        button.hidden = px < scales.left - 2 || px > scales.right + 2;
      }
      for (const [place, button] of this.buttons) {
        if (known.has(place)) continue;
        button.remove();
        this.buttons.delete(place);
      }
    },
    made(place) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "studio-handle";
      button.dataset.place = place;
      button.onpointerdown = (event) => this.taken(event, button);
      button.onkeydown = (event) => this.keyed(event, button);
      this.$refs.handles.append(button);
      this.buttons.set(place, button);
      return button;
    },
    taken(event, button) {
      event.preventDefault();
      button.focus();
      button.setPointerCapture(event.pointerId);
      const box = this.$refs.plot.getBoundingClientRect();
      // The axes stay what they were while a handle is held, or it would run from under the hand.
      const scales = this.scales();
      button.onpointermove = (moved) => {
        const { one } = button;
        this.told(one, scales.x(moved.clientX - box.left), scales.y(moved.clientY - box.top));
      };
      button.onpointerup = button.onpointercancel = () => (button.onpointermove = null);
    },
    keyed(event, button) {
      const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (!by) return;
      event.preventDefault();
      const { one } = button;
      const fine = event.shiftKey ? 0.1 : 1;
      const step = Math.max(Math.round(one.step * fine), 1);
      this.told(one, one.x + by[0] * step, one.y + by[1] * 0.05 * fine * one.scale);
    },
    told(one, x, y) {
      this.$emit("handle", {
        place: one.place,
        x: one.sideways ? x : null,
        level: one.upwards ? y / one.scale : null,
      });
    },
  },
};
