# SPDX-License-Identifier: MPL-2.0
"""What a program that uses the official Python SDKs of OpenAI and Anthropic sees at BASE: run by test_sdks.py with the
interpreter that has them. Prints one JSON object, scenario by scenario.

    sdk_client.py BASE KEY
"""

import json
import sys

import anthropic
import openai

BASE, KEY = sys.argv[1:]
ASK = [{"role": "user", "content": "Say something."}]
CITY = {"type": "object", "properties": {"city": {"type": "string"}}}
CHAT_TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": CITY}}]
CLAUDE_TOOLS = [{"name": "weather", "input_schema": CITY}]
OPENAI = openai.OpenAI(base_url=BASE + "/v1", api_key="sk-x", default_headers={"X-Key": KEY})
CLAUDE = anthropic.Anthropic(base_url=BASE, api_key="sk-x", default_headers={"X-Key": KEY})


def chat(**more):
    return OPENAI.chat.completions.create(model="gpt-4o", messages=ASK, max_tokens=50, **more)


def claude(**more):
    return CLAUDE.messages.create(model="claude-sonnet-4", messages=ASK, max_tokens=50, **more)


def whole(call, **more):
    return lambda: call(**more).to_dict()


def streamed(call, **more):
    return lambda: [event.to_dict() for event in call(stream=True, **more)]


def claude_text():
    with CLAUDE.messages.stream(model="claude-sonnet-4", messages=ASK, max_tokens=50) as stream:
        return [list(stream.text_stream), stream.get_final_message().to_dict()]


def response(**more):
    return OPENAI.responses.create(model="gpt-4.1", input="Say something.", max_output_tokens=50, **more)


SCENARIOS = {
    "chat": whole(chat),
    "chat tools": whole(chat, tools=CHAT_TOOLS),
    "chat stream": streamed(chat),
    "chat stream with usage": streamed(chat, stream_options={"include_usage": True}),
    "chat stream tools": streamed(chat, tools=CHAT_TOOLS),
    "chat long stream": streamed(chat, user="long"),
    "responses": whole(response),
    "responses stream": streamed(response),
    "responses long stream": streamed(response, metadata={"user_id": "long"}),
    "claude": whole(claude),
    "claude tools": whole(claude, tools=CLAUDE_TOOLS),
    "claude stream": streamed(claude),
    "claude stream tools": streamed(claude, tools=CLAUDE_TOOLS),
    "claude long stream": streamed(claude, metadata={"user_id": "long"}),
    "claude text": claude_text,
}


def main():
    results = {}
    for name, run in SCENARIOS.items():
        try:
            results[name] = run()
        except (openai.APIStatusError, anthropic.APIStatusError) as error:
            results[name] = {"raised": type(error).__name__, "status": error.status_code}
        except (openai.APIError, anthropic.APIError) as error:
            results[name] = {"raised": type(error).__name__, "message": str(error)}
    print(json.dumps(results))


main()
