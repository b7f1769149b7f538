// The page: its two views, and the first of them, one review and its sentiment.
//
// An answer is shown beside the review that it was given for. While the model is asked, and when it fails,
// no sentiment is shown at all.

import { card } from "./answer.js";
import { Failure, LONGEST, sentiment } from "./api.js";
import { byId, make, say } from "./dom.js";
import { percent, verdict } from "./words.js";

const SLOW = 2_500; // milliseconds until the page says that it still waits
const REMEMBERED = 20;
const EXAMPLES = [
  ["Praise", "I went in expecting nothing and left with tears in my eyes. The two leads are wonderful together, the script is warm and funny without ever being cheap, and the last twenty minutes are simply perfect. One of the best films I have seen this year."],
  ["A pan", "What a waste of two hours. The plot makes no sense, the dialogue is awful, and nobody on screen seems to care. I kept waiting for it to get better and it only got worse. Avoid."],
  ["Mixed", "The photography is beautiful and the music stays with you. But the story drags, the ending is weak, and I never believed in the romance. Worth a look for the images, if you have the patience."],
  ["Irony", "Oh great, another sequel nobody asked for. Two hours of explosions and not one idea. I am sure the accountants had a wonderful time."],
];

const [review, form, submit, problem, status, answer] =
  ["review", "ask", "submit", "problem", "status", "answer"].map(byId);
const remembered = [];
let asking = false;

// ------------------------------------------------------------------ asking

async function ask(event) {
  event.preventDefault();
  if (asking) return;
  const text = review.value;
  clear();
  if (!check(text)) return;
  asking = true;
  waiting(true);
  const slow = setTimeout(() => say(status, "Still waiting. A model that has not been asked for long needs some seconds to start."), SLOW);
  try {
    const found = await sentiment(text);
    show(text, found);
    remember(text, found);
    say(status);
  } catch (failure) {
    if (!(failure instanceof Failure)) console.error(failure); // an answer of a shape that the page cannot show
    const told = failure instanceof Failure ? failure.message : "The answer cannot be shown. This says nothing about your review.";
    say(status, make("span", { class: "failed" }, told, failure.seconds ? ` Try again in ${failure.seconds} s.` : ""));
    status.scrollIntoView({ block: "nearest" });
  } finally {
    clearTimeout(slow);
    asking = false;
    waiting(false);
  }
}

function check(text) {
  const length = Array.from(text).length;
  let told = "";
  if (!text.trim()) told = "Write a review first.";
  else if (length > LONGEST) told = `This has ${length.toLocaleString("en")} characters; the model takes ${LONGEST.toLocaleString("en")}.`;
  say(problem, told);
  review.setAttribute("aria-invalid", String(told !== ""));
  if (told) review.focus();
  return told === "";
}

function waiting(is) {
  submit.setAttribute("aria-disabled", String(is));
  say(submit, is ? "Asking…" : "Ask the model");
  form.setAttribute("aria-busy", String(is));
  if (is) say(status, "Asking the model…");
}

function clear() {
  answer.hidden = true;
  say(answer);
  say(byId("told"));
  say(status);
}

function show(text, found) {
  say(answer, ...card(text, found));
  answer.hidden = false;
  byId("verdict").scrollIntoView({ block: "nearest" }); // on a phone it is below what is shown
  say(byId("told"), `${verdict(found)}, ${percent(found.probability)} positive.`);
}

// ------------------------------------------------------------------ this visit

function remember(text, found) {
  remembered.unshift([text, found]);
  remembered.splice(REMEMBERED);
  say(byId("history-list"), ...remembered.map(([text, found]) =>
    make("li", {}, make("button", { type: "button", class: "past", onclick: () => again(text, found) },
      make("span", { class: `dot ${found.sentiment}` }), make("span", { class: "excerpt", dir: "auto" }, text.slice(0, 200)),
      make("span", { class: "hint" }, verdict(found))))));
  byId("history").hidden = remembered.length < 2;
}

function again(text, found) {
  if (asking) return;
  review.value = text;
  count();
  check(text);
  say(status);
  show(text, found);
}

// ------------------------------------------------------------------ the page

function count() {
  const length = Array.from(review.value).length;
  const counter = byId("count");
  say(counter, length > LONGEST / 2 ? `${length.toLocaleString("en")} of ${LONGEST.toLocaleString("en")} characters` : "");
  counter.classList.toggle("over", length > LONGEST);
  if (review.value.trim() && length <= LONGEST) {
    say(problem);
    review.removeAttribute("aria-invalid");
  }
}

async function view() {
  const many = location.hash === "#many";
  byId("one").hidden = many;
  byId("many").hidden = !many;
  for (const [id, current] of [["to-one", !many], ["to-many", many]]) {
    if (current) byId(id).setAttribute("aria-current", "page");
    else byId(id).removeAttribute("aria-current");
  }
  if (!many) return;
  try {
    (await import("./many.js")).start();
  } catch {
    say(byId("many-problem"), "The page's server cannot be reached: reload the page when it can.");
  }
}

say(byId("example-buttons"), ...EXAMPLES.map(([name, text]) =>
  make("button", { type: "button", class: "example", onclick: () => { review.value = text; count(); form.requestSubmit(); } }, name)));
form.addEventListener("submit", ask);
review.addEventListener("input", count);
review.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
addEventListener("hashchange", view);
addEventListener("pageshow", count); // the browser may bring back what was typed
view();
