// Every way to a token that Bauta's authorization server has, taken by the certified `openid-client`,
// and every turn that it must refuse. Prints what it needs a browser for as a line of JSON, reads the
// answer as a line, and prints what it found at the end.
//
// usage: oauth.mjs ISSUER GATEWAY SECRET REDIRECT

import { createInterface } from 'node:readline';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as client from 'openid-client';

const [issuer, gateway, secret, REDIRECT] = process.argv.slice(2);
const SCOPE = 'frontier';
const { port } = new URL(REDIRECT);

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (what) => console.log(JSON.stringify(what));
const browser = async (what) => { say(what); return (await lines.next()).value; };
/** The OAuth error of a promise, or what the client itself objected to. */
const refused = (promise) => promise.then(() => 'TAKEN', (e) => e.error ?? e.code ?? e.message);

const loopback = { execute: [client.allowInsecureRequests] };
const discover = (algorithm, auth = client.None()) =>
  client.discovery(new URL(issuer), 'bauta-cli', undefined, auth, { algorithm, ...loopback });
const config = await discover('oauth2');
const found = { metadata: config.serverMetadata(), openid: (await discover('oidc')).serverMetadata().issuer };

/** One sign-in up to where the browser comes back. */
async function begin(change = {}, pushed = false) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const expectedState = client.randomState();
  const asked = {
    redirect_uri: REDIRECT, scope: SCOPE, state: expectedState, code_challenge_method: 'S256',
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier), ...change,
  };
  const url = pushed
    ? await client.buildAuthorizationUrlWithPAR(config, asked)
    : client.buildAuthorizationUrl(config, asked);
  return { url, checks: { pkceCodeVerifier, expectedState } };
}
async function back(change, pushed) {
  const begun = await begin(change, pushed);
  return { ...begun, at: new URL(await browser({ open: begun.url.href })) };
}
const finish = ({ at, checks }) => client.authorizationCodeGrant(config, at, checks);
const refresh = (token) => client.refreshTokenGrant(config, token);

// Code with PKCE, plain and pushed.
const plain = await back();
const tokens = await finish(plain);
found.code = { type: tokens.token_type, scope: tokens.scope, expires: tokens.expires_in };
const { payload } = await jwtVerify(
  tokens.access_token.replace(/^bauta_/, ''),
  createRemoteJWKSet(new URL(found.metadata.jwks_uri)),
  { issuer, audience: gateway, typ: 'at+jwt', requiredClaims: ['sub', 'exp', 'iat', 'jti', 'client_id', 'scope'] },
);
found.claims = Object.keys(payload).sort();
const pushed = await back({}, true);
found.pushed = { query: [...pushed.url.searchParams.keys()].sort(), taken: await refused(finish(pushed)) };
found.pushed.wrong = await refused(begin({ redirect_uri: 'https://evil.example/callback' }, true));

// RFC 9207: an answer without the issuer, or of another one, is not taken by the client.
found.iss = {};
for (const [name, edit] of [
  ['another', (q) => q.set('iss', 'https://evil.example')],
  ['absent', (q) => q.delete('iss')],
]) {
  const answer = await back();
  edit(answer.at.searchParams);
  found.iss[name] = await refused(finish(answer));
}

// What was begun otherwise than it is ended.
found.code.verifier = await (async () => {
  const answer = await back();
  answer.checks.pkceCodeVerifier = client.randomPKCECodeVerifier();
  return refused(finish(answer));
})();
found.code.redirect = await (async () => {
  const answer = await back();
  answer.at.port = port === '49153' ? '49154' : '49153';
  return refused(finish(answer));
})();
found.code.denied = await (async () => {
  const begun = await begin();
  const at = new URL(await browser({ deny: begun.url.href }));
  return refused(finish({ ...begun, at }));
})();

// Exactly the registered redirect, or a page of the server's own and no redirect at all.
found.redirects = {};
for (const redirect_uri of [
  `${REDIRECT}/`, `${REDIRECT}?x=1`, `${REDIRECT}#x`, `http://127.0.0.1:${port}/Callback`,
  `http://127.0.0.1:${port}/x/../callback`, `http://127.0.0.1:${port}/x%2f..%2fcallback`,
  `http://127.0.0.1:${port}\\callback`, `http://127.0.0.1:${port}@evil.example/callback`,
  `http://localhost:${port}/callback`, `http://localhost.evil:${port}/callback`, `http://127.0.0.1.:${port}/callback`,
  'http://127.0.0.1/callback', `https://127.0.0.1:${port}/callback`, 'https://evil.example/callback',
]) {
  const { url } = await begin({ redirect_uri });
  const answer = await fetch(url, { redirect: 'manual' });
  found.redirects[redirect_uri] = [answer.status, answer.headers.get('location')];
}

// A code that comes twice ends what it gave.
found.twice = { again: await refused(finish(plain)), refresh: await refused(refresh(tokens.refresh_token)) };

// Rotation, and the death of a family whose spent token comes back.
const first = await finish(await back());
const second = await refresh(first.refresh_token);
const third = await refresh(second.refresh_token);
found.rotation = {
  fresh: new Set([first, second, third].map((it) => it.refresh_token)).size,
  reuse: await refused(refresh(first.refresh_token)),
  family: await refused(refresh(third.refresh_token)),
  wider: await refused(client.refreshTokenGrant(config, (await finish(await back())).refresh_token, { scope: 'other' })),
};
found.dead = third.access_token;

// Twenty at once have one successor between them.
const racing = await finish(await back());
const racers = await Promise.allSettled(Array.from({ length: 20 }, () => refresh(racing.refresh_token)));
const won = racers.filter((it) => it.status === 'fulfilled').map((it) => it.value.refresh_token);
found.race = { successors: new Set(won).size, refused: 20 - won.length };

// Revocation (RFC 7009), of what there is and of what there is not.
const given = await finish(await back());
await client.tokenRevocation(config, given.refresh_token);
await client.tokenRevocation(config, given.refresh_token);
await client.tokenRevocation(config, 'nothing of ours', { token_type_hint: 'access_token' });
found.revoked = await refused(refresh(given.refresh_token));

// Introspection (RFC 7662), by who has the secret.
const bearer = (secret) => (_as, _client, _body, headers) => headers.set('authorization', `Bearer ${secret}`);
const resource = await discover('oauth2', bearer(secret));
const live = await finish(await back());
const { active, scope, client_id, token_type, aud } = await client.tokenIntrospection(resource, live.access_token);
found.introspection = {
  live: { active, scope, client_id, token_type, aud },
  revoked: await client.tokenIntrospection(resource, given.access_token),
  nothing: await client.tokenIntrospection(resource, 'nothing of ours'),
  stranger: await refused(client.tokenIntrospection(await discover('oauth2', bearer('wrong')), live.access_token)),
  nobody: await refused(client.tokenIntrospection(config, live.access_token)),
};

// A code typed elsewhere (RFC 8628). The person answers before the first poll.
found.device = {};
for (const answer of ['allow', 'deny']) {
  const asked = await client.initiateDeviceAuthorization(config, { scope: SCOPE });
  await browser({ [answer === 'allow' ? 'type' : 'refuse']: asked.user_code });
  const poll = client.pollDeviceAuthorizationGrant(config, { ...asked, interval: 0.1 });
  found.device[answer] = await refused(poll);
}
const impatient = await client.initiateDeviceAuthorization(config, { scope: SCOPE });
const once = () => client.genericGrantRequest(config, 'urn:ietf:params:oauth:grant-type:device_code', {
  device_code: impatient.device_code,
});
found.device.waiting = [await refused(once()), await refused(once())];

// What there is not.
found.none = {};
for (const [grant, fields] of [
  ['client_credentials', {}], ['password', { username: 'a', password: 'b' }],
  ['urn:ietf:params:oauth:grant-type:jwt-bearer', { assertion: 'e30.e30.e30' }],
]) found.none[grant] = await refused(client.genericGrantRequest(config, grant, fields));
found.assertion = await refused(client.genericGrantRequest(config, 'refresh_token', {
  refresh_token: live.refresh_token, client_assertion: 'e30.e30.e30',
  client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
}));
found.live = live.access_token;
say({ found });
process.exit(0);
