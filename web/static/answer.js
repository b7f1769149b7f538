// One answer of the model as a card: the sentiment, the words that decided, who answered, and "wrong?".

import { correct } from "./api.js";
import { make, say } from "./dom.js";
import { detail, highlighted, scale, strongest, verdict } from "./words.js";

const LONG = 3_000; // characters
const UNKNOWN = "The model knows none of these words: its answer rests on nothing that is written here.";
const OPPOSITE = { positive: ["negative"], negative: ["positive"], uncertain: ["positive", "negative"] };

export function card(review, answer) {
  return [
    make("h2", { class: `verdict ${answer.sentiment}`, id: "verdict" }, verdict(answer)),
    make("p", { class: "detail" }, detail(answer)),
    scale(answer),
    ...explanation(review, answer.explanation),
    make("p", { class: "hint", id: "about" }, about(answer)),
    wrong(review, answer),
  ];
}

function explanation(review, found) {
  const title = make("h2", {}, "The words that decided");
  const text = make("p", { class: "review", id: "decided", dir: "auto" });
  if (review.length > LONG) { // it gets a height of its own, and whoever has no mouse must be able to scroll it
    text.classList.add("long");
    for (const [name, value] of [["tabindex", "0"], ["role", "group"], ["aria-label", "The review"]]) text.setAttribute(name, value);
  }
  if (!found?.words?.length) {
    text.append(review);
    const told = !found ? "This model does not name them."
      : found.words_read ? "They could not be located in this text." : UNKNOWN;
    return [title, text, make("p", { class: "hint" }, told)];
  }
  text.append(...highlighted(review, found));
  if (!found.words.some(([, , change]) => change)) return [title, text, make("p", { class: "hint" }, UNKNOWN)];
  const sides = strongest(review, found).map(([side, words]) =>
    make("p", {}, make("span", { class: `key ${side}` }, `towards ${side}`), ` ${words.join(", ")}`));
  const cut = found.words_read < found.words_total
    ? ` The model reads ${found.words_read} of the ${found.words_total} words: the rest is grey.` : "";
  return [title, text, make("div", { class: "sides" }, ...sides),
    make("p", { class: "hint" }, (sides.length ? "Colour: how much the score changes when that word alone is hidden." : "No single word changes the score by much.") + cut)];
}

function about({ model_version: version, model_package: model, milliseconds }) {
  const named = model?.version ? `Model version ${model.version} (${version})` : `Model ${version}`;
  const reviews = model?.test_reviews ? `${model.test_reviews.toLocaleString("en")} test reviews` : "its test reviews";
  const tested = model?.test_accuracy ? [`right on ${(100 * model.test_accuracy).toFixed(1)} % of ${reviews}`] : [];
  return [named, ...tested, `answered in ${Math.max(1, Math.round(milliseconds))}\u00a0ms`].join(" · ");
}

function wrong(review, answer) {
  const place = make("div", { class: "row wrong" });
  const told = make("span", { class: "hint", role: "status" });
  let sending = false; // the buttons stay enabled: one that is disabled loses the focus
  const choose = async (label) => {
    if (sending) return;
    sending = true;
    try {
      await correct(review, label, answer);
      say(place, told);
      say(told, `Thank you. Kept as ${label}, for the next training set.`);
      told.setAttribute("tabindex", "-1"); // else whoever uses a keyboard is at the top of the page
      told.focus();
    } catch (failure) {
      say(told, `Not kept: ${failure.message}`);
    }
    sending = false;
  };
  const open = () => {
    const choices = OPPOSITE[answer.sentiment].map((label) =>
      make("button", { type: "button", onclick: () => choose(label) }, `It is ${label}`));
    say(place, ...choices, make("button", { type: "button", class: "quiet", onclick: close }, "Never mind"), told);
    say(told, "Your review will be kept, with the sentiment you choose.");
    choices[0].focus();
  };
  const ask = make("button", { type: "button", class: "quiet", id: "wrong", onclick: open }, "Wrong?");
  const close = () => { say(place, ask); ask.focus(); };
  say(place, ask);
  return place;
}
