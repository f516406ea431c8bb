"use strict";

const encoded = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

const result = new URLSearchParams(location.search);
if (result.has("token")) {
  // Of an invite: it waits here while its reader is at the provider.
  sessionStorage.setItem("invite", result.get("token"));
}
if (["code", "error", "token"].some((name) => result.has(name))) {
  // Out of the address bar and the history, when the page's other script has read it as well.
  addEventListener("DOMContentLoaded", () => history.replaceState(null, "", location.pathname));
}

async function begin(form) {
  const home = form.dataset.signIn;
  if (location.origin !== new URL(home).origin) {
    // The provider sends back to the address of the settings, and there cookie, verifier and invite have to be.
    const invite = sessionStorage.getItem("invite");
    location.assign(`${home}${location.pathname}${invite === null ? "" : `?token=${encodeURIComponent(invite)}`}`);
    return;
  }
  // Whoever else sees the code that comes back cannot redeem it without this (RFC 7636).
  const verifier = encoded(crypto.getRandomValues(new Uint8Array(32)));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  sessionStorage.setItem("verifier", verifier);
  const returnTo = form.dataset.returnTo || "/signed-in";
  const query = new URLSearchParams({ return_to: returnTo, code_challenge: encoded(new Uint8Array(digest)) });
  const tenant = form.querySelector("input[name=tenant]");
  if (tenant !== null && tenant.value !== "") query.set("tenant", tenant.value);
  location.assign(`/api/v1/auth/oidc/start?${query}`);
}

async function post(path, body, headers = {}) {
  const answer = await fetch(`/api/v1${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.detail || content.title);
  return content;
}

function redeem(code) {
  const verifier = sessionStorage.getItem("verifier");
  sessionStorage.removeItem("verifier");
  return post("/auth/oidc/redeem", { code, code_verifier: verifier });
}

async function join(session) {
  const token = sessionStorage.getItem("invite");
  sessionStorage.removeItem("invite");
  const headers = { Authorization: `Bearer ${session.access_token}` };
  const joined = await post("/invites/accept", { token }, headers);
  return `Welcome to ${joined.tenant.name}.`;
}

for (const form of document.querySelectorAll("form[data-sign-in]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    begin(form).catch((error) => (form.querySelector("output").textContent = String(error)));
  });
}

for (const output of document.querySelectorAll("output[data-result]")) {
  const show = (text, failed = false) => {
    output.textContent = text;
    output.classList.toggle("failed", failed);
  };
  const done = output.dataset.result === "joined" ? join : (session) => session.access_token;
  if (result.has("error")) {
    show(`Nobody was signed in: ${result.get("error")}; docs/problems*.md say why.`, true);
  } else if (result.has("code")) {
    redeem(result.get("code")).then(done).then(show, (error) => show(error.message, true));
  }
}
