// Pasting and dropping: content goes to the server as it is, with its name.
export default {
  template: `
    <div class="studio-drop" :class="{over}">
      <label :for="'paste-' + token">Paste a schedule, a config or a log</label>
      <textarea :id="'paste-' + token" ref="text" rows="5" spellcheck="false"
        placeholder='{"lr_scheduler_type": "cosine", "learning_rate": 3e-4, …}'></textarea>
      <div class="studio-row">
        <button type="button" class="studio-main" @click="paste">Read it</button>
        <label class="studio-file">Choose files<input type="file" multiple @change="chosen" /></label>
        <span>or drop them anywhere on the page</span>
      </div>
      <p role="status" class="studio-said" :class="{wrong}">{{ said }}</p>
    </div>`,
  props: { token: String, most: Number },
  data: () => ({ over: false, said: "", wrong: false }),
  mounted() {
    this.events = {
      dragover: (event) => {
        event.preventDefault();
        this.over = true;
      },
      dragleave: () => (this.over = false),
      drop: (event) => {
        event.preventDefault();
        this.over = false;
        this.send([...event.dataTransfer.files]);
      },
    };
    for (const [name, heard] of Object.entries(this.events)) window.addEventListener(name, heard);
  },
  unmounted() {
    for (const [name, heard] of Object.entries(this.events)) window.removeEventListener(name, heard);
  },
  methods: {
    paste() {
      this.send([new File([this.$refs.text.value], "")]);
    },
    chosen(event) {
      this.send([...event.target.files]);
      event.target.value = "";
    },
    async send(files) {
      for (const file of files) {
        const name = file.name || "pasted text";
        if (file.size > this.most) {
          this.tell(`'${name}' has ${file.size.toLocaleString("en")} bytes: give at most ${this.most.toLocaleString("en")}, or a part of it.`, true);
          continue;
        }
        this.tell(`reading ${name} …`, false);
        const query = new URLSearchParams({ token: this.token, name: file.name });
        try {
          const answer = await fetch(`/studio/content?${query}`, { method: "POST", body: file });
          const { said, wrong } = await answer.json();
          this.tell(said, wrong);
        } catch {
          this.tell(`'${name}' could not be sent: see whether the studio still runs, and try again.`, true);
        }
      }
    },
    tell(said, wrong) {
      this.said = said;
      this.wrong = wrong;
    },
  },
};
