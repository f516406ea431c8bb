"use strict";

const token = new URLSearchParams(location.search).get("token");
if (token !== null) {
  // Out of the address bar, the history and what the next page is told.
  history.replaceState(null, "", location.pathname);
}

const explain = (problem) =>
  [problem.detail || problem.title, ...(problem.errors || []).map((e) => `${e.pointer}: ${e.detail}`)].join("\n");

async function post(action, body) {
  const answer = await fetch(action, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  return { ok: answer.ok, content: answer.status === 204 ? {} : await answer.json() };
}

async function send(form) {
  const body = token !== null && "token" in form.dataset ? { token } : {};
  for (const input of form.querySelectorAll("input")) {
    if (input.value !== "" || !("optional" in input.dataset)) body[input.name] = input.value;
  }
  const { ok, content } = await post(form.dataset.action, body);
  const text = form.dataset.shows ? content[form.dataset.shows] : form.dataset.done;
  return { failed: !ok, text: ok ? text : explain(content) };
}

// What the token stands for is shown before the button can be pressed.
async function lookUp(form, list) {
  const { ok, content } = await post(list.dataset.lookup, { token });
  if (!ok) return { failed: true, text: explain(content) };
  for (const place of list.querySelectorAll("[data-name]")) {
    const value = content[place.dataset.name] ?? "—";
    place.textContent = "time" in place.dataset ? value.slice(0, 16).replace("T", " ") : value;
  }
  for (const part of form.querySelectorAll("[data-if]")) part.hidden = !content[part.dataset.if];
  form.querySelector("button").disabled = false;
  return { failed: false, text: "" };
}

async function show(form, work) {
  const output = form.querySelector("output");
  const { failed, text } = await work.catch((error) => ({ failed: true, text: String(error) }));
  output.textContent = text;
  output.classList.toggle("failed", failed);
}

for (const form of document.querySelectorAll("form[data-action]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    show(form, send(form));
  });
  const list = form.querySelector("[data-lookup]");
  if (list !== null) {
    form.querySelector("button").disabled = true;
    show(form, lookUp(form, list));
  }
}
