// An identity provider that believes who says who they are: node provider.mjs PORT CONTROLS PEOPLE
//
// The protocol is oauth2-mock-server's. Each first segment of a path is an issuer of its own, so that tests do not
// meet; with CONTROLS "on", POST /{issuer}/control makes one misbehave.

import { HttpServer, OAuth2Issuer, OAuth2Service } from "oauth2-mock-server";

const [port, controls, people] = process.argv.slice(2);
const origin = `http://127.0.0.1:${port}`;
const issuers = new Map();

class Provider {
  constructor(name) {
    this.issuer = new OAuth2Issuer();
    this.issuer.url = `${origin}/${name}`;
    this.service = new OAuth2Service(this.issuer, { authorize: "/approved", jwks: "/published" });
    this.codes = new Map();
    this.people = new Map();
    this.hanging = new Set();
    this.broken = new Set();
    this.hits = {};
    this.metadata = {};
    this.claims = {};
    this.withdrawn = new Set();
    // To find the primes of an RSA key takes a tenth of a second: only where somebody wants it.
    const algorithms = name.startsWith("es256-") ? ["ES256"] : ["ES256", "RS256"];
    this.ready = Promise.all(algorithms.map((algorithm) => this.issuer.keys.generate(algorithm)));
    this.listen();
  }

  listen() {
    const { service, issuer } = this;
    service.addRoute("GET", "/authorize", (req, res) => this.authorize(req, res));
    service.addRoute("GET", "/jwks", (_req, res) => {
      const keys = issuer.keys.toJSON().filter((key) => !this.withdrawn.has(key.kid));
      send(res, 200, "application/json", JSON.stringify({ keys }));
    });
    service.on("beforeWellKnownOpenIdConfiguration", ({ body }) => {
      Object.assign(body, {
        authorization_endpoint: `${issuer.url}/authorize`,
        jwks_uri: `${issuer.url}/jwks`,
        id_token_signing_alg_values_supported: ["RS256", "ES256"],
        ...this.metadata,
      });
    });
    service.on("beforeAuthorizeRedirect", ({ url }, req) => {
      this.codes.set(url.searchParams.get("code"), req.query.login_hint);
    });
    service.on("beforeTokenSigning", ({ payload }, req) => {
      const email = this.codes.get(req.body.code);
      Object.assign(payload, this.person(email));
      if (payload.aud === undefined) {
        Object.assign(payload, { aud: "service", azp: req.body.client_id });
      } else {
        Object.assign(payload, this.claims);
      }
      for (const name of Object.keys(payload)) if (payload[name] === null) delete payload[name];
    });
    service.on("beforeUserinfo", (answer, req) => {
      const [, payload] = (req.headers.authorization ?? "").split(".");
      const { sub } = JSON.parse(Buffer.from(payload ?? "", "base64url").toString() || "{}");
      answer.body = { sub, ...this.people.get(sub) };
    });
  }

  person(email) {
    const sub = `dev|${email}`;
    return { sub, email, email_verified: true, name: email?.split("@")[0], ...this.people.get(sub) };
  }

  authorize(req, res) {
    const asked = new URL(req.url, origin).searchParams;
    if (asked.get("login_hint")) {
      res.writeHead(302, { Location: `${this.issuer.url}/approved?${asked}` }).end();
      return;
    }
    const hidden = [...asked].map(([name, value]) => `<input type="hidden" name="${html(name)}" value="${html(value)}">`);
    const known = people.split(",").map((email) => `<button name="login_hint" value="${html(email)}">${html(email)}</button>`);
    send(res, 200, "text/html", PAGE.replaceAll("HIDDEN", hidden.join("")).replace("KNOWN", known.join("")));
  }

  async control(command) {
    for (const name of ["metadata", "claims"]) if (command[name]) this[name] = command[name];
    for (const name of ["hanging", "broken", "withdrawn"]) if (command[name]) this[name] = new Set(command[name]);
    for (const [sub, claims] of Object.entries(command.people ?? {})) this.people.set(sub, claims);
    if (command.key) return { kid: (await this.issuer.keys.generate(command.key)).kid };
    if (command.token) {
      const { kid, header, claims } = command.token;
      const scopesOrTransform = (ownHeader, ownClaims) => {
        Object.assign(ownHeader, header);
        Object.assign(ownClaims, claims);
        for (const name of Object.keys(ownClaims)) if (ownClaims[name] === null) delete ownClaims[name];
      };
      return { token: await this.issuer.buildToken({ kid, scopesOrTransform }) };
    }
    return { keys: this.issuer.keys.toJSON(), hits: this.hits };
  }
}

const PAGE = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Development identity provider</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:30rem;margin:3rem auto;padding:0 1rem}
button,input{font:inherit;padding:.4rem .8rem;margin:.2rem 0}form button{display:block}
form button,form input{max-width:100%;box-sizing:border-box}</style>
<h1>Who are you?</h1><p>This provider asks for no password. It verifies every address.</p>
<form>HIDDENKNOWN</form><form>HIDDEN<label>Somebody else <input name="login_hint" type="email" required></label>
<button>Sign in</button></form></html>`;

const html = (text) => text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);

function send(res, status, type, body) {
  res.writeHead(status, { "Content-Type": type, "Cache-Control": "no-store" }).end(body);
}

async function body(req) {
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString());
}

async function answer(req, res) {
  const { pathname, search } = new URL(req.url, origin);
  const [, name, ...rest] = pathname.split("/");
  if (name === "") return send(res, 200, "text/plain", "The development identity provider.\n");
  if (!issuers.has(name)) issuers.set(name, new Provider(name));
  const provider = issuers.get(name);
  await provider.ready;
  const path = `/${rest.join("/")}`;
  if (controls === "on" && path === "/control") {
    return send(res, 200, "application/json", JSON.stringify(await provider.control(await body(req))));
  }
  provider.hits[path] = (provider.hits[path] ?? 0) + 1;
  if (provider.hanging.has(path)) return undefined;
  if (provider.broken.has(path)) return send(res, 500, "text/plain", "broken\n");
  req.url = `${path}${search}`;
  return provider.service.requestHandler(req, res);
}

await new HttpServer((req, res) => {
  answer(req, res).catch((error) => send(res, 500, "text/plain", `${error}\n`));
}).start(Number(port), "127.0.0.1");
