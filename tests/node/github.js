// Signs each body as GitHub's own package does: a JSON list of [secret, body] in, a list of signatures out.
import { readFileSync } from "node:fs";
import { sign } from "@octokit/webhooks-methods";

const asked = JSON.parse(readFileSync(0, "utf8"));
const signatures = await Promise.all(asked.map(([secret, body]) => sign(secret, body)));
process.stdout.write(JSON.stringify(signatures));
