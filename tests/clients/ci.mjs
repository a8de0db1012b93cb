// A platform that runs builds, as GitHub Actions looks from outside: publishes its keys, signs a token
// for each build, and a build that exchanges it with the certified `openid-client` (RFC 8693).
//
// usage: ci.mjs PORT ISSUER. Each line of input is JSON: {"claims": {...}} to exchange a token that says
// so over the usual, {"again": true} to show the last one once more, {"sign": {...}} for the token
// alone, {"rotate": true} for a new key.

import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import * as client from 'openid-client';

const [port, issuer] = process.argv.slice(2);
const platform = `http://127.0.0.1:${port}`;
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const say = (what) => console.log(JSON.stringify(what));

let generation = 0, key, published = [], fetched = 0, last;
async function rotate() {
  const kid = `key-${++generation}`;
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
  key = { kid, privateKey };
  published = [{ ...await exportJWK(publicKey), kid, alg: 'RS256', use: 'sig', x5t: 'unused' }];
}
await rotate();

createServer((request, response) => {
  const documents = {
    '/.well-known/openid-configuration': () => ({
      issuer: platform, jwks_uri: `${platform}/.well-known/jwks`, subject_types_supported: ['public', 'pairwise'],
      response_types_supported: ['id_token'], id_token_signing_alg_values_supported: ['RS256'],
      scopes_supported: ['openid'],
    }),
    '/.well-known/jwks': () => { fetched += 1; return { keys: published }; },
  };
  const document = documents[request.url];
  response.writeHead(document ? 200 : 404, { 'content-type': 'application/json' });
  response.end(JSON.stringify(document?.() ?? {}));
}).listen(Number(port), '127.0.0.1', () => say({ ready: true }));

async function build(claims) {
  const now = Math.floor(Date.now() / 1000);
  const says = {
    jti: randomUUID(), sub: 'repo:corp/app:environment:ci', aud: issuer, iss: platform, nbf: now - 600, iat: now,
    exp: now + 300, repository: 'corp/app', repository_id: '5678', repository_owner: 'corp',
    repository_owner_id: '1234', environment: 'ci', ref: 'refs/heads/main', actor: 'a-person', actor_id: '99',
    run_id: '7', runner_environment: 'github-hosted', event_name: 'push', ...claims,
  };
  return new SignJWT(says).setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: key.kid, x5t: 'unused' }).sign(key.privateKey);
}

const config = await client.discovery(new URL(issuer), 'bauta-ci', undefined, client.None(), {
  algorithm: 'oauth2', execute: [client.allowInsecureRequests],
});
async function exchange(subject_token) {
  last = subject_token;
  try {
    const given = await client.genericGrantRequest(config, EXCHANGE, {
      subject_token, subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    });
    return { ...given };
  } catch (e) {
    return { error: e.error ?? e.code ?? e.message, description: e.error_description };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { claims, again, sign, rotate: turn } = JSON.parse(line);
  if (sign) { say({ token: await build(sign) }); continue; }
  if (turn) { await rotate(); say({ fetched }); continue; }
  say({ ...await exchange(again ? last : await build(claims)), fetched });
}
