// The handler's API. Whatever is no whole answer of it becomes a Failure, with what a person can do about it.

export const TIMEOUT = 30_000; // milliseconds: longer than the gateway waits, which waits longer than the function
export const LONGEST = 20_000; // characters of a review, as web/handler.py says
const SENTIMENTS = ["positive", "negative", "uncertain"];

export class Failure extends Error {
  // seconds: when to come again, where that helps; code: as in the API's errors
  constructor(code, message, seconds = null) {
    super(message);
    this.code = code;
    this.seconds = seconds;
  }
}

const TOLD = { // by code, or by status where a gateway answers in a shape of its own
  throttled: "Too many reviews at once.",
  busy: "The model is busy.",
  not_deployed: "No model is deployed at the moment.",
  upstream_timeout: "The model took too long.",
  upstream_failed: "The model failed. This says nothing about your review.",
  too_large: "That is too long for the model.",
  429: "Too many reviews at once.",
  503: "The model is busy.",
  504: "The model took too long.",
};
const RETRIED = ["throttled", "busy"];

export async function post(path, content, signal = null) {
  const timeout = AbortSignal.timeout(TIMEOUT);
  let response, answer;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(content),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    answer = await response.json().catch((error) => {
      if (error instanceof SyntaxError) return null; // a body of someone else's
      throw error;
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    if (timeout.aborted) throw new Failure("timeout", "No answer came in time. Try again.");
    if (!navigator.onLine) throw new Failure("offline", "You are offline. Your review is still here: ask again when you are back.");
    throw new Failure("unreachable", "The page's server cannot be reached. Your review is still here: try again.");
  }
  if (response.ok && answer) return answer;
  const { code, message } = answer?.error ?? {};
  const told = TOLD[code] ?? TOLD[response.status] ?? message ?? "The page's server failed.";
  const later = RETRIED.includes(code) || [429, 503].includes(response.status) && code !== "not_deployed";
  const seconds = later ? Number(response.headers.get("Retry-After")) || 1 : null;
  throw new Failure(code ?? `status ${response.status}`, told, seconds);
}

export async function sentiment(review) {
  const answer = await post("api/sentiment", { review });
  return whole(answer);
}

export async function batch(reviews, signal) {
  const { answers } = await post("api/batch", { reviews }, signal);
  if (!Array.isArray(answers) || answers.length !== reviews.length) throw unreadable();
  return answers.map((answer) => (answer.error ? answer : whole(answer)));
}

export function correct(review, label, { model_version, probability }) {
  return post("api/corrections", { review, label, answer: { model_version, probability } });
}

function whole(answer) {
  const { sentiment, probability } = answer ?? {};
  if (!SENTIMENTS.includes(sentiment) || typeof probability !== "number" || !(probability >= 0 && probability <= 1)) throw unreadable();
  return answer;
}

function unreadable() {
  return new Failure("unreadable", "The model's answer cannot be read. This says nothing about your review.");
}
