// Talks through Bauta with an unmodified SDK for JavaScript and prints what it saw as JSON.
//
// usage: talk.mjs anthropic|openai BASE_URL TOKEN MODEL NAME MAIL
//
// Each call offers a tool, uses it when the model asks for that, and tells what it gave: two
// requests. They come in a fixed order, so that a test can prepare the answers.

import { createRequire } from "node:module";
import { hostname, platform, release } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [kind, base, token, model, name, mail] = process.argv.slice(2);
const require = createRequire(join(process.env.BAUTA_TEST_CLIENTS, "any"));
const load = async (package_) => (await import(pathToFileURL(require.resolve(package_)).href)).default;

// What applications put where a provider looks for a user, and what they know of their machine.
const who = `${name} <${mail}> ${hostname()} ${platform()} ${release()}`;
const headers = { "x-canary-name": name, "x-canary-mail": mail, cookie: `session=${mail}` };
const question = { role: "user", content: "What is a bauta?" };
const parameters = { type: "object", properties: { place: { type: "string" } }, required: ["place"] };
const found = "white";

async function anthropic() {
  const Anthropic = await load("@anthropic-ai/sdk");
  const client = new Anthropic({ baseURL: base, apiKey: token, maxRetries: 0, defaultHeaders: headers });
  const tools = [{ name: "look", description: "Looks.", input_schema: parameters }];
  const asked = (messages) => ({ model, max_tokens: 256, metadata: { user_id: `${name} ${hostname()}` }, tools, messages });
  const text = (message) => message.content.filter((b) => b.type === "text").map((b) => b.text).join("");
  const ask = async (say) => {
    const first = await say(asked([question]));
    const call = first.content.find((block) => block.type === "tool_use");
    const result = { type: "tool_result", tool_use_id: call.id, content: found };
    const last = await say(
      asked([question, { role: "assistant", content: first.content }, { role: "user", content: [result] }]),
    );
    return { text: text(last), input: call.input, ends: [first.stop_reason, last.stop_reason] };
  };
  return {
    stream: await ask((body) => client.messages.stream(body).finalMessage()),
    whole: await ask((body) => client.messages.create(body)),
  };
}

async function openai() {
  const OpenAI = await load("openai");
  const client = new OpenAI({ baseURL: `${base}/v1`, apiKey: token, maxRetries: 0, defaultHeaders: headers });
  const named = { user: who, safety_identifier: who, metadata: { name, mail } };
  const look = { name: "look", description: "Looks.", parameters };
  const chat = async (say) => {
    const asked = (messages) => ({ model, ...named, tools: [{ type: "function", function: look }], messages });
    const first = (await say(asked([question]))).choices[0].message;
    const call = first.tool_calls[0];
    const result = { role: "tool", tool_call_id: call.id, content: found };
    const last = await say(asked([question, first, result]));
    return { text: last.choices[0].message.content, input: JSON.parse(call.function.arguments) };
  };
  const respond = async () => {
    const asked = (input) => ({ model, ...named, tools: [{ type: "function", ...look, strict: false }], input });
    const say = (body) => client.responses.stream(body).finalResponse();
    const first = await say(asked([question]));
    const call = first.output.find((item) => item.type === "function_call");
    const result = { type: "function_call_output", call_id: call.call_id, output: found };
    const { parsed_arguments: _, ...plain } = call;
    const last = await say(asked([question, plain, result]));
    const parts = last.output.flatMap((item) => item.content ?? []);
    return { text: parts.map((part) => part.text ?? "").join(""), input: JSON.parse(call.arguments) };
  };
  return {
    stream: await chat((body) => client.chat.completions.stream(body).finalChatCompletion()),
    whole: await chat((body) => client.chat.completions.create(body)),
    responses: await respond(),
  };
}

console.log(JSON.stringify(await { anthropic, openai }[kind]()));
