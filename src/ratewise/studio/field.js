// One field of a form. It keeps what is typed until the server says something else.
let count = 0;

export default {
  template: `
    <div class="studio-field" :class="[kind, {wrong: error}]">
      <label v-if="kind !== 'check'" :for="id">{{ label }}</label>
      <select v-if="kind === 'choice'" :id="id" v-model="typed" @change="commit" :aria-describedby="about">
        <option v-for="one in choices" :key="one" :value="one">{{ one || "–" }}</option>
      </select>
      <label v-else-if="kind === 'check'" :for="id">
        <input type="checkbox" :id="id" v-model="typed" @change="commit" /> {{ label }}
      </label>
      <fieldset v-else-if="kind === 'several'" :id="id" :aria-label="label">
        <label v-for="one in choices" :key="one"><input type="checkbox" :value="one" v-model="typed" @change="commit" /> {{ one }}</label>
      </fieldset>
      <input v-else-if="kind === 'range'" type="range" :id="id" v-model.number="typed" :min="min" :max="max" :step="step"
        :aria-valuetext="hint" @input="live" />
      <textarea v-else-if="kind === 'long'" :id="id" maxlength="100000" v-model="typed" rows="3" spellcheck="false"
        :aria-describedby="about" :aria-invalid="!!error" @change="commit" @keydown.enter.exact.prevent="commit"></textarea>
      <input v-else type="text" maxlength="10000" :id="id" v-model="typed" spellcheck="false" autocomplete="off" :placeholder="placeholder"
        :title="hint" :inputmode="kind === 'number' ? 'decimal' : 'text'" :aria-describedby="about" :aria-invalid="!!error" @change="commit"
        @keydown.enter.prevent="commit" />
      <output v-if="kind === 'range'" :for="id">{{ hint }}</output>
      <p v-if="error" class="studio-error" role="alert" :id="about">{{ error }}</p>
    </div>`,
  props: {
    label: String,
    kind: { type: String, default: "text" },
    value: { default: "" },
    hint: { type: String, default: "" },
    placeholder: { type: String, default: "" },
    error: { type: String, default: "" },
    choices: { type: Array, default: () => [] },
    min: { type: Number, default: 0 },
    max: { type: Number, default: 100 },
    step: { type: Number, default: 1 },
  },
  data() {
    return { id: `studio-field-${++count}`, typed: this.value, sent: this.value };
  },
  computed: {
    about() {
      return this.error ? `${this.id}-error` : undefined;
    },
  },
  watch: {
    value(now) {
      // A slider that is being moved is ahead of the server.
      if (this.kind === "range" && document.activeElement?.id === this.id) return;
      this.typed = this.sent = now;
    },
  },
  methods: {
    commit() {
      if (JSON.stringify(this.typed) === JSON.stringify(this.sent)) return;
      this.sent = this.typed;
      this.$emit("commit", { value: this.typed });
    },
    live() {
      this.$emit("commit", { value: this.typed });
    },
  },
};
