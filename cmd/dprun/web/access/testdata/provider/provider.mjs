// An OpenID Connect provider. Usage: provider.mjs PORT REDIRECT_URI ACCOUNTS
// ACCOUNTS is a JSON file with the claims of each account by its login. It is
// read whenever somebody is asked for. The process ends with its standard input.
import { readFileSync } from 'node:fs';
import { Provider } from 'oidc-provider';

const [port, redirect, accounts] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const provider = new Provider(issuer, {
  clients: [{ client_id: 'dprun', client_secret: 'the secret of the client', redirect_uris: [redirect] }],
  claims: { openid: ['sub'], email: ['email'], groups: ['groups'] },
  pkce: { required: () => true },
  cookies: { keys: ['of a test'] },
  features: { devInteractions: { enabled: true } },
  findAccount: async (_, id) => ({
    accountId: id,
    claims: async () => ({ sub: id, ...JSON.parse(readFileSync(accounts))[id] }),
  }),
});
provider.listen(Number(port), '127.0.0.1', () => console.log('listening'));
process.stdin.resume().on('end', () => process.exit());
