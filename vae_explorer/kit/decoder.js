import { Channel, DECODE } from "./socket.js";

// Decodes lists of codes one after the other: a channel by itself keeps only the newest of what it is asked for.
export class Decoder {
  // model(): { id, width } of the model that decodes
  constructor(model, say) {
    Object.assign(this, { model, line: [], current: null });
    this.channel = new Channel({
      onAnswer: (answer, job) => this.finish(job, answer),
      onError: (sentence) => {
        say(sentence);
        this.finish(this.current, null);
      },
    });
  }

  // A promise of the answer to `codes` (a list of codes), or of null when it was refused or is not wanted any more.
  decode(codes, wanted = () => true) {
    return new Promise((done) => {
      this.line.push({ codes, wanted, done });
      this.next();
    });
  }

  next() {
    while (!this.current && this.line.length) {
      const job = this.line.shift();
      if (!job.wanted() || !job.codes.length) job.done(null);
      else this.send(job);
    }
  }

  send(job) {
    const { id, width } = this.model(),
      payload = new Float32Array(job.codes.length * width);
    job.codes.forEach((code, k) => payload.set(code, k * width));
    this.current = job;
    this.channel.ask({ model: id, kind: DECODE, count: job.codes.length, width, payload, tag: job });
  }

  finish(job, answer) {
    this.current = null;
    job?.done(answer && job.wanted() ? answer : null);
    this.next();
  }

  close() {
    this.line = [];
    this.channel.close();
  }
}
