"use strict";

const encoded = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

async function begin(form) {
  const home = form.dataset.signIn;
  if (location.origin !== new URL(home).origin) {
    // The provider sends back to the address of the settings, and there cookie and verifier have to be.
    location.assign(`${home}${location.pathname}`);
    return;
  }
  // Whoever else sees the code that comes back cannot redeem it without this (RFC 7636).
  const verifier = encoded(crypto.getRandomValues(new Uint8Array(32)));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  sessionStorage.setItem("verifier", verifier);
  const query = new URLSearchParams({ return_to: "/signed-in", code_challenge: encoded(new Uint8Array(digest)) });
  const tenant = form.querySelector("input[name=tenant]");
  if (tenant !== null && tenant.value !== "") query.set("tenant", tenant.value);
  location.assign(`/api/v1/auth/oidc/start?${query}`);
}

async function redeem(code) {
  const verifier = sessionStorage.getItem("verifier");
  sessionStorage.removeItem("verifier");
  const answer = await fetch("/api/v1/auth/oidc/redeem", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ code, code_verifier: verifier }),
  });
  const content = await answer.json();
  return { failed: !answer.ok, text: answer.ok ? content.access_token : content.detail || content.title };
}

const result = new URLSearchParams(location.search);
if (result.has("code") || result.has("error")) {
  // Out of the address bar and the history.
  history.replaceState(null, "", location.pathname);
}

for (const form of document.querySelectorAll("form[data-sign-in]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    begin(form).catch((error) => (form.querySelector("output").textContent = String(error)));
  });
}

for (const output of document.querySelectorAll("output[data-result]")) {
  const show = ({ failed, text }) => {
    output.textContent = text;
    output.classList.toggle("failed", failed);
  };
  if (result.has("error")) {
    show({ failed: true, text: `Nobody was signed in: ${result.get("error")}; docs/problems*.md say why.` });
  } else if (result.has("code")) {
    redeem(result.get("code")).then(show, (error) => show({ failed: true, text: String(error) }));
  }
}
