"use strict";

const token = new URLSearchParams(location.search).get("token");
if (token !== null) {
  // Out of the address bar, the history and what the next page is told.
  history.replaceState(null, "", location.pathname);
}

const explain = (problem) =>
  [problem.detail || problem.title, ...(problem.errors || []).map((e) => `${e.pointer}: ${e.detail}`)].join("\n");

async function send(form) {
  const body = token !== null && "token" in form.dataset ? { token } : {};
  for (const input of form.querySelectorAll("input")) {
    if (input.value !== "" || !("optional" in input.dataset)) body[input.name] = input.value;
  }
  const answer = await fetch(form.dataset.action, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const content = answer.status === 204 ? {} : await answer.json();
  const text = form.dataset.shows ? content[form.dataset.shows] : form.dataset.done;
  return { failed: !answer.ok, text: answer.ok ? text : explain(content) };
}

for (const form of document.querySelectorAll("form[data-action]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const output = form.querySelector("output");
    const { failed, text } = await send(form).catch((error) => ({ failed: true, text: String(error) }));
    output.textContent = text;
    output.classList.toggle("failed", failed);
  });
}
