// SPDX-License-Identifier: MPL-2.0
// What a program that uses the official Node SDKs of OpenAI and Anthropic sees at BASE: run by test_sdks.py in the folder that
// has them. Prints one JSON object, scenario by scenario.
//
//     node sdk_client.mjs BASE KEY
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const need = createRequire(process.cwd() + "/");
const load = async (name) => (await import(pathToFileURL(need.resolve(name)).href));
const { default: OpenAI } = await load("openai");
const { default: Anthropic } = await load("@anthropic-ai/sdk");

const [base, key] = process.argv.slice(2);
const ask = [{ role: "user", content: "Say something." }];
const city = { type: "object", properties: { city: { type: "string" } } };
const tools = [{ type: "function", function: { name: "weather", parameters: city } }];
const openai = new OpenAI({ baseURL: base + "/v1", apiKey: "sk-x", defaultHeaders: { "X-Key": key } });
const claude = new Anthropic({ baseURL: base, apiKey: "sk-x", defaultHeaders: { "X-Key": key } });

const chat = (more) => openai.chat.completions.create({ model: "gpt-4o", messages: ask, max_tokens: 50, ...more });
const response = (more) =>
  openai.responses.create({ model: "gpt-4.1", input: "Say something.", max_output_tokens: 50, ...more });
const message = (more) => claude.messages.create({ model: "claude-sonnet-4", messages: ask, max_tokens: 50, ...more });
const streamed = async (call, more) => {
  const events = [];
  for await (const event of await call({ stream: true, ...more })) events.push(event);
  return events;
};

const scenarios = {
  "chat": () => chat({}),
  "chat tools": () => chat({ tools }),
  "chat stream": () => streamed(chat, {}),
  "chat stream with usage": () => streamed(chat, { stream_options: { include_usage: true } }),
  "chat stream tools": () => streamed(chat, { tools }),
  "chat long stream": () => streamed(chat, { user: "long" }),
  "responses": () => response({}),
  "responses stream": () => streamed(response, {}),
  "responses long stream": () => streamed(response, { metadata: { user_id: "long" } }),
  "claude": () => message({}),
  "claude tools": () => message({ tools: [{ name: "weather", input_schema: city }] }),
  "claude stream": () => streamed(message, {}),
  "claude long stream": () => streamed(message, { metadata: { user_id: "long" } }),
  "claude stream tools": () => streamed(message, { tools: [{ name: "weather", input_schema: city }] }),
};

const results = {};
for (const [name, run] of Object.entries(scenarios)) {
  try {
    results[name] = await run();
  } catch (error) {
    results[name] = error.status ? { raised: error.constructor.name, status: error.status }
                                 : { raised: error.constructor.name, message: String(error.message) };
  }
}
console.log(JSON.stringify(results));
