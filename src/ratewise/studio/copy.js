// Text with a button that copies it.
export default {
  template: `
    <div class="studio-copy">
      <pre v-if="!bare" tabindex="0" :aria-label="label"><code>{{ text }}</code></pre>
      <button type="button" @click="copy">{{ done || label }}</button>
      <span role="status" class="studio-hidden">{{ done }}</span>
    </div>`,
  props: { text: String, label: String, bare: Boolean, link: Boolean },
  data: () => ({ done: "" }),
  methods: {
    async copy() {
      const text = this.link ? window.location.href : this.text;
      try {
        await navigator.clipboard.writeText(text);
        this.done = "Copied";
      } catch {
        this.done = "Copying is not allowed here: select the text";
      }
      setTimeout(() => (this.done = ""), 2500);
    },
  },
};
