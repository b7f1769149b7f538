// A sentiment in words, and a review with the words that decided.

import { make } from "./dom.js";

const STRENGTHS = [[0.95, "Very likely"], [0.85, "Likely"], [0, "Probably"]];
const LEAST = 0.15; // of the strongest change: what is below is not coloured
const LEVELS = 4;
const NAMED = 4; // words of each side in the list

export function percent(share) {
  if (share > 0.99) return "over 99 %";
  if (share < 0.01) return "under 1 %";
  return `${Math.round(100 * share)} %`;
}

export function verdict({ sentiment, probability }) {
  if (sentiment === "uncertain") return "Too close to call";
  const share = sentiment === "positive" ? probability : 1 - probability;
  return `${STRENGTHS.find(([least]) => share >= least)[1]} ${sentiment}`;
}

export function detail({ sentiment, probability }) {
  const [side, share] = probability >= 0.5 ? ["positive", probability] : ["negative", 1 - probability];
  if (sentiment === "uncertain") return `The model leans towards ${side} with ${percent(share)}. Under 70 % it calls neither.`;
  return `The model gives ${percent(share)} to ${side}.`;
}

// Where the probability stands between negative and positive; what is uncertain is marked.
export function scale({ sentiment, probability }) {
  const mark = make("span", { class: `mark ${sentiment}` });
  mark.style.setProperty("--at", `${100 * probability}%`);
  return make("div", { class: "scale" },
    make("div", {
      class: "track", role: "meter", "aria-label": "Probability of positive",
      "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": String(Math.round(100 * probability)),
      "aria-valuetext": `${percent(probability)} positive`,
    }, make("span", { class: "band" }), mark),
    make("div", { class: "ends", "aria-hidden": "true" }, make("span", {}, "negative"), make("span", {}, "too close to call"), make("span", {}, "positive")),
  );
}

// The review as nodes. Places are in code points, as the model counts; a string's own are not.
export function highlighted(review, { words, skipped }) {
  const characters = Array.from(review);
  const text = (start, end) => characters.slice(start, end).join("");
  const most = Math.max(...words.map(([, , change]) => Math.abs(change)), 0.5);
  const nodes = [];
  let position = 0;
  const parts = skipped ? [...words, skipped].sort(([a], [b]) => a - b) : words;
  for (const part of parts) {
    const [start, end, change] = part;
    const share = Math.abs(change) / most;
    if (part !== skipped && share < LEAST) continue;
    nodes.push(text(position, start));
    const side = change > 0 ? "positive" : "negative";
    nodes.push(part === skipped
      ? make("span", { class: "skipped" }, text(start, end))
      : make("mark", { class: `${side} level-${Math.ceil(LEVELS * share)}` }, text(start, end)));
    position = end;
  }
  nodes.push(text(position));
  return nodes;
}

// The strongest words of each side, each once: [["positive", ["superb", …]], ["negative", […]]]
export function strongest(review, { words }) {
  const characters = Array.from(review);
  const changes = new Map();
  for (const [start, end, change] of words) {
    const word = characters.slice(start, end).join("").toLowerCase();
    if (!(Math.abs(changes.get(word) ?? 0) > Math.abs(change))) changes.set(word, change);
  }
  const most = Math.max(...[...changes.values()].map(Math.abs), 0.5);
  const side = (sign) => [...changes].filter(([, change]) => sign * change >= LEAST * most)
    .sort(([, a], [, b]) => sign * (b - a)).slice(0, NAMED).map(([word]) => word);
  return [["positive", side(1)], ["negative", side(-1)]].filter(([, found]) => found.length);
}
