// Elements are made here, and from text alone: nothing that a review holds is ever read as HTML.

export const byId = (id) => document.getElementById(id);

// make("p", { class: "hint", onclick: f }, "text", element, …)
export function make(name, attributes = {}, ...children) {
  const svg = ["svg", "rect", "title"].includes(name);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

export function say(element, ...children) {
  element.replaceChildren(...children.filter((child) => child !== null));
}
