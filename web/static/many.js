// Many reviews: from a file or pasted, asked about in groups, shown as they are answered. What is done is
// kept when the rest is cancelled or fails, and can be gone on with.

import { Failure, LONGEST, batch } from "./api.js";
import { format, reviewsOf } from "./csv.js";
import { byId, make, say } from "./dom.js";
import { percent } from "./words.js";

const MOST = 5_000; // reviews
const MOST_BYTES = 50_000_000; // of a file
const GROUP = 50, GROUP_CHARACTERS = 100_000; // of a request: within the handler's limits, and answered soon
const ATTEMPTS = 20; // of a request that is told to come later
const SHOWN = 100; // rows, and as many with each "more"
const SENTIMENTS = ["positive", "uncertain", "negative"];
const BINS = 20;

const pasted = byId("pasted"), startButton = byId("start"), found = byId("found"), problem = byId("many-problem");
let reviews = [], answers = [], shown = SHOWN;
let running = null; // an AbortController
let began = false;

export function start() {
  if (began) return;
  began = true;
  byId("load").addEventListener("submit", run);
  pasted.addEventListener("input", () => take(pasted.value, ""));
  byId("file").addEventListener("change", chosen);
  byId("cancel").addEventListener("click", () => running?.abort());
  byId("filter").addEventListener("change", () => { shown = SHOWN; rows(); });
  byId("more").addEventListener("click", more);
  byId("download").addEventListener("click", download);
  const drop = byId("drop");
  for (const name of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", name === "dragover");
      if (name === "drop") event.dataTransfer.files.length ? read(event.dataTransfer.files[0]) : paste(event.dataTransfer.getData("text"));
    });
  }
  take(pasted.value, ""); // what the browser has brought back
  chosen(); // before this module was there
}

// ------------------------------------------------------------------ the reviews

function paste(text) {
  if (running) return;
  pasted.value = text;
  take(text, "");
}

async function chosen() {
  await read(byId("file").files[0]);
  byId("file").value = ""; // so that the same file, mended, can be chosen again
}

async function read(file) {
  if (!file || running) return;
  if (file.size > MOST_BYTES) return refuse(`${file.name} has ${Math.round(file.size / 1e6)} MB; at most ${MOST_BYTES / 1e6}.`);
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
    pasted.value = "";
    take(text, file.name);
  } catch (error) {
    refuse(error instanceof TypeError ? `${file.name} is not UTF-8 text; save it as UTF-8.` : `${file.name} cannot be read.`);
  }
}

function take(text, name) {
  if (running) return;
  let read;
  try {
    read = reviewsOf(text, name);
  } catch (error) {
    return refuse(error.message);
  }
  if (read.reviews.length > MOST) return refuse(`These are ${read.reviews.length.toLocaleString("en")} reviews; at most ${MOST.toLocaleString("en")} at once.`);
  if (name && !read.reviews.length) return refuse(`${name} holds no review.`);
  reviews = read.reviews;
  noResults();
  say(problem);
  startButton.disabled = !reviews.length;
  say(startButton, "Score the reviews");
  const from = read.column ? `, of the column “${read.column}”` : "";
  say(found, reviews.length ? `${reviews.length.toLocaleString("en")} review${reviews.length === 1 ? "" : "s"}${from}${name ? ` in ${name}` : ""}` : "");
}

function refuse(message) {
  reviews = [];
  noResults();
  startButton.disabled = true;
  say(found);
  say(problem, message);
}

// What is shown are results of the reviews that are here.
function noResults() {
  answers = [];
  for (const id of ["results", "progress-row"]) byId(id).hidden = true;
}

// ------------------------------------------------------------------ scoring

async function run(event) {
  event.preventDefault();
  if (running || !reviews.length) return;
  if (answers.length === reviews.length) noResults();
  running = new AbortController();
  const { signal } = running;
  const since = performance.now(), first = answers.length;
  busy(true);
  byId("cancel").focus();
  say(byId("many-told"), "Scoring.");
  let told = "";
  try {
    while (answers.length < reviews.length) {
      progress(since, first);
      answers.push(...await patiently(group(answers.length), signal));
      summary();
      if (answers.length <= shown + GROUP || byId("filter").value) rows();
    }
  } catch (failure) {
    told = signal.aborted ? "Cancelled." : failure instanceof Failure ? failure.message : "Something broke.";
    if (!signal.aborted && !(failure instanceof Failure)) console.error(failure);
  }
  running = null;
  busy(false);
  const done = answers.length, rest = reviews.length - done;
  progress(since, first);
  if (rest) say(byId("progress-text"), `${told} ${done.toLocaleString("en")} of ${reviews.length.toLocaleString("en")} are scored.`);
  say(startButton, rest && done ? `Go on with the other ${rest.toLocaleString("en")}` : "Score the reviews");
  if (done) rows();
  startButton.focus();
  say(byId("many-told"), byId("progress-text").textContent);
}

function group(first) {
  let last = first, characters = 0;
  while (last < reviews.length && last < first + GROUP && (last === first || characters + reviews[last].length <= GROUP_CHARACTERS)) {
    characters += reviews[last++].length;
  }
  return reviews.slice(first, last);
}

// A group's answers. Told to come later, it does; so a whole file is never lost to a moment's load.
async function patiently(asked, signal) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await scored(asked, signal);
    } catch (failure) {
      if (!(failure instanceof Failure) || failure.seconds === null || attempt === ATTEMPTS) throw failure;
      await new Promise((resolve, reject) => {
        const timer = setTimeout(resolve, 1000 * failure.seconds);
        signal.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
      });
    }
  }
}

// A review that is too long is not sent, and told so in its place.
async function scored(asked, signal) {
  const fits = (review) => review.length <= 2 * LONGEST && Array.from(review).length <= LONGEST;
  const sent = asked.filter(fits);
  const answered = sent.length ? await batch(sent, signal) : [];
  return asked.map((review) => fits(review) ? answered.shift() : { error: { code: "too_large", message: "too long" } });
}

function busy(is) {
  startButton.disabled = is;
  for (const id of ["pasted", "file"]) byId(id).disabled = is;
  byId("cancel").hidden = !is;
  byId("progress-row").hidden = false;
}

function progress(since, first) {
  const done = answers.length, all = reviews.length;
  byId("progress").max = all;
  byId("progress").value = done;
  const left = done > first ? Math.ceil((all - done) * (performance.now() - since) / (done - first) / 1000) : null;
  say(byId("progress-text"), `${done.toLocaleString("en")} of ${all.toLocaleString("en")}${done === all ? " scored" : left ? `, about ${left} s left` : ""}`);
}

// ------------------------------------------------------------------ results

const kind = (answer) => (answer.error ? "failed" : answer.sentiment);

function summary() {
  const counts = Object.fromEntries([...SENTIMENTS, "failed"].map((name) => [name, answers.filter((answer) => kind(answer) === name).length]));
  const total = answers.length;
  const told = [...SENTIMENTS, "failed"].filter((name) => counts[name]).map((name) =>
    make("li", {}, make("span", { class: `dot ${name}` }), `${name === "failed" ? "not answered" : name}: `,
      make("strong", {}, counts[name].toLocaleString("en")), ` (${Math.round(100 * counts[name] / total)} %)`));
  byId("results").hidden = false;
  say(byId("summary"), make("ul", { class: "counts" }, ...told), histogram());
}

function histogram() {
  const bins = new Array(BINS).fill(0);
  for (const { probability } of answers) if (probability !== undefined) bins[Math.min(BINS - 1, Math.floor(probability * BINS))]++;
  const most = Math.max(...bins, 1);
  const side = (bin) => ((bin + 0.5) / BINS <= 0.3 ? "negative" : (bin + 0.5) / BINS >= 0.7 ? "positive" : "uncertain");
  const bars = bins.map((count, bin) => {
    const height = count ? Math.max(1, 60 * count / most) : 0;
    return make("rect", { class: side(bin), x: bin * 16 + 1, width: 14, y: 62 - height, height, rx: 2 },
      make("title", {}, `${count} with ${5 * bin} to ${5 * bin + 5} % positive`));
  });
  return make("figure", {}, make("svg", { viewBox: `0 0 ${BINS * 16} 64`, role: "img", "aria-label": "Reviews by probability of positive, from 0 to 100 percent" }, ...bars),
    make("figcaption", { class: "ends hint" }, make("span", {}, "negative"), make("span", {}, "reviews by probability"), make("span", {}, "positive")));
}

function rows() {
  const wanted = byId("filter").value;
  const chosen = answers.map((answer, place) => [answer, place]).filter(([answer]) => !wanted || kind(answer) === wanted);
  say(byId("rows"), ...chosen.slice(0, shown).map(([answer, place]) => make("tr", {},
    make("td", {}, String(place + 1)),
    make("td", { class: "excerpt", dir: "auto" }, reviews[place].slice(0, 300)),
    make("td", {}, make("span", { class: `dot ${kind(answer)}` }), answer.error ? answer.error.message : answer.sentiment),
    make("td", {}, answer.error ? "" : percent(answer.probability)))));
  byId("more").hidden = chosen.length <= shown;
  say(byId("more"), `Show more (${(chosen.length - shown).toLocaleString("en")} left)`);
}

function more() {
  const first = shown;
  shown += SHOWN;
  rows();
  const row = byId("rows").children[first]; // a keyboard goes on from there
  row.tabIndex = -1;
  row.focus();
}

function download() {
  const table = answers.map((answer, place) =>
    [reviews[place], answer.sentiment ?? "", answer.probability ?? "", answer.model_version ?? "", answer.error?.message ?? ""]);
  const content = format([["review", "sentiment", "probability_positive", "model_version", "error"], ...table]);
  const link = make("a", { href: URL.createObjectURL(new Blob(["\uFEFF", content], { type: "text/csv" })), download: "sentiments.csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
