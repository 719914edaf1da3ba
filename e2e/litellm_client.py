# SPDX-License-Identifier: MPL-2.0
"""Programs that use the official OpenAI SDK: run by test_litellm.py with the interpreter that has it. Reads orders from its input,
one JSON array of requests a line, makes the requests of a line all at once, and prints their results as one line.

    {"url": base URL, "key": API key, "text": prompt, "fields": {…}, "retries": 0, "stream": false, "leave_after": chunks}

A result is what the program sees: {"text", "usage"} or {"raised", "status", "body"}, and {"left": chunks} of a stream that it left.
"""

import asyncio
import json
import sys

import openai


async def stream(client, asked, leave_after):
    text, usage, seen = "", None, 0
    async with await client.chat.completions.create(stream=True, stream_options={"include_usage": True}, **asked) as events:
        async for event in events:
            usage = event.usage or usage
            if event.choices and event.choices[0].delta.content:
                text += event.choices[0].delta.content
                seen += 1
                if seen == leave_after:
                    return {"left": seen}
    return {"text": text, "usage": usage and usage.to_dict()}


async def one(order):
    asked = {"model": "gpt-4o", "max_tokens": 50, "messages": [{"role": "user", "content": order["text"]}]}
    async with openai.AsyncOpenAI(base_url=order["url"], api_key=order["key"], max_retries=order.get("retries", 0), timeout=60,
                                  default_headers=order["fields"]) as client:
        try:
            if order.get("stream"):
                return await stream(client, asked, order.get("leave_after"))
            whole = await client.chat.completions.create(**asked)
            return {"text": whole.choices[0].message.content, "usage": whole.usage.to_dict()}
        except openai.APIStatusError as error:
            return {"raised": type(error).__name__, "status": error.status_code, "body": error.response.text}
        except openai.APIError as error:
            return {"raised": type(error).__name__, "status": 0, "body": str(error)}


async def main():
    loop = asyncio.get_running_loop()
    while True:
        line = await loop.run_in_executor(None, sys.stdin.readline)
        if not line:
            return
        print(json.dumps(await asyncio.gather(*(one(order) for order in json.loads(line)))), flush=True)


asyncio.run(main())
