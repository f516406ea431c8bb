import { call, forgetToken, post, show, token } from "./pages.js";

const result = new URLSearchParams(location.search);
if (result.has("code") || result.has("error")) {
  // Out of the address bar and the history.
  history.replaceState(null, "", location.pathname);
}

const encoded = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

async function begin(form) {
  // Whoever else sees the code that comes back cannot redeem it without this (RFC 7636).
  const verifier = encoded(crypto.getRandomValues(new Uint8Array(32)));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  sessionStorage.setItem("verifier", verifier);
  const query = new URLSearchParams({
    return_to: form.dataset.returnTo,
    code_challenge: encoded(new Uint8Array(digest)),
  });
  const tenant = form.elements.tenant?.value;
  if (tenant) query.set("tenant", tenant);
  const start = `/auth/oidc/start?${query}`;
  // Asked before the browser leaves: a refusal is then shown on this page.
  await call(start, { redirect: "manual" });
  location.assign(new URL(`../api/v1${start}`, import.meta.url));
  return "";
}

function redeem() {
  const verifier = sessionStorage.getItem("verifier");
  sessionStorage.removeItem("verifier");
  return post("/auth/oidc/redeem", { code: result.get("code"), code_verifier: verifier });
}

async function join(session) {
  const headers = { Authorization: `Bearer ${session.access_token}` };
  const joined = await post("/invites/accept", { token }, headers);
  forgetToken();
  return `Welcome to ${joined.tenant.name}.`;
}

async function end(output) {
  if (result.has("error")) {
    const code = result.get("error");
    const problem = { type: `/problems/${encodeURIComponent(code)}` };
    throw Object.assign(new Error(`Nobody was signed in: ${code}.`), { problem });
  }
  const session = await redeem();
  if (output.dataset.result === "joined") return join(session);
  document.querySelector("[data-lead]").textContent =
    "You are signed in. Your access token, for “Authorize” in the documentation:";
  return session.access_token;
}

for (const form of document.querySelectorAll("form[data-sign-in]")) {
  // The provider sends back to that address, where cookie, verifier and token have to be.
  const home = new URL(form.dataset.signIn);
  const move = (query) => location.replace(new URL(`${location.pathname}?${new URLSearchParams(query)}`, home));
  const isElsewhere = location.origin !== home.origin;
  if (isElsewhere && token !== null) {
    forgetToken();
    move({ token });
  }
  const tenant = form.elements.tenant;
  if (result.has("tenant") && tenant !== undefined && !tenant.readOnly) tenant.value = result.get("tenant");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (isElsewhere) move({ tenant: tenant?.value ?? "" });
    else show(form.querySelector("output"), begin(form));
  });
}

for (const output of document.querySelectorAll("output[data-result]")) {
  if (result.has("code") || result.has("error")) show(output, end(output));
}
