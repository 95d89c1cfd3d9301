// SHA-256 of a stream. The browser's own digest needs the whole file in memory, and HTTPS.

const primes = (() => {
  const found = [];
  for (let number = 2; found.length < 64; number += 1) if (found.every((prime) => number % prime)) found.push(number);
  return found;
})();
// Signed numbers of 32 bits: engines compute with them as machine words.
const fraction = (value) => Math.floor((value - Math.floor(value)) * 2 ** 32) | 0;
const ROUND = Int32Array.from(primes, (prime) => fraction(Math.cbrt(prime)));
const START = Int32Array.from(primes.slice(0, 8), (prime) => fraction(Math.sqrt(prime)));

export class Sha256 {
  #state = START.slice();
  #block = new Uint8Array(64);
  #words = new Int32Array(64);
  #filled = 0;
  #length = 0;

  update(data) {
    this.#length += data.length;
    let place = 0;
    if (this.#filled) {
      place = Math.min(64 - this.#filled, data.length);
      this.#block.set(data.subarray(0, place), this.#filled);
      this.#filled += place;
      if (this.#filled < 64) return this;
      this.#mix(this.#block, 0);
      this.#filled = 0;
    }
    for (; place + 64 <= data.length; place += 64) this.#mix(data, place);
    this.#block.set(data.subarray(place));
    this.#filled = data.length - place;
    return this;
  }

  hex() {
    const padding = new Uint8Array(((this.#filled < 56 ? 56 : 120) - this.#filled) + 8);
    padding[0] = 0x80;
    const view = new DataView(padding.buffer);
    view.setUint32(padding.length - 8, Math.floor(this.#length / 2 ** 29));
    view.setUint32(padding.length - 4, (this.#length % 2 ** 29) * 8);
    this.update(padding);
    return Array.from(this.#state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }

  #mix(data, place) {
    const words = this.#words;
    for (let i = 0; i < 16; i += 1, place += 4)
      words[i] = (data[place] << 24) | (data[place + 1] << 16) | (data[place + 2] << 8) | data[place + 3];
    for (let i = 16; i < 64; i += 1) {
      const x = words[i - 15];
      const y = words[i - 2];
      const low = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const high = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      words[i] = (words[i - 16] + low + words[i - 7] + high) | 0;
    }
    const state = this.#state;
    let a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
    for (let i = 0; i < 64; i += 1) {
      const sum = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const first = (h + sum + ((e & f) ^ (~e & g)) + ROUND[i] + words[i]) | 0;
      const other = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const second = (other + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g; g = f; f = e; e = (d + first) | 0; d = c; c = b; b = a; a = (first + second) | 0;
    }
    state[0] += a; state[1] += b; state[2] += c; state[3] += d; state[4] += e; state[5] += f; state[6] += g; state[7] += h;
  }
}

export async function sha256OfFile(file, progress, signal) {
  const sum = new Sha256();
  const step = 1 << 20;
  for (let place = 0; place < file.size; place += step) {
    signal.throwIfAborted();
    sum.update(new Uint8Array(await file.slice(place, place + step).arrayBuffer()));
    progress(Math.min(place + step, file.size));
  }
  return sum.hex();
}
