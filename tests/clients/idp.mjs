// A corporate identity provider for tests: the certified `oidc-provider`, with people to sign in as
// and switches for what goes wrong. PORT, ALG, GEN and RP come from the environment: where it listens,
// what signs, which generation of keys, and whose provider it is (whose secret is SECRET). Any
// password works.
import { Provider } from 'oidc-provider';
import { generateKeyPair, exportJWK } from 'jose';

const { PORT = '0', ALG = 'RS256', GEN = '1', RP = 'http://127.0.0.1:8080', SECRET = 'corp-secret' } = process.env;
const ISSUER = `http://127.0.0.1:${PORT}`;
const key = async (alg, kid, options = {}) => {
  const { privateKey } = await generateKeyPair(alg, { extractable: true, ...options });
  return { ...await exportJWK(privateKey), alg, use: 'sig', kid: kid + GEN };
};
const users = {
  alice: { groups: ['engineering'] },
  bob: { groups: ['ai-platform'] },
  carol: { groups: ['compliance'] },
  dave: { groups: ['compliance'] },
};
const off = new Set(); // people disabled here

const provider = new Provider(ISSUER, {
  jwks: { keys: [await key('RS256', 'rsa-'), await key('ES256', 'ec-'), await key('EdDSA', 'ed-', { crv: 'Ed25519' })] },
  clients: [{
    client_id: 'bauta', client_secret: SECRET, token_endpoint_auth_method: 'client_secret_basic',
    redirect_uris: [`${RP}/callback`], post_logout_redirect_uris: [`${RP}/`],
    response_types: ['code'], grant_types: ['authorization_code', 'refresh_token'],
    id_token_signed_response_alg: ALG,
    backchannel_logout_uri: `${RP}/logout/backchannel`, backchannel_logout_session_required: true,
  }],
  features: Object.fromEntries(['devInteractions', 'backchannelLogout', 'rpInitiatedLogout'].map((f) => [f, { enabled: true }])),
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'preferred_username'], groups: ['groups'] },
  conformIdTokenClaims: false, // puts groups into the ID token
  pkce: { required: () => true },
  cookies: { keys: ['test-only'] },
  findAccount: (ctx, id) => (!users[id] || off.has(id)) ? undefined : {
    accountId: id,
    claims: () => ({ sub: id, ...users[id], name: id, preferred_username: id, email: `${id}@corp.example`, email_verified: true }),
  },
  fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, options), // its own refuses loopback
});
const asked = {}; // how often each path was
provider.use(async (ctx, next) => { // POST /_test/disable/alice, /_test/logout/alice, /_test/count/jwks
  const [, act, id, sid] = /^\/_test\/(disable|enable|logout|count)\/(\w+)\/?([\w-]*)$/.exec(ctx.path) ?? [];
  asked[ctx.path] = (asked[ctx.path] ?? 0) + 1;
  if (!act) return next();
  if (act === 'count') {
    ctx.body = String(asked[`/${id}`] ?? 0);
    return;
  }
  if (act === 'logout') await (await provider.Client.find('bauta')).backchannelLogout(id, sid || undefined);
  else if (act === 'disable') off.add(id);
  else off.delete(id);
  ctx.body = 'ok';
});
for (const event of ['authorization.error', 'grant.error', 'server_error', 'backchannel.error']) {
  provider.on(event, (...args) => console.error(event, args.find((a) => a instanceof Error)?.message ?? ''));
}
provider.listen(+PORT, '127.0.0.1', () => console.log('ready', ISSUER));
